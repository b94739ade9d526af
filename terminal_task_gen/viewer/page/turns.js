// The turns of a trajectory: what the teacher thought and typed, what the screen answered.

import { badge } from "./badges.js";
import { block, fold } from "./block.js";
import { h } from "./dom.js";
import { clock, duration, plural, short } from "./format.js";
import { NARROW } from "./player.js";
import { inline } from "./text.js";

/** {element, has, highlight, reveal, focus, toggleReasoning}; `pick(turn)` is called when a turn's head is pressed, `loadTurn(turn)` answers it whole. */
export function drawTurns(trajectory, { loadTurn, pick }) {
  const cards = new Map(trajectory.turns.map((turn) => [turn.turn, drawTurn(turn, { loadTurn, pick })]));
  let lit = null;
  return {
    element: h("ol", { class: "turns" }, [...cards.values()]),
    has: (turn) => cards.has(turn),
    highlight(turn) {
      mark(lit, false);
      lit = cards.get(turn);
      mark(lit, true);
    },
    reveal: (turn) => reveal(cards.get(turn)),
    focus: (turn) => cards.get(turn)?.querySelector(".turn-head").focus({ preventScroll: true }),
    toggleReasoning() {
      const folds = [...cards.values()].flatMap((card) => [...card.querySelectorAll("details.reasoning")]);
      const open = folds.some((one) => !one.open);
      for (const one of folds) one.open = open;
    },
  };
}

function mark(card, on) {
  if (!card) return;
  card.classList.toggle("current", on);
  const head = card.querySelector(".turn-head");
  if (on) head.setAttribute("aria-current", "step");
  else head.removeAttribute("aria-current");
}

function reveal(card) {
  if (!card) return;
  const { top } = card.getBoundingClientRect();
  const cover = measureCover();
  if (top >= cover && top <= cover + (innerHeight - cover) * 0.55) return;
  card.style.setProperty("scroll-margin-top", `${cover}px`);
  card.scrollIntoView({
    block: "start",
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
}

/** How much of the window's top is covered by what stays in view: the bar and the strip, or on narrow windows the bar and the player. */
function measureCover() {
  const under = document.querySelector(matchMedia(NARROW).matches ? ".stage" : ".turns-head");
  return document.getElementById("bar").offsetHeight + (under?.offsetHeight ?? 0) + 12;
}

function drawTurn(turn, { loadTurn, pick }) {
  const part = (name) => async () => (await loadTurn(turn.turn))[name];
  return h(
    "li",
    { class: "turn", id: `turn-${turn.turn}`, data: { turn: turn.turn } },
    drawHead(turn, pick),
    notices(turn),
    text(turn.analysis, "Analysis", part("analysis")),
    text(turn.plan, "Plan", part("plan")),
    thought(turn, part("reasoning")),
    commands(turn, loadTurn),
    screen(turn, part("screen")),
    raw(turn, part("reply")),
  );
}

function drawHead(turn, pick) {
  const { usage } = turn;
  const tokens = usage ? `${short(usage.prompt_tokens)} → ${short(usage.completion_tokens)} tokens` : null;
  const time = turn.start_sec === null ? null : h("span", { class: "turn-time" }, clock(turn.start_sec));
  return h(
    "h3",
    null,
    h(
      "button",
      { type: "button", class: "turn-head", on: { click: () => pick(turn.turn) } },
      h("span", { class: "turn-number" }, `Turn ${turn.turn}`),
      time,
      h(
        "span",
        { class: "quiet turn-cost" },
        [turn.seconds === null ? null : duration(turn.seconds), tokens].filter(Boolean).join(" · "),
      ),
    ),
    turn.task_complete ? badge("good", "says it is done") : null,
    turn.handed_over ? badge("part", "after a summary") : null,
    usage?.calls > 1 ? badge("part", `${usage.calls} calls`) : null,
  );
}

function notices(turn) {
  return [
    turn.error ? h("p", { class: "notice bad" }, "Reply not understood: ", inline(turn.error, 600)) : null,
    ...(turn.warnings ?? []).map((one) => h("p", { class: "notice" }, inline(one, 600))),
    turn.injected
      ? h(
          "p",
          { class: "notice" },
          "Injected: ",
          inline(typeof turn.injected === "string" ? turn.injected : JSON.stringify(turn.injected), 600),
        )
      : null,
  ];
}

function text(cut, name, loadAll) {
  if (!cut?.text) return null;
  return h(
    "div",
    { class: "said" },
    h("h4", null, name),
    block(cut, { kind: "prose", lines: 12, characters: 1500, loadAll }),
  );
}

function thought(turn, loadAll) {
  if (!turn.reasoning?.text) return null;
  const size = plural(turn.reasoning.text.length + turn.reasoning.more_bytes, "character");
  return fold(
    ["Reasoning ", h("span", { class: "quiet" }, size)],
    () => block(turn.reasoning, { kind: "prose", lines: 60, loadAll }),
    { className: "fold reasoning" },
  );
}

function commands(turn, loadTurn) {
  if (!turn.commands.length) return turn.error ? null : h("p", { class: "quiet typed-nothing" }, "typed nothing");
  const one = (command, index) => {
    const load = async () => (await loadTurn(turn.turn)).commands[index].keystrokes;
    const ends = command.keystrokes.text.endsWith("\n");
    return h(
      "li",
      null,
      command.keystrokes.text === ""
        ? h("span", { class: "quiet" }, "waits")
        : block(command.keystrokes, { kind: "keys", lines: 16, characters: 3000, loadAll: load }),
      h(
        "span",
        { class: "command-side quiet" },
        ends || command.keystrokes.text === "" ? null : h("span", { title: "no line end: not entered" }, "no ⏎ "),
        command.duration_sec === null || command.duration_sec === undefined ? "" : `${command.duration_sec} s`,
      ),
    );
  };
  return h(
    "div",
    { class: "typed" },
    h("h4", null, "Typed"),
    h("ol", { class: "commands" }, turn.commands.map(one)),
    turn.commands_cut ? h("p", { class: "quiet" }, `${plural(turn.commands_cut, "more command")} not shown`) : null,
  );
}

function screen(turn, loadAll) {
  if (!turn.screen?.text.trim()) return null;
  const { name, shown } = nameScreen(turn.screen);
  return h(
    "div",
    { class: "answered" },
    h("h4", null, name),
    block(shown, { kind: "screen", lines: 18, characters: 4000, loadAll }),
  );
}

/** The first line of an answer says what kind of answer it is; as a heading it need not be read each time. */
function nameScreen(screen) {
  const [, name, rest] = /^(New Terminal Output|Current Terminal Screen):\n([^]*)$/.exec(screen.text) ?? [];
  return name
    ? { name: name[0] + name.slice(1).toLowerCase(), shown: { ...screen, text: rest.replace(/^\n+/, "") } }
    : { name: "Screen", shown: screen };
}

function raw(turn, loadAll) {
  if (!turn.reply?.text) return null;
  return fold("Reply as it came", () => block(turn.reply, { kind: "code", lines: 40, loadAll }), {
    className: "fold raw",
  });
}
