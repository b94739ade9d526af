// The line above a page's heading: the way back to the list, and the neighbours in it.

import { h } from "./dom.js";
import { count } from "./format.js";

export function wayBack(around, title) {
  const arrow = (href, sign, name) =>
    href
      ? h("a", { href, "aria-label": name, title: name }, sign)
      : h("span", { class: "off", "aria-hidden": "true" }, sign);
  return h(
    "nav",
    { class: "way", "aria-label": "Place in the list" },
    h("a", { href: around.back }, "← ", title),
    around.position
      ? h(
          "span",
          { class: "neighbours" },
          arrow(around.previous, "‹", "Previous in the list ([)"),
          h("span", { class: "number" }, `${count(around.position)} of ${count(around.total)}`),
          arrow(around.next, "›", "Next in the list (])"),
        )
      : null,
  );
}
