// A task, or a draft that was refused: what was asked, how it is judged, what it had to pass, who tried it.

import { get, path } from "./api.js";
import { badge, rate, stateBadge } from "./badges.js";
import { block, facts, fold } from "./block.js";
import { LISTS } from "./columns.js";
import { h, refill } from "./dom.js";
import { bytes, count, fixed, plural, short } from "./format.js";
import { go, link } from "./route.js";
import { step } from "./keys.js";
import { calm } from "./live.js";
import { compareMarked, diffLink, drawTray, markBox, toggleMark } from "./marks.js";
import { focusNote, notePanel } from "./notes.js";
import { findAround } from "./places.js";
import { wayBack } from "./way.js";
import { drawTable } from "./table.js";
import { inline, nodes } from "./text.js";

const LIVE_MS = 3000;
const ALL_BYTES = 2000000;

export async function showTask({ root, route, run, signal, setTitle }) {
  const where = path("runs", run.run, "tasks", route.id);
  const ask = (query) => get(where, { signal, query });
  const task = await ask();
  const around = findAround(run.run, "tasks", route.id);
  const attempts = h("section", { class: "panel", "aria-labelledby": "attempts-title" });
  setTitle(task.title ?? task.id, run.run);
  const reload = (pick) => async () => pick(await ask({ text_bytes: String(ALL_BYTES) }));
  if (task.state === "task") {
    drawAttempts(attempts, run, task);
    root.append(head(task, around), h("div", { class: "columns" }, h("div", { class: "column-main" }, instruction(task, reload), attempts, failures(task), judging(task, reload), files("Files", task.files, task.files_cut, reload, "files"), foreign(task), solution(task, reload)),
      h("div", { class: "column-side" }, about(task), gates(task), lineage(task), rejections(task, "Earlier drafts that were given up"), notePanel(run, task.id, task.note), rest(task))));
  } else {
    root.append(refusedHead(task, around), h("div", { class: "columns" }, h("div", { class: "column-main" }, rejections(task, "Why", true)), h("div", { class: "column-side" }, notePanel(run, task.id, task.note))));
  }
  drawTray();
  const grow = calm(async () => {
    if (task.state === "task") drawAttempts(attempts, run, await ask());
  }, LIVE_MS);
  return { keys: keys(run, around, task), changed: grow };
}

function keys(run, around, { attempts }) {
  const focusedRow = () => document.activeElement?.closest("tr")?.dataset.id;
  const mark = () => {
    const id = focusedRow();
    if (!id) return;
    toggleMark(run.run, id);
    const box = document.querySelector(`[data-mark="${CSS.escape(id)}"]`);
    box.checked = !box.checked;
  };
  const rows = !attempts?.length ? {} : {
    j: ["next attempt", () => step(".row-link", 1)], k: ["previous attempt", () => step(".row-link", -1)], Enter: ["open the attempt", () => step(".row-link", 1)],
    x: ["choose the attempt for comparing", mark], c: ["compare the two chosen", compareMarked],
  };
  return {
    ...rows, "]": ["next task of the list", () => around.next && go(around.next)], "[": ["previous task of the list", () => around.previous && go(around.previous)],
    u: ["up to the list", () => go(around.back)], n: ["write a note", focusNote],
  };
}

function head(task, around) {
  return h("div", { class: "page-head" }, wayBack(around, "Tasks"), h("h1", null, inline(task.title, 300)),
    h("p", { class: "head-facts" }, badge("none", inline(task.domain)), badge("none", inline(task.difficulty)), badge("none", inline(task.mode)), h("span", { class: "quiet mono" }, inline(task.id))));
}

