// Several runs side by side: the same measures, one column a run.

import { get } from "./api.js";
import { bar } from "./badges.js";
import { h, refill } from "./dom.js";
import { count, fixed, money, percent, plural, short } from "./format.js";
import { calm } from "./live.js";
import { go, link } from "./route.js";
import { inline, plain } from "./text.js";

const LIVE_MS = 1500;

export async function showRuns({ root, route, runs, signal, setTitle }) {
  setTitle("Runs");
  let query = route.query;
  const load = async () =>
    (await get("compare", { query: query.getAll("run").map((one) => ["run", one]), signal })).runs;
  const draw = (funnels) => refill(root, drawRuns(runs, funnels, query));
  const again = async () => draw(await load());
  draw(await load());
  return {
    keys: {},
    update: async (next) => {
      query = next.query;
      await again();
    },
    changed: calm(again, LIVE_MS),
  };
}

function drawRuns(runs, funnels, query) {
  const chosen = query.getAll("run");
  const choose = (name, on) => {
    const shown = funnels.map((one) => one.run);
    const next = on ? [...shown, name] : shown.filter((one) => one !== name);
    go(link([], next.length === runs.length ? [] : next.map((one) => ["run", one])));
  };
  const choice = (one) =>
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: !chosen.length || chosen.includes(one.run),
        data: { key: `choose-${one.run}` },
        on: { change: (event) => choose(one.run, event.target.checked) },
      }),
      " ",
      inline(one.run, 60),
    );
  return [
    h(
      "div",
      { class: "page-head" },
      h("h1", null, plural(runs.length, "run")),
      runs.length > 1
        ? h("div", { class: "run-choices", role: "group", "aria-label": "Runs to compare" }, runs.map(choice))
        : null,
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "side-title" },
      h("h2", { id: "side-title" }, "Side by side"),
      h(
        "div",
        { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Runs side by side" },
        sideBySide(funnels),
      ),
    ),
  ];
}

const share = (part, whole) => ({ value: whole ? part / whole : null, text: percent(part, whole), bar: true });
const plainly = (value, text) => ({ value, text });
const judged = ({ rollout }) => rollout.passed + rollout.partial + rollout.zero;

const MEASURES = [
  ["Requests", (one) => plainly(one.generate.requests, count(one.generate.requests))],
  ["Tasks", (one) => plainly(one.generate.tasks, count(one.generate.tasks))],
  ["Yield of generation", (one) => share(one.generate.tasks, one.generate.requests - one.generate.owed)],
  ["Drafts refused", (one) => plainly(one.generate.rejected, count(one.generate.rejected))],
  ["Trajectories", (one) => plainly(one.rollout.trajectories, count(one.rollout.trajectories))],
  ["Failed attempts", (one) => plainly(one.rollout.failed, count(one.rollout.failed))],
  ["Pass rate", (one) => share(one.rollout.passed, judged(one))],
  ["Partial", (one) => share(one.rollout.partial, judged(one))],
  [
    "Kept by the filter",
    (one) => (one.filter ? share(one.filter.kept, one.filter.kept + one.filter.dropped) : plainly(null, "–")),
  ],
  ["Tokens read", (one) => plainly(one.usage.prompt_tokens, short(one.usage.prompt_tokens))],
  ["Tokens written", (one) => plainly(one.usage.completion_tokens, short(one.usage.completion_tokens))],
  ["Cost", (one) => plainly(one.usage.cost_usd, money(one.usage.cost_usd))],
];

function sideBySide(funnels) {
  const names = (key) => [...new Set(funnels.flatMap((one) => one[key].map((group) => group.name)))].sort();
  const groupRows = (key) =>
    names(key).map((name) => [name, (one) => passRate(one[key].find((group) => group.name === name))]);
  const section = (title, rows) =>
    h(
      "tbody",
      null,
      h("tr", null, h("th", { class: "band", colspan: String(funnels.length + 1), scope: "rowgroup" }, title)),
      rows.map(([name, measure]) => measureRow(name, funnels.map(measure))),
    );
  return h(
    "table",
    { class: "rows side" },
    h("caption", { class: "unseen" }, "Runs side by side"),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        h("th", { scope: "col" }, "Measure"),
        funnels.map((one) =>
          h(
            "th",
            { scope: "col" },
            h(
              "a",
              { href: link([one.run]), data: { key: `run-${one.run}` }, title: plain(one.run) },
              inline(one.run, 40),
            ),
          ),
        ),
      ),
    ),
    section("Funnel", MEASURES),
    section("Pass rate by domain", groupRows("domains")),
    section("Pass rate by difficulty", groupRows("difficulties")),
    section("Pass rate by mode", groupRows("modes")),
  );
}

function passRate(group) {
  if (!group?.judged) return plainly(null, "–");
  return {
    ...share(group.passed, group.judged),
    under: `${count(group.passed)} of ${count(group.judged)} · mean reward ${fixed(group.mean_reward)}`,
  };
}

function measureRow(name, cells) {
  return h(
    "tr",
    null,
    h("th", { scope: "row" }, inline(name, 60)),
    cells.map((cell) =>
      h(
        "td",
        { title: cell.under ?? null },
        h(
          "span",
          { class: "rate" },
          h("span", { class: "number" }, cell.text),
          cell.bar ? bar(cell.value, "good") : null,
        ),
      ),
    ),
  );
}
