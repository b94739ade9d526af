// A titled part of a page.

import { h } from "./dom.js";

/** `title` may be nodes; `id` names the heading. */
export function panel(title, id, ...content) {
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), content);
}
