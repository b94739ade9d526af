// The overview of one run: its funnel with what was lost where, rates by domain, mode and difficulty, rules, damage, configuration.

import { get, path } from "./api.js";
import { badge, bar, rate } from "./badges.js";
import { block, facts, fold } from "./block.js";
import { h, refill } from "./dom.js";
import { count, fixed, money, percent, plural, short } from "./format.js";
import { listSteps } from "./funnel.js";
import { calm } from "./live.js";
import { link } from "./route.js";
import { drawTable } from "./table.js";
import { inline } from "./text.js";

const LIVE_MS = 1000;
const MANY_REASONS = 12;

export async function showRun({ root, run, signal, setTitle }) {
  setTitle(run.run);
  const load = () =>
    Promise.all([get(path("runs", run.run), { signal }), get(`${path("runs", run.run)}/funnel`, { signal })]);
  const draw = ([detail, funnel]) => refill(root, drawRun(detail, funnel));
  draw(await load());
  return { keys: {}, changed: calm(async () => draw(await load()), LIVE_MS) };
}

function drawRun(detail, funnel) {
  const { run } = detail;
  return [
    h(
      "div",
      { class: "page-head" },
      h("h1", null, inline(run)),
      h("p", { class: "quiet mono" }, inline(detail.path, 400)),
    ),
    figures(detail, funnel),
    h(
      "section",
      { class: "panel", "aria-labelledby": "funnel-title" },
      h("h2", { id: "funnel-title" }, "Funnel"),
      drawFunnel(run, funnel),
    ),
    groups(run, "Domain", "domain", funnel.domains),
    h(
      "div",
      { class: "pair" },
      groups(run, "Difficulty", "difficulty", funnel.difficulties, true),
      groups(run, "Mode", "mode", funnel.modes, true),
    ),
    h("div", { class: "pair" }, rules(run, funnel.filter), about(detail, funnel)),
    damage(detail.damage),
    h(
      "section",
      { class: "panel", "aria-label": "Configuration" },
      fold("Configuration of the run", () => block(detail.config, { kind: "code", lines: 200, characters: 20000 }), {
        key: "config",
      }),
    ),
  ];
}

function figures(detail, { rollout, filter, usage }) {
  const judged = rollout.passed + rollout.partial + rollout.zero;
  const tokens = usage.prompt_tokens + usage.completion_tokens;
  const figure = (name, value, under, href = null) =>
    h(
      href ? "a" : "div",
      { class: "figure", href },
      h("span", { class: "figure-name" }, name),
      h("span", { class: "figure-value" }, value),
      h("span", { class: "quiet" }, under),
    );
  return h(
    "section",
    { class: "figures", "aria-label": "Key figures" },
    figure(
      "Tasks",
      count(detail.counts.tasks),
      `${count(detail.counts.rejected)} drafts refused`,
      link([detail.run, "tasks"]),
    ),
    figure(
      "Trajectories",
      count(detail.counts.trajectories),
      `${count(detail.counts.failed)} failed attempts`,
      link([detail.run, "trajectories"]),
    ),
    figure(
      "Pass rate",
      percent(rollout.passed, judged),
      `${count(rollout.passed)} of ${count(judged)} judged`,
      link([detail.run, "trajectories"], { passed: "yes" }),
    ),
    filter
      ? figure(
          "Kept",
          percent(filter.kept, filter.kept + filter.dropped),
          `${count(filter.kept)} of ${count(filter.kept + filter.dropped)}`,
          link([detail.run, "trajectories"], { drop: "kept" }),
        )
      : figure("Kept", "–", "not filtered yet"),
    figure(
      "Tokens",
      short(tokens),
      `${short(usage.completion_tokens)} of them written${usage.cost_usd ? ` · ${money(usage.cost_usd)}` : ""}`,
    ),
  );
}

function drawFunnel(run, funnel) {
  const steps = listSteps(run, funnel);
  const most = Math.max(...steps.map((one) => one.number), 1);
  const row = (one) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, one.href ? h("a", { href: one.href }, one.name) : one.name),
      h("td", { class: "numeric" }, count(one.number)),
      h("td", { class: "funnel-bar" }, bar(one.number / most, one.tone)),
      h(
        "td",
        { class: "numeric" },
        one.of ? [percent(one.number, one.of[0]), h("span", { class: "quiet" }, ` of ${one.of[1]}`)] : "",
      ),
      h("td", null, drawLost(one)),
    );
  return h(
    "div",
    { class: "table-scroll" },
    h(
      "table",
      { class: "rows funnel" },
      h("caption", { class: "unseen" }, "From requests to kept trajectories"),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Step", "Number", "Bar", "Share", "Lost, and why"].map((name, index) =>
            h(
              "th",
              { scope: "col", class: index === 1 || index === 3 ? "numeric" : null },
              index === 2 ? h("span", { class: "unseen" }, name) : name,
            ),
          ),
        ),
      ),
      h("tbody", null, steps.map(row)),
    ),
  );
}

