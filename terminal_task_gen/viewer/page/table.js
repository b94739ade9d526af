// A table of rows with sortable headings.

import { h } from "./dom.js";
import { plain } from "./text.js";

/** `sort`: the current one ("-reward"); `onSort(next)`; `mark(row)`: a leading checkbox. Each column: {name, sort, falling, numeric, wide, widest, main, cell(row, run)}. */
export function drawTable({ columns, rows, run, sort = null, onSort = null, mark = null, caption }) {
  const kinds = (column) =>
    [
      column.numeric && "numeric",
      column.wide && "only-wide",
      column.widest && "only-widest",
      column.narrow && "only-narrow",
      column.main && "main-cell",
    ]
      .filter(Boolean)
      .join(" ") || null;
  const head = columns.map((column) => {
    const rising = sort === column.sort;
    const falling = sort === `-${column.sort}`;
    const order = rising ? "ascending" : falling ? "descending" : null;
    const label = column.sort && onSort ? sortButton(column, { rising, falling, onSort }) : column.name;
    return h("th", { scope: "col", class: kinds(column), "aria-sort": order }, label);
  });
  const body = rows.map((row) =>
    h(
      "tr",
      { data: { id: row.id } },
      mark ? h("td", { class: "mark-cell" }, mark(row)) : null,
      columns.map((column) => h("td", { class: kinds(column) }, column.cell(row, run))),
    ),
  );
  return h(
    "table",
    { class: "rows" },
    h("caption", { class: "unseen" }, plain(caption)),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        mark ? h("th", { scope: "col", class: "mark-cell" }, h("span", { class: "unseen" }, "Compare")) : null,
        head,
      ),
    ),
    h("tbody", null, body),
  );
}

/** Figures are first sorted with the largest on top; a third click goes back to the order as written. */
function sortButton(column, { rising, falling, onSort }) {
  const [first, second] = column.falling ? [`-${column.sort}`, column.sort] : [column.sort, `-${column.sort}`];
  const now = falling ? `-${column.sort}` : rising ? column.sort : null;
  const next = now === null ? first : now === first ? second : "";
  const sign = falling ? "↓" : rising ? "↑" : "";
  return h(
    "button",
    { type: "button", class: "sort", data: { key: `sort-${column.sort}` }, on: { click: () => onSort(next) } },
    column.name,
    h("span", { class: "sort-sign", "aria-hidden": "true" }, sign),
  );
}
