// A trajectory: its turns beside the recording of its terminal, how it was judged and filtered, what it cost.

import { get, path } from "./api.js";
import { badge, dropBadge, outcome } from "./badges.js";
import { h } from "./dom.js";
import { count, duration, fixed, short } from "./format.js";
import { diffLink, drawTray, isMarked, toggleMark } from "./marks.js";
import { focusNote, notePanel } from "./notes.js";
import { findAround } from "./places.js";
import { openPlayer } from "./player.js";
import { amend, go, link } from "./route.js";
import { drawStrip } from "./strip.js";
import { inline } from "./text.js";
import { drawTurns } from "./turns.js";
import { filterPanel, promptPanel, testsPanel, usagePanel } from "./verdict.js";
import { wayBack } from "./way.js";

const ALL_BYTES = 2000000;

export async function showTrajectory(context) {
  const { root, route, run, signal, setTitle } = context;
  const where = path("runs", run.run, "trajectories", route.id);
  const trajectory = await get(where, { signal });
  const around = findAround(run.run, "trajectories", route.id);
  const loadTurn = async (turn) => (await get(where, { query: { turn, text_bytes: ALL_BYTES } })).turns[0];
  const loadWhole = async () => get(where, { query: { text_bytes: ALL_BYTES } });
  setTitle(trajectory.head.title ?? trajectory.id, run.run);
  const page = new TrajectoryPage({ run, trajectory, around, loadTurn, loadWhole, signal });
  root.append(...page.build());
  drawTray();
  const wanted = Number(route.query.get("turn"));
  if (wanted) queueMicrotask(() => page.select(wanted, { scroll: true }));
  return {
    keys: page.keys(),
    update: async (next) => page.select(Number(next.query.get("turn")) || 1, { scroll: true }),
    leave: () => page.leave(),
    focusFirst: wanted ? () => page.turns.focus(wanted) : undefined,
  };
}

class TrajectoryPage {
  constructor(parts) {
    Object.assign(this, parts);
    this.current = null;
    this.player = null;
  }

  build() {
    const { trajectory, run, loadTurn, loadWhole } = this;
    this.turns = drawTurns(trajectory, { loadTurn, pick: (turn) => this.select(turn) });
    this.strip = drawStrip(trajectory.turns, (turn) => this.select(turn, { scroll: true }));
    this.stage = h("section", { class: "panel stage", "aria-label": "Terminal" });
    this.openStage();
    const side = [
      this.stage,
      testsPanel(trajectory, (turn) => this.select(turn, { scroll: true })),
      filterPanel(trajectory, (turn) => this.select(turn, { scroll: true })),
      usagePanel(trajectory),
      notePanel(run, trajectory.id, trajectory.note),
    ];
    return [
      this.head(),
      h(
        "div",
        { class: "watch" },
        h(
          "section",
          { class: "watch-turns", "aria-labelledby": "turns-title" },
          this.turnsHead(),
          promptPanel(trajectory, loadWhole),
          this.turns.element,
        ),
        h("div", { class: "watch-side" }, side),
      ),
    ].filter(Boolean);
  }

  head() {
    const { trajectory, run, around } = this;
    const { head } = trajectory;
    const mark = h(
      "button",
      {
        type: "button",
        "aria-pressed": String(isMarked(run.run, head.id)),
        on: {
          click: (event) => {
            toggleMark(run.run, head.id);
            event.currentTarget.setAttribute("aria-pressed", String(isMarked(run.run, head.id)));
          },
        },
      },
      "Choose for comparing",
    );
    const others = trajectory.neighbours?.attempts ?? [];
    const compare = others.length
      ? h(
          "span",
          { class: "others" },
          "Compare with ",
          others
            .slice(0, 4)
            .map((other, index) => [
              index ? ", " : "",
              h("a", { href: diffLink([run.run, head.id], [run.run, other]) }, inline(other, 40)),
            ]),
        )
      : null;
    return h(
      "div",
      { class: "page-head" },
      wayBack(around, "Trajectories"),
      h("h1", null, head.title === null ? inline(head.task_id, 200) : inline(head.title, 300)),
      h(
        "div",
        { class: "head-facts" },
        outcome(head),
        head.judged ? badge("none", "reward ", fixed(head.reward)) : null,
        dropBadge(trajectory.filter?.drop ?? head.drop),
        badge(head.stop_reason === "completed" ? "none" : "part", "stopped: ", inline(head.stop_reason, 60)),
        h(
          "span",
          { class: "quiet" },
          `attempt ${head.attempt} · `,
          inline(head.model, 80),
          ` · ${count(head.turns)} turns · ${short(head.tokens)} tokens · ${duration(head.seconds)}`,
        ),
      ),
      h(
        "div",
        { class: "head-facts" },
        h("a", { href: link([run.run, "tasks", head.task_id]) }, "The task"),
        h("span", { class: "quiet mono" }, inline(head.id)),
        mark,
        compare,
      ),
    );
  }

