// Long untrusted text: cut by lines and characters, unfolded in steps, the rest asked of the server when wanted.

import { h, refill } from "./dom.js";
import { bytes, plural } from "./format.js";
import { inline, nodes } from "./text.js";

const STEP = 10;
const MAX_LINE_CHARACTERS = 2000;

/**
 * A block of text from the server's {text, more_bytes}.
 * `kind`: "screen", "code" (numbered lines), "prose" or "plain". `lines`, `characters`: shown at first.
 * `loadAll`: asks the server for the whole; without it the missing bytes are only stated.
 */
export function block(cut, { kind = "plain", lines = 40, characters = 6000, loadAll = null, label = null } = {}) {
  const box = h("div", { class: `block block-${kind}` });
  const state = {
    cut: cut ?? { text: "", more_bytes: 0 },
    lines,
    characters,
    loadAll,
    kind,
    label,
    first: { lines, characters },
  };
  draw(box, state);
  return box;
}

function draw(box, state) {
  const { text, hidden } = shorten(state.cut.text.replace(/\s+$/, ""), state.lines, state.characters);
  const body = h(state.kind === "prose" ? "div" : "pre", {
    class: "shown",
    dir: state.kind === "prose" ? "auto" : "ltr",
    "aria-label": state.label,
    role: state.label ? "group" : null,
  });
  body.append(...render(text, state.kind));
  refill(box, body, controls(box, state, hidden));
}

function controls(box, state, hidden) {
  const again = (changes) => {
    Object.assign(state, changes);
    draw(box, state);
  };
  const buttons = [];
  if (hidden) {
    const more = { lines: state.lines * STEP, characters: state.characters * STEP };
    buttons.push(
      h(
        "button",
        { class: "more", type: "button", data: { key: "more" }, on: { click: () => again(more) } },
        `Show more (${hidden})`,
      ),
    );
  }
  if (!hidden && state.cut.more_bytes > 0) buttons.push(loadButton(again, state));
  if (state.lines > state.first.lines) {
    buttons.push(
      h(
        "button",
        { class: "more", type: "button", data: { key: "less" }, on: { click: () => again(state.first) } },
        "Show less",
      ),
    );
  }
  return buttons.length ? h("p", { class: "more-row" }, buttons) : null;
}

function loadButton(again, state) {
  const missing = bytes(state.cut.more_bytes);
  if (!state.loadAll) return h("span", { class: "quiet" }, `${missing} more are not shown`);
  const load = async (event) => {
    event.currentTarget.disabled = true;
    try {
      again({
        cut: await state.loadAll(),
        loadAll: null,
        lines: state.lines * STEP,
        characters: state.characters * STEP,
      });
    } catch (failure) {
      event.target.replaceWith(h("span", { class: "bad" }, failure.message));
    }
  };
  return h(
    "button",
    { class: "more", type: "button", data: { key: "load" }, on: { click: load } },
    `Load ${missing} more`,
  );
}

function shorten(text, maxLines, maxCharacters) {
  let end = -1;
  for (let line = 0; line < maxLines; line += 1) {
    end = text.indexOf("\n", end + 1);
    if (end === -1) break;
  }
  const byLines = end === -1 ? text.length : end;
  const kept = Math.min(byLines, maxCharacters);
  // A few left-over characters or lines are shown rather than hidden behind a button.
  if (text.length - kept < 80 && kept === maxCharacters) return { text, hidden: null };
  if (kept >= text.length) return { text, hidden: null };
  const rest = text.slice(kept);
  const left = rest.split("\n").length - (kept === byLines ? 1 : 0);
  return { text: text.slice(0, kept), hidden: left > 1 ? plural(left, "line") : plural(rest.length, "character") };
}

function render(text, kind) {
  if (kind === "code") return text.split("\n").map((line) => h("span", { class: "line" }, tame(line), "\n"));
  if (kind === "prose") return prose(text);
  return tame(text);
}

/** Nodes of a text whose overlong lines are cut, each with a button of its own. */
function tame(text) {
  if (text.length <= MAX_LINE_CHARACTERS) return nodes(text);
  return text.split("\n").flatMap((line, index) => {
    const head = index ? ["\n"] : [];
    if (line.length <= MAX_LINE_CHARACTERS) return [...head, ...nodes(line)];
    const rest = line.slice(MAX_LINE_CHARACTERS);
    const button = h(
      "button",
      { class: "more inline-more", type: "button" },
      `… ${plural(rest.length, "character")} more in this line`,
    );
    button.addEventListener("click", () => button.replaceWith(...nodes(rest)));
    return [...head, ...nodes(line.slice(0, MAX_LINE_CHARACTERS)), button];
  });
}

/** Markdown is not rendered; code, fences, headings and strong words only look like what they are. */
function prose(text) {
  return unwrap(text)
    .split(/(^```[^\n]*\n[\s\S]*?^```[ \t]*$)/m)
    .flatMap((part) => {
      if (part.startsWith("```")) return [h("span", { class: "fence" }, tame(part))];
      return part.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*|^#{1,6} [^\n]*$)/m).flatMap((piece) => {
        if (/^`.+`$/.test(piece)) return [h("code", null, nodes(piece.slice(1, -1)))];
        if (/^\*\*.+\*\*$/.test(piece)) return [h("strong", null, proseCode(piece.slice(2, -2)))];
        if (/^#{1,6} /.test(piece)) return [h("span", { class: "prose-heading" }, nodes(piece.replace(/^#+ /, "")))];
        return tame(piece);
      });
    });
}

/** Lines that an author broke by hand within a paragraph are joined, as Markdown means them; lists, quotes, tables and short lines stay. */
function unwrap(text) {
  return text.replace(/^(?![>|#~ \t]|```|[-*+] |\d+[.)] )([^\n]{60,})\n(?=[\p{L}`"'(])(?!\d+[.)] )/gmu, "$1 ");
}

function proseCode(text) {
  return text
    .split(/(`[^`\n]+`)/)
    .flatMap((piece) => (/^`.+`$/.test(piece) ? [h("code", null, nodes(piece.slice(1, -1)))] : nodes(piece)));
}

/** A fold with a summary; what it holds is built when it is first opened. */
export function fold(summary, build, { open = false, key = null, className = "fold" } = {}) {
  const details = h("details", { class: className, data: key ? { key } : null }, h("summary", null, summary));
  let built = false;
  const fill = () => {
    if (built || !details.open) return;
    built = true;
    details.append(...[build()].flat());
  };
  details.addEventListener("toggle", fill);
  details.open = open;
  if (open) fill();
  return details;
}

/** A pair list: terms and what they are; pairs whose value is null are left out. */
export function facts(pairs, className = "facts") {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: className },
    shown.map(([term, value]) =>
      h(
        "div",
        null,
        h("dt", null, term),
        h("dd", null, value instanceof Node || Array.isArray(value) ? value : inline(value)),
      ),
    ),
  );
}