function drawLost({ name: step, lost }) {
  const reason = ({ name, number, href }) =>
    h(
      href ? "a" : "span",
      { class: "reason", href, data: { key: `lost-${step}-${name}` } },
      inline(name, 60),
      " ",
      h("span", { class: "number" }, count(number)),
    );
  const rest = lost.slice(MANY_REASONS);
  return [
    lost.slice(0, MANY_REASONS).map(reason),
    rest.length
      ? fold(h("span", { class: "quiet" }, `${count(rest.length)} more reasons`), () => rest.map(reason), {
          key: `lost-${step}`,
        })
      : null,
  ];
}

function groups(run, title, facet, rows, slim = false) {
  if (!rows?.length) return null;
  const columns = [
    {
      name: title,
      cell: (row) =>
        h(
          "a",
          { href: link([run, "trajectories"], { [facet]: row.name }), data: { key: `${facet}-${row.name}` } },
          inline(row.name, 60),
        ),
    },
    { name: "Tasks", numeric: true, cell: (row) => count(row.tasks) },
    {
      name: "Refused",
      numeric: true,
      cell: (row) =>
        row.rejected
          ? h(
              "a",
              {
                href: link([run, "tasks"], { state: "rejected", [facet]: row.name }),
                data: { key: `refused-${facet}-${row.name}` },
              },
              count(row.rejected),
            )
          : "0",
    },
    { name: "Attempts", numeric: true, cell: (row) => count(row.trajectories) },
    { name: "Passed", cell: (row) => rate(row.passed, row.judged) },
    !slim && { name: "Mean reward", numeric: true, cell: (row) => fixed(row.mean_reward) },
    !slim && { name: "Mean turns", numeric: true, wide: true, cell: (row) => fixed(row.mean_turns, 1) },
    { name: "Kept", cell: (row) => rate(row.kept, row.kept + row.dropped, "plain") },
  ].filter(Boolean);
  return h(
    "section",
    { class: "panel", "aria-label": title },
    h("h2", null, `By ${title.toLowerCase()}`),
    h("div", { class: "table-scroll" }, drawTable({ columns, rows, run, caption: `Rates by ${title.toLowerCase()}` })),
  );
}

function rules(run, filter) {
  if (!filter?.rules?.length) return null;
  const columns = [
    { name: "Rule", cell: (row) => h("span", { class: "mono" }, inline(row.rule)) },
    { name: "Does", cell: (row) => badge(row.action === "drop" ? "bad" : "none", inline(row.action)) },
    { name: "Hits", numeric: true, cell: (row) => count(row.hits) },
    { name: "Alone", numeric: true, cell: (row) => count(row.alone) },
    { name: "First", numeric: true, cell: (row) => count(row.first) },
  ];
  return h(
    "section",
    { class: "panel", "aria-label": "Filter rules" },
    h("h2", null, "Filter rules ", h("span", { class: "quiet" }, "preset ", inline(filter.preset ?? "–"))),
    drawTable({ columns, rows: filter.rules, run, caption: "Filter rules and how often they hit" }),
  );
}

function about(detail, funnel) {
  const { rollout } = funnel;
  return h(
    "section",
    { class: "panel", "aria-label": "About the run" },
    h("h2", null, "About"),
    facts([
      ["Models", detail.models?.join(", ")],
      ["Authors", detail.authors?.join(", ")],
      ["Sandbox", detail.sandbox],
      ["Created", detail.created],
      ["ttg", detail.ttg_version],
      ["Run id", detail.run_id],
      ["Tampered", rollout.tampered ? count(rollout.tampered) : null],
      ["Notes", plural(detail.counts.notes, "note")],
      ["Notes kept in", detail.notes.path],
      [
        "Index",
        `${count(detail.index.rows)} rows, ${short(detail.index.size_bytes)}B, ${fixed(detail.index.seconds, 1)} s`,
      ],
    ]),
  );
}

function damage({ lines, first }) {
  if (!lines) return null;
  const columns = [
    { name: "File", cell: (row) => h("span", { class: "mono" }, inline(row.file)) },
    { name: "At byte", numeric: true, cell: (row) => count(row.offset) },
    { name: "Bytes", numeric: true, cell: (row) => count(row.line_bytes) },
    { name: "Why", cell: (row) => inline(row.why, 400) },
  ];
  return h(
    "section",
    { class: "panel warning", "aria-label": "Damaged lines" },
    h("h2", null, `${plural(lines, "damaged line")} left out`),
    drawTable({ columns, rows: first, run: null, caption: "Damaged lines" }),
  );
}