  turnsHead() {
    const { turns_cut: cut } = this.trajectory;
    return h(
      "div",
      { class: "turns-head" },
      h("h2", { id: "turns-title" }, "Turns"),
      h(
        "button",
        { type: "button", class: "more", on: { click: () => this.turns.toggleReasoning() } },
        "Open or fold all reasoning",
      ),
      this.strip?.element,
      cut ? h("span", { class: "quiet" }, `${count(cut)} more turns are not shown`) : null,
    );
  }

  async openStage() {
    const { recording, turns } = this.trajectory;
    if (!recording) {
      this.stage.append(
        h("h2", null, "Terminal"),
        h("p", { class: "nothing" }, "There is no recording of this attempt."),
      );
      return;
    }
    this.stage.append(h("p", { class: "quiet" }, "Loading the recording …"));
    try {
      this.player = await openPlayer(this.stage, {
        recording,
        turns,
        signal: this.signal,
        reached: (turn, playing) => this.reach(turn, playing),
      });
      if (this.current) this.player.seekTurn(this.current);
    } catch (failure) {
      if (failure.name !== "AbortError")
        this.stage.replaceChildren(h("h2", null, "Terminal"), h("p", { class: "bad", role: "alert" }, failure.message));
    }
  }

  /** The reader chose a turn: mark it, take the player there, keep it in the address. */
  select(turn, { scroll = false, focus = false } = {}) {
    if (!this.turns.has(turn)) return;
    this.show(turn);
    if (scroll) this.turns.reveal(turn);
    if (focus) this.turns.focus(turn);
    this.player?.seekTurn(turn);
    amend(link([this.run.run, "trajectories", this.trajectory.id], { turn }));
  }

  /** The player came to a turn. */
  reach(turn, playing) {
    if (turn === this.current) return;
    this.show(turn);
    if (playing) this.turns.reveal(turn);
  }

  show(turn) {
    this.current = turn;
    this.turns.highlight(turn);
    this.strip?.highlight(turn);
  }

  move(delta) {
    const numbers = this.trajectory.turns.map((turn) => turn.turn);
    const at = numbers.indexOf(this.current);
    const next = numbers[at === -1 ? 0 : Math.min(numbers.length - 1, Math.max(0, at + delta))];
    if (next !== undefined) this.select(next, { scroll: true, focus: true });
  }

  keys() {
    const { around, run, trajectory } = this;
    return {
      j: ["next turn", () => this.move(1)],
      k: ["previous turn", () => this.move(-1)],
      ArrowRight: ["next turn", () => this.move(1)],
      ArrowLeft: ["previous turn", () => this.move(-1)],
      " ": ["play or pause", () => this.player?.toggle()],
      e: ["open or fold all reasoning", () => this.turns.toggleReasoning()],
      "]": ["next trajectory of the list", () => around.next && go(around.next)],
      "[": ["previous trajectory of the list", () => around.previous && go(around.previous)],
      u: ["up to the list", () => go(around.back)],
      "g k": ["go to the task", () => go(link([run.run, "tasks", trajectory.head.task_id]))],
      x: ["choose for comparing", () => toggleMark(run.run, trajectory.id)],
      c: ["compare with the next attempt at this task", () => this.compareNext()],
      n: ["write a note", focusNote],
    };
  }

  compareNext() {
    const other = this.trajectory.neighbours?.attempts?.[0];
    if (other) go(diffLink([this.run.run, this.trajectory.id], [this.run.run, other]));
  }

  leave() {
    this.player?.dispose();
  }
}
