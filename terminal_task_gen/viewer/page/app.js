// Starts the page: reads the route, shows its view, passes on keys and live changes.

import { drawBar } from "./bar.js";
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { installKeys } from "./keys.js";
import { listen } from "./live.js";
import * as route from "./route.js";
import { applyTheme } from "./theme.js";
import { plain } from "./text.js";
import { showDiff } from "./diff.js";
import { showList } from "./list.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { showTask } from "./task.js";
import { showTrajectory } from "./trajectory.js";

const main = document.getElementById("main");
const WAIT_MS = 200;
const scrolls = new Map();
const app = { runs: [], route: route.read(), view: null, abort: null, hash: location.hash };

/** The view for a route: a function of a context that fills `context.root` and answers {keys, changed, update, leave}. */
function chooseView({ page, id }) {
  if (page === "runs") return showRuns;
  if (page === "run") return showRun;
  if (page === "diff") return showDiff;
  if (page === "tasks") return id ? showTask : showList;
  if (page === "trajectories") return id ? showTrajectory : showList;
  return null;
}

async function navigate() {
  const intent = route.takeIntent();
  scrolls.set(app.hash, scrollY);
  app.hash = location.hash;
  const next = route.read();
  const same =
    app.view?.update && next.page === app.route.page && next.run === app.route.run && next.id === app.route.id;
  app.route = next;
  drawBar(app);
  if (same) return app.view.update(next);
  await show(next, intent);
}

async function show(next, intent) {
  app.abort?.abort();
  app.view?.leave?.();
  app.view = null;
  app.abort = new AbortController();
  const { signal } = app.abort;
  const root = h("div", { class: `view view-${next.page}` });
  const context = {
    root,
    route: next,
    runs: app.runs,
    signal,
    run: app.runs.find((one) => one.run === next.run) ?? null,
    setTitle,
  };
  try {
    const build = chooseView(next);
    if (!build || (next.run !== null && !context.run)) throw new Error(`There is nothing at ${plain(location.hash)}.`);
    const waiting = setTimeout(() => wait(context.run), WAIT_MS);
    const view = await build(context).finally(() => clearTimeout(waiting));
    if (signal.aborted) return view?.leave?.();
    app.view = view;
    main.replaceChildren(root);
  } catch (failure) {
    if (failure.name === "AbortError" || signal.aborted) return;
    main.replaceChildren(troubled(failure));
  }
  main.removeAttribute("aria-busy");
  arrive(intent);
}

/** What is shown stays until the next page is there; only before the first, or while a run is read for the first time, it is said why. */
function wait(run) {
  main.setAttribute("aria-busy", "true");
  if (run && run.index.state !== "building" && main.querySelector(".view")) return;
  const why =
    run?.index.state === "building"
      ? "This run is being read for the first time: an index is made of it."
      : "Loading …";
  main.replaceChildren(h("p", { class: "nothing" }, why));
}

/** A page that was gone to begins at its heading; one that was come back to is where it was left. */
function arrive(intent) {
  if (intent === "follow") {
    scrollTo(0, 0);
    (app.view?.focusFirst ?? focusHeading)();
  } else {
    scrollTo(0, scrolls.get(app.hash) ?? 0);
    app.view?.focusReturn?.();
  }
}

function focusHeading() {
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function setTitle(...parts) {
  document.title = [...parts.map((part) => plain(part).slice(0, 120)), "ttg view"].join(" · ");
}

function troubled(failure) {
  setTitle("Trouble");
  return h(
    "section",
    { class: "trouble", role: "alert" },
    h("h1", null, "This cannot be shown"),
    h("p", null, failure.message),
    h("p", null, h("button", { type: "button", on: { click: () => show(route.read(), "follow") } }, "Try again")),
  );
}

/** A run changed on disk: its head, the bar, and the view if it shows that run. */
function onChanged(change) {
  const head = app.runs.find((one) => one.run === change.run);
  if (!head) return;
  const grown = head.revision !== change.revision || head.index.state !== change.index.state;
  Object.assign(head, change);
  drawBar(app);
  if (grown && (app.route.run === null || app.route.run === change.run)) app.view?.changed?.(change);
}

async function start() {
  applyTheme();
  history.scrollRestoration = "manual";
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  try {
    app.runs = (await get("runs")).runs;
  } catch (failure) {
    main.replaceChildren(troubled(failure));
    return;
  }
  installKeys(app);
  if (app.runs.length === 1 && app.route.page === "runs") route.amend(route.link([app.runs[0].run]));
  window.addEventListener("hashchange", navigate);
  app.route = route.read();
  app.hash = location.hash;
  drawBar(app);
  listen({
    changed: onChanged,
    state: (live) => {
      app.live = live;
      drawBar(app);
      if (live === "lost") say("The server does not answer.");
    },
  });
  await show(app.route, "return");
}

start();
