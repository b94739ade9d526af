// Two attempts side by side in one column: where their turns, tests and outcomes part.

import { get, path } from "./api.js";
import { dropBadge, outcome, reward } from "./badges.js";
import { h } from "./dom.js";
import { count, duration, plural, short } from "./format.js";
import { step } from "./keys.js";
import { drawTray } from "./marks.js";
import { go, link } from "./route.js";
import { drawTable } from "./table.js";
import { inline, nodes } from "./text.js";

const FIRST_LINES = 40;

export async function showDiff({ root, route, run, signal, setTitle }) {
  const query = Object.fromEntries(
    ["left", "right", "right_run"].map((name) => [name, route.query.get(name)]).filter(([, value]) => value),
  );
  const answer = await get(`${path("runs", run.run)}/diff`, { query, signal });
  const rightRun = query.right_run ?? run.run;
  setTitle("Compare", answer.left.title ?? answer.left.id);
  root.append(head(answer, run, rightRun), sides(answer, run, rightRun), tests(answer), turns(answer, run, rightRun));
  drawTray();
  const turned =
    rightRun === run.run
      ? link([run.run, "diff"], { left: query.right, right: query.left })
      : link([rightRun, "diff"], { left: query.right, right: query.left, right_run: run.run });
  return {
    keys: {
      j: ["next turn that differs", () => step(".diff-turn summary", 1)],
      k: ["previous turn that differs", () => step(".diff-turn summary", -1)],
      s: ["swap the two", () => go(turned)],
      u: ["up to the task", () => go(link([run.run, "tasks", answer.left.task_id]))],
    },
  };
}

function head({ left, right }, run) {
  const same = left.task_id === right.task_id;
  return h(
    "div",
    { class: "page-head" },
    h(
      "nav",
      { class: "way", "aria-label": "Way back" },
      h("a", { href: link([run.run, "tasks", left.task_id]) }, "← The task"),
    ),
    h("h1", null, "Two attempts", same ? [": ", inline(left.title ?? left.task_id, 200)] : null),
    same ? null : h("p", { class: "notice" }, "These are attempts at different tasks."),
  );
}

function sides({ left, right }, run, rightRun) {
  const columns = [
    { name: "", cell: (row) => h("span", { class: `side-sign ${row.side}` }, row.side === "left" ? "−" : "+") },
    {
      name: "Attempt",
      main: true,
      cell: (row) => [
        h("a", { href: link([row.run, "trajectories", row.head.id]) }, `Attempt ${row.head.attempt}`),
        h(
          "span",
          { class: "under" },
          inline(row.head.id, 60),
          " · ",
          inline(row.head.model, 60),
          row.run === run.run ? "" : [" · ", inline(row.run, 60)],
        ),
      ],
    },
    { name: "Outcome", cell: (row) => outcome(row.head) },
    { name: "Reward", cell: (row) => reward(row.head) },
    { name: "Turns", numeric: true, cell: (row) => count(row.head.turns) },
    { name: "Tokens", numeric: true, cell: (row) => short(row.head.tokens) },
    { name: "Time", numeric: true, cell: (row) => duration(row.head.seconds) },
    { name: "Stopped", wide: true, cell: (row) => inline(row.head.stop_reason, 60) },
    { name: "Filter", cell: (row) => dropBadge(row.head.drop) },
  ];
  columns[0].name = h("span", { class: "unseen" }, "Side");
  const rows = [
    { id: left.id, side: "left", head: left, run: run.run },
    { id: right.id, side: "right", head: right, run: rightRun },
  ];
  return h(
    "section",
    { class: "panel", "aria-label": "The two attempts" },
    h("div", { class: "table-scroll" }, drawTable({ columns, rows, run: run.run, caption: "The two attempts" })),
  );
}

function tests({ tests: list }) {
  if (!list.length) return null;
  const word = (status) =>
    h(
      "span",
      { class: status === "passed" ? "good" : status === null ? "quiet" : "bad" },
      status === null ? "–" : [status === "passed" ? "✓ " : "✗ ", inline(status, 20)],
    );
  const columns = [
    { name: "Test", main: true, cell: (row) => h("span", { class: "mono" }, inline(row.name, 200)) },
    { name: "Left", cell: (row) => word(row.left) },
    { name: "Right", cell: (row) => word(row.right) },
    { name: "", cell: (row) => (row.left === row.right ? "" : h("span", { class: "badge part" }, "differs")) },
  ];
  columns[3].name = h("span", { class: "unseen" }, "Differs");
  return h(
    "section",
    { class: "panel", "aria-labelledby": "tests-title" },
    h("h2", { id: "tests-title" }, "Tests"),
    drawTable({ columns, rows: list.map((one) => ({ ...one, id: one.name })), run: null, caption: "Tests of both" }),
  );
}

function turns({ turns: list, truncated }, run, rightRun) {
  const differing = list.filter((one) => one.op !== "equal").length;
  return h(
    "section",
    { "aria-labelledby": "turns-title" },
    h(
      "h2",
      { id: "turns-title" },
      "Turns ",
      h("span", { class: "quiet" }, `${plural(differing, "turn")} of ${count(list.length)} differ`),
    ),
    truncated
      ? h("p", { class: "notice" }, "Too long to align in full: the rest is set side by side by number.")
      : null,
    list.map(drawTurn),
    run.run === rightRun ? null : h("p", { class: "quiet" }, "The right attempt is of another run."),
  );
}

const OPS = { equal: "same", changed: "differs", left: "only left", right: "only right" };

function drawTurn({ op, left, right, commands, screen, lines_cut: cut }) {
  const number =
    left === right
      ? `Turn ${left}`
      : [left === null ? null : `left ${left}`, right === null ? null : `right ${right}`].filter(Boolean).join(" · ");
  const name = [
    h("span", { class: "turn-number" }, number),
    h("span", { class: `badge ${op === "equal" ? "none" : "part"}` }, OPS[op] ?? op),
  ];
  if (op === "equal") return h("p", { class: "diff-equal" }, name);
  const part = (title, lines) => (lines.length ? [h("h3", null, title), drawLines(lines)] : null);
  return h(
    "details",
    { class: "fold diff-turn", open: true },
    h("summary", null, name),
    part("Typed", commands),
    part("Screen", screen),
    cut ? h("p", { class: "quiet" }, `${plural(cut, "more line")} not shown`) : null,
  );
}

function drawLines(given) {
  const lines = given.at(-1)?.[0] === " " && given.at(-1)[1] === "" ? given.slice(0, -1) : given;
  const box = h("pre", { class: "shown diff-lines", dir: "ltr" });
  const line = ([sign, text]) =>
    h(
      sign === "-" ? "del" : sign === "+" ? "ins" : "span",
      { class: "line" },
      h("span", { class: "diff-sign" }, sign === "-" ? "−" : sign),
      nodes(text.length > 2000 ? `${text.slice(0, 2000)}…` : text),
      "\n",
    );
  box.append(...lines.slice(0, FIRST_LINES).map(line));
  if (lines.length <= FIRST_LINES) return box;
  const button = h(
    "button",
    { type: "button", class: "more" },
    `Show ${plural(lines.length - FIRST_LINES, "more line")}`,
  );
  button.addEventListener("click", () => {
    box.append(...lines.slice(FIRST_LINES).map(line));
    button.remove();
  });
  return [box, button];
}