function refusedHead(task, around) {
  const decided = task.rejections.at(-1);
  return h("div", { class: "page-head" }, wayBack(around, "Tasks"), h("h1", null, task.state === "owed" ? "Owed draft" : "Refused draft", decided ? [": ", inline(decided.reason, 100)] : null),
    h("p", { class: "head-facts" }, stateBadge(task.state), badge("none", inline(task.domain)), badge("none", inline(task.difficulty)), badge("none", inline(task.mode)), h("span", { class: "quiet mono" }, inline(task.id))));
}

function panel(title, id, ...content) {
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), content);
}

function instruction(task, reload) {
  return panel("Instruction", "instruction-title", block(task.instruction, { kind: "prose", lines: 60, loadAll: reload((whole) => whole.instruction) }));
}

function drawAttempts(box, run, task) {
  const { solve } = task;
  const columns = LISTS.trajectories.columns.filter((one) => !["Domain", "Difficulty"].includes(one.name)).map((one) => (one.main ? { ...one, name: "Attempt", cell: (row, name) => [h("a", { class: "row-link", href: link([name, "trajectories", row.id]), data: { key: `row-${row.id}` } }, `Attempt ${row.attempt}`), h("span", { class: "under" }, inline(row.id, 60), " · ", inline(row.model, 60))] } : one));
  const [first, second] = task.attempts;
  refill(box, h("h2", { id: "attempts-title" }, "Attempts ", h("span", { class: "quiet" }, solve?.judged ? `${count(solve.passed)} of ${count(solve.judged)} passed, mean reward ${fixed(solve.mean_reward)}` : plural(task.attempts.length, "attempt"))),
    task.attempts.length ? h("div", { class: "table-scroll" }, drawTable({ columns, rows: task.attempts, run: run.run, mark: task.attempts.length > 1 ? (row) => markBox(run.run, row.id) : null, caption: "Attempts at this task" })) : h("p", { class: "nothing" }, "Nobody has tried it yet."),
    task.attempts.length === 2 ? h("p", null, h("a", { href: diffLink([run.run, first.id], [run.run, second.id]), data: { key: "compare-both" } }, "Compare the two")) : null,
    task.attempts_cut ? h("p", { class: "quiet" }, `${count(task.attempts_cut)} more: `, h("a", { href: link([run.run, "trajectories"], { task: task.id }) }, "see the list")) : null);
}

function failures(task) {
  if (!task.failures?.length) return null;
  return panel("Failed attempts", "failures-title", task.failures.map((one) => fold([badge("part", inline(one.cause)), " ", inline(one.reason)], () => block(one.evidence, { kind: "plain" }))));
}

function judging(task, reload) {
  const total = Object.values(task.weights).reduce((sum, one) => sum + one, 0);
  const rows = Object.entries(task.weights).map(([name, weight]) => ({ id: name, name, weight }));
  const columns = [
    { name: "Test", cell: (row) => h("span", { class: "mono" }, inline(row.name, 200)) },
    { name: "Weight", cell: (row) => h("span", { class: "rate" }, h("span", { class: "number" }, fixed(row.weight)), h("span", { class: "share plain", "aria-hidden": "true" }, h("span", { style: { width: `${(100 * row.weight) / (total || 1)}%` } }))) },
  ];
  return panel("Tests and weights", "tests-title", rows.length ? drawTable({ columns, rows, run: null, caption: "Weights of the tests" }) : null,
    fold("Test code", () => block(task.tests, { kind: "code", lines: 400, characters: 40000, loadAll: reload((whole) => whole.tests), label: "Test code" }), { key: "tests" }));
}

function files(title, list, cut, reload, id) {
  if (!list?.length) return null;
  const one = (file, index) => {
    const summary = [h("span", { class: "mono" }, inline(file.path, 200)), " ", h("span", { class: "quiet" }, bytes(file.size_bytes), file.executable ? " · executable" : "", file.binary ? " · binary" : "")];
    if (file.binary || !file.content) return h("p", { class: "fold-like" }, summary);
    return fold(summary, () => block(file.content, { kind: "code", lines: 60, loadAll: reload && reload((whole) => whole.files[index].content) }));
  };
  return panel([`${title} `, h("span", { class: "quiet" }, count(list.length + (cut ?? 0)))], `${id}-title`, list.map(one), cut ? h("p", { class: "quiet" }, `${count(cut)} more files are not shown`) : null);
}

