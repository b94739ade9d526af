// The terminal player in step with the turns: asciinema-player over a time line whose long waits can be shortened.

import { getText } from "./api.js";
import { h } from "./dom.js";
import { clock, plural } from "./format.js";
import { readRecording, shorten } from "./timeline.js";

/** Where the page has one column and the player stays at its top, no higher than its box. */
export const NARROW = "(max-width: 1000px)";

const PLAYER = "page/vendor/asciinema-player/asciinema-player.min.js";
const WATCH_MS = 100;
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8];
const WAIT_LIMIT_SEC = 2;
/** A seek lands a little before or after the wanted time; below this it is the same. */
const SAME_SEC = 0.02;

/** Fills `stage` with the player. `reached(turn, playing)` is called when the time comes into another turn. Answers {seekTurn, toggle, dispose}. */
export async function openPlayer(stage, { recording, turns, signal, reached }) {
  const [text] = await Promise.all([getText(recording.url, signal), loadScript(PLAYER)]);
  return new Stage(stage, readRecording(text), { turns, reached, cut: recording.cut });
}

let loading = null;

function loadScript(source) {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: source });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("The player could not be loaded.")));
    document.head.append(script);
  });
  return loading;
}

class Stage {
  constructor(stage, recorded, { turns, reached, cut }) {
    Object.assign(this, { stage, recorded, reached, speed: 1, limit: WAIT_LIMIT_SEC, playing: false, cut });
    this.turns = turns.filter((turn) => turn.start_sec !== null);
    this.chosen = null;
    this.narrow = matchMedia(NARROW);
    this.refit = () => this.change({});
    this.time = this.turns[0]?.start_sec ?? 0;
    this.draw();
    this.create();
    this.narrow.addEventListener("change", this.refit);
    this.watch = setInterval(() => this.follow(), WATCH_MS);
  }

  draw() {
    this.screen = h("div", { class: "screen" });
    this.clock = h("span", { class: "number stage-clock" }, "");
    const speed = h(
      "select",
      { "aria-label": "Speed", on: { change: (event) => this.change({ speed: Number(event.target.value) }) } },
      SPEEDS.map((one) => h("option", { value: String(one), selected: one === 1 }, `${one}×`)),
    );
    const waits = h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: true,
        on: { change: (event) => this.change({ limit: event.target.checked ? WAIT_LIMIT_SEC : null }) },
      }),
      " shorten waits",
    );
    this.button = h("button", { type: "button", class: "primary play", on: { click: () => this.toggle() } }, "▶ Play");
    const damaged = this.recorded.damaged
      ? h("span", { class: "quiet" }, plural(this.recorded.damaged, "damaged event"))
      : null;
    this.stage.replaceChildren(
      this.screen,
      h(
        "div",
        { class: "stage-foot" },
        this.button,
        speed,
        waits,
        h("span", { class: "spring" }),
        damaged,
        this.cut ? h("span", { class: "quiet" }, "recording cut") : null,
        this.clock,
      ),
    );
  }

  create() {
    this.line = shorten(this.recorded.events, this.limit);
    const at = this.line.toPlayer(this.time);
    // The player's own parsers answer milliseconds.
    const data = {
      cols: this.recorded.columns,
      rows: this.recorded.rows,
      events: this.line.events.map(([time, kind, text]) => [1000 * time, kind, text]),
    };
    this.player?.dispose();
    this.player = globalThis.AsciinemaPlayer.create({ data, parser: (given) => given }, this.screen, {
      fit: this.narrow.matches ? "both" : "width",
      theme: "ttg",
      speed: this.speed,
      startAt: at,
      poster: `npt:${at}`,
      preload: true,
      controls: true,
      cursorMode: "steady",
      markers: this.turns.map((turn) => [this.line.toPlayer(turn.start_sec), `Turn ${turn.turn}`]),
      terminalFontFamily: "var(--mono)",
      terminalLineHeight: 1.25,
      keystrokeOverlay: false,
    });
    this.player.addEventListener("playing", () => this.setPlaying(true));
    for (const name of ["pause", "ended"]) this.player.addEventListener(name, () => this.setPlaying(false));
  }

  setPlaying(on) {
    this.playing = on;
    this.button.textContent = on ? "❚❚ Pause" : "▶ Play";
  }

  /** Speed and waits are fixed when a player is made: it is made anew where it was. */
  change(changes) {
    const playing = this.playing;
    Object.assign(this, changes);
    this.create();
    this.setPlaying(false);
    if (playing) this.player.play();
  }

  toggle() {
    if (this.playing) this.player.pause();
    else this.player.play();
  }

  async seekTurn(number) {
    const turn = this.turns.find((one) => one.turn === number);
    if (!turn) return;
    this.chosen = { turn: number, time: turn.start_sec };
    this.time = turn.start_sec;
    await this.player.seek(this.line.toPlayer(turn.start_sec));
  }

  follow() {
    const shown = this.player.getCurrentTime();
    if (shown === undefined || shown === null) return;
    const now = this.line.toRecording(shown);
    this.clock.textContent = `${clock(now)} / ${clock(this.line.toRecording(this.line.length))}`;
    this.clock.dataset.seconds = now.toFixed(3);
    if (Math.abs(now - this.time) < 1e-6) return;
    this.time = now;
    if (this.chosen && Math.abs(now - this.chosen.time) < SAME_SEC) return;
    this.chosen = null;
    const turn = this.turns.findLast((one) => one.start_sec <= now + 1e-6);
    if (turn) this.reached(turn.turn, this.playing);
  }

  dispose() {
    clearInterval(this.watch);
    this.narrow.removeEventListener("change", this.refit);
    this.player?.dispose();
  }
}
