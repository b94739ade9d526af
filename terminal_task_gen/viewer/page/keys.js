// Single keys. Global ones here, a view's own in its `keys`; every one of them is in the help overlay, and all can be switched off.

import { drawBar } from "./bar.js";
import { h } from "./dom.js";
import { go, link } from "./route.js";
import { turnTheme } from "./theme.js";

const PREFIX_MS = 1500;
const OFF = "ttg-view-keys-off";
let shown = null;
let prefixed = 0;

const GLOBAL = {
  "?": ["this help", () => openHelp()],
  "/": ["search", focusSearch],
  t: [
    "colours: system, light, dark",
    (app) => {
      turnTheme();
      drawBar(app);
    },
  ],
  "g o": ["go to the overview of the run", (app) => visit(app)],
  "g t": ["go to the tasks", (app) => visit(app, "tasks")],
  "g j": ["go to the trajectories", (app) => visit(app, "trajectories")],
  "g r": ["go to all runs", () => go("#/")],
};

/** The view's keys are {key: [what it does, function]}; "ArrowDown" and the like are named as browsers do. */
export function installKeys(app) {
  shown = app;
  document.addEventListener("keydown", (event) => onKey(app, event));
}

function onKey(app, event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { target } = event;
  if (document.querySelector("dialog[open]")) return;
  if (isTyping(target)) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (localStorage.getItem(OFF) || target.closest?.(".ap-player, select")) return;
  if ([" ", "Enter"].includes(event.key) && target.closest?.("a, button, summary, label, input")) return;
  const all = { ...GLOBAL, ...app.view?.keys };
  const name = Date.now() - prefixed < PREFIX_MS ? `g ${event.key}` : event.key;
  prefixed = event.key === "g" && name === "g" ? Date.now() : 0;
  if (!all[name]) return;
  event.preventDefault();
  all[name][1](app);
}

function isTyping(target) {
  return (
    target instanceof HTMLTextAreaElement ||
    (target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type))
  );
}

function focusSearch(app) {
  const field = document.querySelector('main input[type="search"]');
  if (field) field.select();
  else visit(app, "trajectories");
}

function visit(app, ...page) {
  const run = app.route.run ?? app.runs[0]?.run;
  if (run !== undefined) go(link([run, ...page]));
}

/** Moves the focus among the elements of a selector; stays at the ends. */
export function step(selector, delta) {
  const all = [...document.querySelectorAll(selector)];
  if (!all.length) return;
  const at = all.findIndex((one) => one === document.activeElement || one.contains(document.activeElement));
  const next = all[at === -1 ? (delta > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + delta))];
  next.focus({ preventScroll: true });
  (next.closest("tr") ?? next).scrollIntoView({ block: "nearest" });
}

export function openHelp() {
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "help-title" }, "Keys"),
      h("button", { class: "icon", "aria-label": "Close" }, "×"),
    ),
    h(
      "div",
      { class: "help-columns" },
      section("Everywhere", GLOBAL),
      section("On this page", shown?.view?.keys ?? {}),
    ),
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", checked: !localStorage.getItem(OFF), on: { change: switchKeys } }),
      " Single keys do something",
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

function switchKeys(event) {
  if (event.target.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
}

const SIGNS = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  " ": "space",
  Enter: "enter",
  Escape: "esc",
};

function section(title, keys) {
  const rows = Object.entries(keys).map(([key, [does]]) =>
    h(
      "div",
      null,
      h(
        "dt",
        null,
        key.trim() ? key.split(" ").map((one) => h("kbd", null, SIGNS[one] ?? one)) : h("kbd", null, "space"),
      ),
      h("dd", null, does),
    ),
  );
  return rows.length ? h("section", null, h("h3", null, title), h("dl", null, rows)) : null;
}
