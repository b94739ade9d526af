// The bar at the top: where one is, where one can go, whether the run is growing.

import { h, refill } from "./dom.js";
import { count } from "./format.js";
import { openHelp } from "./keys.js";
import { link } from "./route.js";
import { inline, plain } from "./text.js";
import { getTheme, turnTheme } from "./theme.js";

const THEME_SIGNS = { system: "◐", light: "☀", dark: "☾" };

export function drawBar(app) {
  const head = app.runs.find((one) => one.run === app.route.run);
  refill(
    document.getElementById("bar"),
    h(
      "a",
      { class: "brand", href: app.runs.length > 1 ? "#/" : link([app.runs[0]?.run ?? ""]), data: { key: "brand" } },
      h("span", { class: "brand-mark", "aria-hidden": "true" }, "▚"),
      "ttg view",
    ),
    chooser(app),
    head ? places(app.route, head) : null,
    h("span", { class: "spring" }),
    liveness(app, head),
    themeButton(app),
    h(
      "button",
      {
        type: "button",
        class: "icon",
        data: { key: "help" },
        title: "Keys (?)",
        "aria-label": "Help: keys",
        on: { click: openHelp },
      },
      "?",
    ),
  );
}

function chooser(app) {
  if (!app.runs.length) return null;
  const options = app.runs.map((one) =>
    h("option", { value: one.run, selected: one.run === app.route.run }, plain(one.run)),
  );
  if (app.runs.length === 1) return h("span", { class: "run-name" }, inline(app.runs[0].run, 60));
  if (app.route.run === null) options.unshift(h("option", { value: "", selected: true }, `${app.runs.length} runs`));
  const change = (event) => {
    const page = ["tasks", "trajectories"].includes(app.route.page) && !app.route.id ? [app.route.page] : [];
    document.activeElement?.blur();
    if (event.target.value) location.hash = link([event.target.value, ...page]);
  };
  return h("select", { class: "run-chooser", "aria-label": "Run", data: { key: "run" }, on: { change } }, options);
}

function places(route, head) {
  const entry = (page, name, number) =>
    h(
      "a",
      {
        href: link(page === "run" ? [head.run] : [head.run, page]),
        "aria-current": route.page === page ? "page" : null,
        data: { key: `to-${page}` },
      },
      name,
      number === null ? null : h("span", { class: "number" }, count(number)),
    );
  // Not counted yet while the index is built for the first time.
  const { tasks = null, rejected = 0, trajectories = null } = head.counts ?? {};
  return h(
    "nav",
    { class: "places", "aria-label": "Run" },
    entry("run", "Overview", null),
    entry("tasks", "Tasks", tasks === null ? null : tasks + rejected),
    entry("trajectories", "Trajectories", trajectories),
  );
}

function liveness(app, head) {
  if (app.live === "lost") return h("span", { class: "live lost" }, "server gone");
  if (head?.index.state === "building") {
    const { done_bytes: done, total_bytes: total } = head.index;
    return h("span", { class: "live building" }, `indexing ${total ? Math.floor((100 * done) / total) : 0} %`);
  }
  if (head?.index.state === "failed")
    return h("span", { class: "live lost", title: plain(head.index.error) }, "index failed");
  return head?.writing
    ? h(
        "span",
        { class: "live writing", title: "A ttg writes this run at the moment; what is shown follows." },
        h("span", { class: "dot", "aria-hidden": "true" }),
        "growing",
      )
    : null;
}

function themeButton(app) {
  const theme = getTheme();
  const turn = () => {
    turnTheme();
    drawBar(app);
  };
  return h(
    "button",
    {
      type: "button",
      class: "icon",
      data: { key: "theme" },
      title: `Colours: ${theme} (t)`,
      "aria-label": `Colours: ${theme}; change`,
      on: { click: turn },
    },
    THEME_SIGNS[theme],
  );
}
