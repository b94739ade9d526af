// Facets: what there is to choose from, how much of it, what is chosen.

import { h } from "./dom.js";
import { count } from "./format.js";
import { inline, plain } from "./text.js";
import { FACET_KEYS, FACET_NAMES, nameValue } from "./columns.js";

const FEW = 8;

/** The folds of all facets. `choose(facet, value, on)`; `wide`: names of facets shown in full; `redraw` after that changes. */
export function drawFacets({ answer, names, choose, wide, redraw, narrowSkill }) {
  return names
    .filter((name) => (answer.facets?.[name] ?? []).length)
    .map((name) => drawFacet(name, { answer, choose, wide, redraw, narrowSkill }));
}

function drawFacet(name, { answer, choose, wide, redraw, narrowSkill }) {
  const values = answer.facets[name];
  const most = Math.max(...values.map((one) => one.count), 1);
  const shown = wide.has(name) ? values : values.filter((one, index) => index < FEW || one.chosen);
  const toggleWide = () => {
    if (!wide.delete(name)) wide.add(name);
    redraw();
  };
  const cut = answer.facets_cut?.[name];
  const open = name !== "skill" || values.some((one) => one.chosen);
  return h(
    "details",
    { class: "facet", open, data: { key: `facet-${name}` } },
    h("summary", null, FACET_NAMES[name]),
    name === "skill" ? skillField(narrowSkill) : null,
    h(
      "ul",
      null,
      shown.map((one) => h("li", null, choice(name, one, most, choose))),
    ),
    values.length > FEW
      ? h(
          "button",
          { type: "button", class: "more", data: { key: `wide-${name}` }, on: { click: toggleWide } },
          wide.has(name) ? "Show fewer" : `Show all ${count(values.length)}`,
        )
      : null,
    cut && wide.has(name) ? h("p", { class: "quiet" }, `${count(cut)} more: narrow them above`) : null,
  );
}

function choice(name, one, most, choose) {
  const box = h("input", {
    type: "checkbox",
    checked: one.chosen,
    data: { key: `choice-${name}-${one.value}` },
    on: { change: (event) => choose(name, one.value, event.target.checked) },
  });
  return h(
    "label",
    { class: one.count ? "choice" : "choice empty" },
    box,
    h("span", { class: "choice-name" }, inline(nameValue(name, one.value), 80)),
    h("span", { class: "choice-bar", "aria-hidden": "true", style: { width: `${(100 * one.count) / most}%` } }),
    h("span", { class: "number" }, count(one.count)),
  );
}

function skillField(narrowSkill) {
  return h("input", {
    type: "text",
    class: "narrow",
    placeholder: "skills that contain …",
    "aria-label": "Show skills that contain",
    data: { key: "narrow-skill" },
    value: narrowSkill.value,
    on: { input: (event) => narrowSkill.set(event.target.value) },
  });
}

/** What is chosen, as buttons that take it back. */
export function drawChips(query, remove, clear) {
  const chosen = FACET_KEYS.flatMap((name) => query.getAll(name).map((value) => [name, value]));
  if (!chosen.length) return null;
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "Chosen filters" },
    chosen.map(([name, value]) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          data: { key: `chip-${name}-${value}` },
          "aria-label": `Remove ${FACET_NAMES[name]}: ${plain(nameValue(name, value))}`,
          on: { click: () => remove(name, value) },
        },
        h("span", { class: "quiet" }, FACET_NAMES[name]),
        " ",
        inline(nameValue(name, value), 60),
        h("span", { "aria-hidden": "true" }, " ×"),
      ),
    ),
    h("button", { type: "button", class: "more", data: { key: "clear" }, on: { click: clear } }, "Clear all"),
  );
}
