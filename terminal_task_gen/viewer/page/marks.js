// Attempts chosen for comparing: at most two, kept for the browser tab, shown in a tray at the bottom.

import { h, refill, say } from "./dom.js";
import { go, link } from "./route.js";
import { inline } from "./text.js";

const KEY = "ttg-view-marks";

/** [[run, id], …] */
export function getMarks() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

export function isMarked(run, id) {
  return getMarks().some(([one, other]) => one === run && other === id);
}

/** Marks or unmarks; a third mark pushes the first out. */
export function toggleMark(run, id) {
  const others = getMarks().filter(([one, other]) => one !== run || other !== id);
  const marks = isMarked(run, id) ? others : [...others, [run, id]].slice(-2);
  sessionStorage.setItem(KEY, JSON.stringify(marks));
  say(`${marks.length} of 2 chosen for comparing`);
  drawTray();
}

export function compareMarked() {
  const [left, right] = getMarks();
  if (!right) {
    say("Choose two attempts first: x on a row");
    return;
  }
  sessionStorage.removeItem(KEY);
  go(diffLink(left, right));
}

export function diffLink([run, left], [rightRun, right]) {
  return link([run, "diff"], { left, right, ...(rightRun === run ? {} : { right_run: rightRun }) });
}

export function drawTray() {
  const marks = getMarks();
  const clear = () => {
    sessionStorage.removeItem(KEY);
    for (const box of document.querySelectorAll("input.mark")) box.checked = false;
    drawTray();
  };
  const tray = document.getElementById("tray");
  document.body.classList.toggle("has-tray", marks.length > 0);
  if (!marks.length) return refill(tray);
  refill(
    tray,
    h(
      "section",
      { class: "tray", "aria-label": "Comparing" },
      h("span", { class: "quiet" }, "Compare"),
      marks.map(([, id]) => h("span", { class: "chip" }, inline(id, 40))),
      marks.length < 2
        ? h("span", { class: "quiet" }, "and one more (x)")
        : h(
            "button",
            { type: "button", class: "primary", data: { key: "compare" }, on: { click: compareMarked } },
            "Compare",
          ),
      h("button", { type: "button", class: "more", data: { key: "clear-marks" }, on: { click: clear } }, "Clear"),
    ),
  );
  return undefined;
}

export function markBox(run, id) {
  return h("input", {
    type: "checkbox",
    class: "mark",
    checked: isMarked(run, id),
    "aria-label": "Choose for comparing",
    data: { key: `mark-${id}`, mark: id },
    on: { change: () => toggleMark(run, id) },
  });
}
