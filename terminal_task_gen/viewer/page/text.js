// Untrusted text: what cannot be seen is shown, what could reorder or colour the page is shown and does nothing.

const NAMES = new Map(
  Object.entries({
    "\u00ad": "SHY",
    "\u061c": "ALM",
    "\u200b": "ZWSP",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u2028": "LS",
    "\u2029": "PS",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2060": "WJ",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\ufeff": "BOM",
    "\u007f": "DEL",
  }),
);

const CONTROLS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

// An escape sequence (CSI, OSC, DCS and friends, two-character ones), or a run of one control, bidi, invisible or tag character.
const ODD = new RegExp(
  "\\u001b(?:\\[[0-?]{0,64}[ -/]*[@-~]|\\][^\\u0007\\u001b\\n]{0,200}(?:\\u0007|\\u001b\\\\)|[PX^_][^\\u001b\\n]{0,200}\\u001b\\\\|[ -/]{0,8}[0-~])" +
    "|([\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u{e0000}-\\u{e0fff}])\\1*",
  "gu",
);

/** A character or sequence that cannot be seen, in visible characters. */
function nameOdd(found) {
  const point = found.codePointAt(0);
  if (point === 0x1b) return [...found].map((one) => nameControl(one) ?? one).join("");
  const times = [...found].length;
  const name = nameControl(found[0]) ?? NAMES.get(found[0]) ?? `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
  return times > 1 ? `${name}×${times}` : name;
}

function nameControl(character) {
  const code = character.charCodeAt(0);
  return code < 0x20 ? CONTROLS[code] : null;
}

/** For titles, labels and other places that hold a string: odd characters as ⟨RLO⟩. */
export function plain(text) {
  return String(text ?? "").replace(ODD, (found) => `⟨${nameOdd(found)}⟩`);
}

/** Nodes that show the text: odd characters as marked symbols. */
export function nodes(text) {
  const shown = [];
  let from = 0;
  for (const match of text.matchAll(ODD)) {
    if (match.index > from) shown.push(document.createTextNode(text.slice(from, match.index)));
    shown.push(markOdd(match[0]));
    from = match.index + match[0].length;
  }
  if (from < text.length) shown.push(document.createTextNode(text.slice(from)));
  return shown;
}

function markOdd(found) {
  const mark = document.createElement("span");
  mark.className = "odd";
  mark.textContent = nameOdd(found);
  mark.title = [...found]
    .slice(0, 12)
    .map((one) => `U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`)
    .join(" ");
  return mark;
}

/** A short untrusted text inline: isolated, cut at `most` characters with the rest in its title. */
export function inline(text, most = 300) {
  const element = document.createElement("bdi");
  const whole = String(text ?? "");
  element.append(...nodes(whole.length > most ? `${whole.slice(0, most)}…` : whole));
  if (whole.length > most) element.title = plain(whole.slice(0, 2000));
  return element;
}
