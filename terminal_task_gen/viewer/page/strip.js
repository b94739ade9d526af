// The turns as a strip of bars: one a turn, its height what the teacher wrote in it. A shortcut for the mouse; the turns' heads do the same.

import { h, svg } from "./dom.js";
import { clock, count } from "./format.js";

const HEIGHT = 34;

/** {element, highlight(turn)}; null for a single turn. `pick(turn)` is called on a click. */
export function drawStrip(turns, pick) {
  if (turns.length < 2) return null;
  const written = turns.map((turn) => turn.usage?.completion_tokens ?? 0);
  const most = Math.max(...written, 1);
  const bars = new Map(turns.map((turn, index) => [turn.turn, drawBar(turn, index, written[index] / most)]));
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${turns.length * 10} ${HEIGHT}`,
      preserveAspectRatio: "none",
      class: "strip",
      width: turns.length * 34,
      height: HEIGHT,
      "aria-hidden": "true",
    },
    [...bars.values()],
  );
  picture.addEventListener("click", (event) => {
    const turn = event.target.closest("[data-turn]")?.dataset.turn;
    if (turn) pick(Number(turn));
  });
  let lit = null;
  return {
    element: h("div", { class: "strip-box" }, picture),
    highlight(turn) {
      lit?.classList.remove("current");
      lit = bars.get(turn);
      lit?.classList.add("current");
    },
  };
}

function drawBar(turn, index, share) {
  const height = Math.max(3, share * HEIGHT);
  const trouble = turn.error ? "bad" : turn.task_complete ? "good" : "";
  const name = `Turn ${turn.turn}${turn.start_sec === null ? "" : `, at ${clock(turn.start_sec)}`}: ${count(turn.usage?.completion_tokens ?? null)} tokens written`;
  return svg(
    "g",
    { "data-turn": turn.turn, class: trouble },
    svg("title", {}, name),
    svg("rect", { x: index * 10, y: 0, width: 10, height: HEIGHT, class: "strip-back" }),
    svg("rect", { x: index * 10 + 0.4, y: HEIGHT - height, width: 9.2, height, class: "strip-bar" }),
  );
}
