// What a task is made of: instruction, tests and weights, files, solution.

import { block, fold } from "./block.js";
import { h } from "./dom.js";
import { bytes, count, fixed } from "./format.js";
import { panel } from "./panel.js";
import { drawTable } from "./table.js";
import { inline } from "./text.js";

export function instruction(task, reload) {
  return panel(
    "Instruction",
    "instruction-title",
    block(task.instruction, { kind: "prose", lines: 60, loadAll: reload((whole) => whole.instruction) }),
  );
}

export function judging(task, reload) {
  const total = Object.values(task.weights).reduce((sum, one) => sum + one, 0);
  const rows = Object.entries(task.weights).map(([name, weight]) => ({ id: name, name, weight }));
  const columns = [
    { name: "Test", cell: (row) => h("span", { class: "mono" }, inline(row.name, 200)) },
    {
      name: "Weight",
      cell: (row) =>
        h(
          "span",
          { class: "rate" },
          h("span", { class: "number" }, fixed(row.weight)),
          h(
            "span",
            { class: "share plain", "aria-hidden": "true" },
            h("span", { style: { width: `${(100 * row.weight) / (total || 1)}%` } }),
          ),
        ),
    },
  ];
  return panel(
    "Tests and weights",
    "tests-title",
    rows.length ? drawTable({ columns, rows, run: null, caption: "Weights of the tests" }) : null,
    fold(
      "Test code",
      () =>
        block(task.tests, {
          kind: "code",
          lines: 400,
          characters: 40000,
          loadAll: reload((whole) => whole.tests),
          label: "Test code",
        }),
      { key: "tests" },
    ),
  );
}

export function files(title, list, cut, reload, id) {
  if (!list?.length) return null;
  const one = (file, index) => {
    const summary = [
      h("span", { class: "mono" }, inline(file.path, 200)),
      " ",
      h(
        "span",
        { class: "quiet" },
        bytes(file.size_bytes),
        file.executable ? " · executable" : "",
        file.binary ? " · binary" : "",
      ),
    ];
    if (file.binary || !file.content) return h("p", { class: "fold-like" }, summary);
    return fold(summary, () =>
      block(file.content, {
        kind: "code",
        lines: 60,
        loadAll: reload && reload((whole) => whole.files[index].content),
      }),
    );
  };
  return panel(
    [`${title} `, h("span", { class: "quiet" }, count(list.length + (cut ?? 0)))],
    `${id}-title`,
    list.map(one),
    cut ? h("p", { class: "quiet" }, `${count(cut)} more files are not shown`) : null,
  );
}

export function foreign(task) {
  return task.foreign ? files(`Files of ${task.foreign.origin}`, task.foreign.files, 0, null, "foreign") : null;
}

export function solution(task, reload) {
  if (!task.solution) return null;
  return panel(
    "Reference solution",
    "solution-title",
    fold(
      "Show the solution (the teacher never sees it)",
      () =>
        block(task.solution, {
          kind: "code",
          lines: 200,
          characters: 20000,
          loadAll: reload((whole) => whole.solution),
        }),
      { key: "solution" },
    ),
  );
}