function foreign(task) {
  return task.foreign ? files(`Files of ${task.foreign.origin}`, task.foreign.files, 0, null, "foreign") : null;
}

function solution(task, reload) {
  if (!task.solution) return null;
  return panel("Reference solution", "solution-title", fold("Show the solution (the teacher never sees it)", () => block(task.solution, { kind: "code", lines: 200, characters: 20000, loadAll: reload((whole) => whole.solution) }), { key: "solution" }));
}

function about(task) {
  return panel("About", "about-title", facts([
    ["Solved", task.solve?.judged ? [rate(task.solve.passed, task.solve.judged), h("span", { class: "quiet" }, ` ${count(task.solve.passed)} of ${count(task.solve.judged)}`)] : null], ["Image", task.image],
    ["Skills", task.skills?.length ? task.skills.map((one) => h("a", { class: "skill", href: link([task.run, "tasks"], { skill: one }) }, inline(one, 240))) : null],
    ["Tags", task.tags?.join(", ")], ...Object.entries(task.limits ?? {}).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]),
    ["Tokens", task.usage ? `${short(task.usage.prompt_tokens)} read, ${short(task.usage.completion_tokens)} written` : null],
  ]));
}

function gates(task) {
  if (!task.gates?.length) return null;
  return panel("Gates passed", "gates-title", h("ul", { class: "gates" }, task.gates.map((one) => h("li", null, h("span", { class: "gate-name" }, h("span", { class: "good", "aria-hidden": "true" }, "✓ "), inline(one.gate)), h("span", { class: "quiet" }, inline(one.evidence, 400))))));
}

function lineage(task) {
  const { lineage: from } = task;
  if (!from) return null;
  return panel("Lineage", "lineage-title", facts([
    ["Request", from.request_id], ["Index", from.index], ["Seed", from.seed_id], ["Data set", from.dataset], ["Row", from.dataset_row], ["Author", from.author_model], ["Prompt", from.prompt_version],
    ...Object.entries(from.axes ?? {}).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]), ["Repaired", from.repair_rounds ? plural(from.repair_rounds, "round") : "never"], ["Image digest", from.image_digest], ["Image contents", from.image_manifest],
  ]), from.refusals?.length ? [h("h3", null, "Refused on the way"), refusals(from.refusals)] : null);
}

function refusals(list) {
  return h("ul", { class: "gates" }, list.map((one) => h("li", null, h("span", { class: "gate-name" }, h("span", { class: "bad", "aria-hidden": "true" }, "✗ "), inline(one.gate)), h("span", { class: "quiet" }, inline(one.reasons.join(", "), 300)))));
}

function rejections(task, title, open = false) {
  if (!task.rejections?.length) return null;
  return panel(title, "rejections-title", task.rejections.map((one) => h("article", { class: "rejection" },
    h("p", { class: "head-facts" }, badge("bad", "✗ ", inline(one.reason, 80)), badge("none", inline(one.stage)), badge("none", inline(one.cause)), one.repair_rounds ? h("span", { class: "quiet" }, `after ${plural(one.repair_rounds, "repair round")}`) : null),
    h("h3", null, "Evidence"), block(one.evidence, { kind: "plain", lines: open ? 60 : 12 }), one.refusals?.length ? [h("h3", null, "By gate, in order"), refusals(one.refusals)] : null)));
}

/** Fields of the row that this version does not know. */
function rest(task) {
  if (!Object.keys(task.more ?? {}).length) return null;
  return panel("More", "more-title", h("pre", { class: "shown" }, nodes(JSON.stringify(task.more, null, 2).slice(0, 20000))));
}

