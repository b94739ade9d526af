// A task, or a draft that was refused: its page, who tried it.

import { get, path } from "./api.js";
import { badge, stateBadge } from "./badges.js";
import { block, fold } from "./block.js";
import { isMade, LISTS } from "./columns.js";
import { h, refill } from "./dom.js";
import { count, fixed, plural } from "./format.js";
import { step } from "./keys.js";
import { calm } from "./live.js";
import { compareMarked, diffLink, drawTray, markBox, toggleMark } from "./marks.js";
import { focusNote, notePanel } from "./notes.js";
import { panel } from "./panel.js";
import { findAround } from "./places.js";
import { go, link } from "./route.js";
import { drawTable } from "./table.js";
import { files, foreign, instruction, judging, solution } from "./task_content.js";
import { about, gates, lineage, rejections, rest } from "./task_story.js";
import { inline } from "./text.js";
import { wayBack } from "./way.js";

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
  if (isMade(task)) {
    drawAttempts(attempts, run, task);
    root.append(
      head(task, around),
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "column-main" },
          instruction(task, reload),
          attempts,
          failures(task),
          judging(task, reload),
          files("Files", task.files, task.files_cut, reload, "files"),
          foreign(task),
          solution(task, reload),
        ),
        h(
          "div",
          { class: "column-side" },
          about(task),
          gates(task),
          lineage(task),
          rejections(task, "Earlier drafts that were given up"),
          notePanel(run, task.id, task.note),
          rest(task),
        ),
      ),
    );
  } else {
    root.append(
      refusedHead(task, around),
      h(
        "div",
        { class: "columns" },
        h("div", { class: "column-main" }, rejections(task, "Why", true)),
        h("div", { class: "column-side" }, notePanel(run, task.id, task.note)),
      ),
    );
  }
  drawTray();
  const grow = calm(async () => {
    if (isMade(task)) drawAttempts(attempts, run, await ask());
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
  const rows = !attempts?.length
    ? {}
    : {
        j: ["next attempt", () => step(".row-link", 1)],
        k: ["previous attempt", () => step(".row-link", -1)],
        Enter: ["open the attempt", () => step(".row-link", 1)],
        x: ["choose the attempt for comparing", mark],
        c: ["compare the two chosen", compareMarked],
      };
  return {
    ...rows,
    "]": ["next task of the list", () => around.next && go(around.next)],
    "[": ["previous task of the list", () => around.previous && go(around.previous)],
    u: ["up to the list", () => go(around.back)],
    n: ["write a note", focusNote],
  };
}

function head(task, around) {
  return h(
    "div",
    { class: "page-head" },
    wayBack(around, "Tasks"),
    h("h1", null, inline(task.title, 300)),
    h(
      "p",
      { class: "head-facts" },
      task.state === "duplicate" ? stateBadge(task.state) : null,
      badge("none", inline(task.domain)),
      badge("none", inline(task.difficulty)),
      badge("none", inline(task.mode)),
      h("span", { class: "quiet mono" }, inline(task.id)),
    ),
    task.state === "duplicate" ? h("p", { class: "quiet" }, inline(task.evidence, 300)) : null,
  );
}

function refusedHead(task, around) {
  const decided = task.rejections.at(-1);
  return h(
    "div",
    { class: "page-head" },
    wayBack(around, "Tasks"),
    h(
      "h1",
      null,
      task.state === "owed" ? "Owed draft" : "Refused draft",
      decided ? [": ", inline(decided.reason, 100)] : null,
    ),
    h(
      "p",
      { class: "head-facts" },
      stateBadge(task.state),
      badge("none", inline(task.domain)),
      badge("none", inline(task.difficulty)),
      badge("none", inline(task.mode)),
      h("span", { class: "quiet mono" }, inline(task.id)),
    ),
  );
}

function drawAttempts(box, run, task) {
  const { solve } = task;
  const columns = LISTS.trajectories.columns
    .filter((one) => !["Domain", "Difficulty"].includes(one.name))
    .map((one) =>
      one.main
        ? {
            ...one,
            name: "Attempt",
            cell: (row, name) => [
              h(
                "a",
                { class: "row-link", href: link([name, "trajectories", row.id]), data: { key: `row-${row.id}` } },
                `Attempt ${row.attempt}`,
              ),
              h("span", { class: "under" }, inline(row.id, 60), " · ", inline(row.model, 60)),
            ],
          }
        : one,
    );
  const [first, second] = task.attempts;
  refill(
    box,
    h(
      "h2",
      { id: "attempts-title" },
      "Attempts ",
      h(
        "span",
        { class: "quiet" },
        solve?.judged
          ? `${count(solve.passed)} of ${count(solve.judged)} passed, mean reward ${fixed(solve.mean_reward)}`
          : plural(task.attempts.length, "attempt"),
      ),
    ),
    task.attempts.length
      ? h(
          "div",
          { class: "table-scroll" },
          drawTable({
            columns,
            rows: task.attempts,
            run: run.run,
            mark: task.attempts.length > 1 ? (row) => markBox(run.run, row.id) : null,
            caption: "Attempts at this task",
          }),
        )
      : h("p", { class: "nothing" }, "Nobody has tried it yet."),
    task.attempts.length === 2
      ? h(
          "p",
          null,
          h(
            "a",
            { href: diffLink([run.run, first.id], [run.run, second.id]), data: { key: "compare-both" } },
            "Compare the two",
          ),
        )
      : null,
    task.attempts_cut
      ? h(
          "p",
          { class: "quiet" },
          `${count(task.attempts_cut)} more: `,
          h("a", { href: link([run.run, "trajectories"], { task: task.id }) }, "see the list"),
        )
      : null,
  );
}

function failures(task) {
  if (!task.failures?.length) return null;
  return panel(
    "Failed attempts",
    "failures-title",
    task.failures.map((one) =>
      fold([badge("part", inline(one.cause)), " ", inline(one.reason)], () => block(one.evidence, { kind: "plain" })),
    ),
  );
}
