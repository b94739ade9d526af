// What the two lists are made of: columns, facets in their order, what rows link to.

import { dropBadge, labels, outcome, rate, reward, stateBadge } from "./badges.js";
import { h } from "./dom.js";
import { count, duration, fixed, short } from "./format.js";
import { link } from "./route.js";
import { inline } from "./text.js";

export const FACET_NAMES = {
  domain: "Domain",
  mode: "Mode",
  difficulty: "Difficulty",
  band: "Reward",
  passed: "Outcome",
  stop: "Stop reason",
  drop: "Filter",
  found: "Rule hits",
  model: "Model",
  label: "Label",
  skill: "Skill",
  state: "State",
  reason: "Refused because",
  gate: "Refused by gate",
  solve: "Solved",
  task: "Task",
};

const VALUE_NAMES = { passed: { yes: "passed", no: "not passed" }, state: { rejected: "refused" } };

/** A task, near to an earlier one or not; no draft. */
export function isMade({ state }) {
  return state === "task" || state === "duplicate";
}

/** A facet's value as people read it. */
export function nameValue(facet, value) {
  return VALUE_NAMES[facet]?.[value] ?? value;
}

export const FACET_KEYS = Object.keys(FACET_NAMES);

function rowLink(kind, run, row, title) {
  return h("a", { class: "row-link", href: link([run, kind, row.id]), data: { key: `row-${row.id}` } }, title);
}

function word(value) {
  return value === null ? h("span", { class: "quiet" }, "–") : inline(value, 80);
}

const TRAJECTORY_COLUMNS = [
  {
    name: "Trajectory",
    sort: "id",
    main: true,
    cell: (row, run) => [
      rowLink("trajectories", run, row, inline(row.title ?? row.task_id, 160)),
      h(
        "span",
        { class: "under" },
        inline(row.id, 60),
        ` · attempt ${row.attempt}`,
        row.several ? [" · ", inline(row.model, 60)] : null,
        labels(row.labels),
        row.noted && !row.labels.length ? h("span", { class: "label-tag", title: "has a note" }, "✎") : null,
      ),
    ],
  },
  { name: "Domain", sort: "domain", wide: true, cell: (row) => word(row.domain) },
  { name: "Difficulty", widest: true, cell: (row) => word(row.difficulty) },
  { name: "Reward", sort: "reward", falling: true, cell: (row) => reward(row) },
  { name: "Turns", sort: "turns", falling: true, numeric: true, cell: (row) => count(row.turns) },
  { name: "Tokens", sort: "tokens", falling: true, numeric: true, cell: (row) => short(row.tokens) },
  { name: "Time", sort: "seconds", falling: true, numeric: true, wide: true, cell: (row) => duration(row.seconds) },
  { name: "Stopped", widest: true, cell: (row) => word(row.stop_reason) },
  { name: "Outcome", narrow: true, cell: (row) => outcome(row) },
  { name: "Filter", cell: (row) => dropBadge(row.drop) },
];

const TASK_COLUMNS = [
  {
    name: "Task",
    sort: "title",
    main: true,
    cell: (row, run) => [
      rowLink(
        "tasks",
        run,
        row,
        isMade(row) ? inline(row.title, 160) : inline(row.evidence || row.reason || row.id, 160),
      ),
      h(
        "span",
        { class: "under" },
        inline(row.id, 80),
        row.repair_rounds ? ` · ${row.repair_rounds}× repaired` : "",
        labels(row.labels),
        row.noted && !row.labels.length ? h("span", { class: "label-tag", title: "has a note" }, "✎") : null,
      ),
    ],
  },
  { name: "State", cell: (row) => stateBadge(row.state, row.reason) },
  { name: "Domain", sort: "domain", cell: (row) => word(row.domain) },
  { name: "Difficulty", wide: true, cell: (row) => word(row.difficulty) },
  { name: "Mode", wide: true, cell: (row) => word(row.mode) },
  {
    name: "Attempts",
    sort: "attempts",
    falling: true,
    numeric: true,
    cell: (row) => (isMade(row) ? count(row.attempts) : "–"),
  },
  {
    name: "Solved",
    sort: "solve_rate",
    falling: true,
    cell: (row) => (isMade(row) && row.judged ? rate(row.passed, row.judged) : "–"),
  },
  { name: "Reward", sort: "reward", falling: true, numeric: true, wide: true, cell: (row) => fixed(row.mean_reward) },
];

/** The lists by their page: {title, noun, columns, facets, marks, search}. */
export const LISTS = {
  trajectories: {
    title: "Trajectories",
    noun: ["trajectory", "trajectories"],
    columns: TRAJECTORY_COLUMNS,
    marks: true,
    search: "words in instruction, replies, commands",
    facets: ["passed", "band", "drop", "domain", "difficulty", "mode", "stop", "found", "model", "label", "skill"],
  },
  tasks: {
    title: "Tasks",
    noun: ["task", "tasks"],
    columns: TASK_COLUMNS,
    marks: false,
    search: "words in title, instruction, tests, evidence",
    facets: ["state", "solve", "domain", "difficulty", "mode", "reason", "gate", "label", "skill"],
  },
};
