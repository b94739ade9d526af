// Where a task comes from and what it had to pass: gates, lineage, refusals, given-up drafts.

import { badge, rate } from "./badges.js";
import { block, facts } from "./block.js";
import { h } from "./dom.js";
import { count, plural, short } from "./format.js";
import { panel } from "./panel.js";
import { link } from "./route.js";
import { inline, nodes } from "./text.js";

export function about(task) {
  return panel(
    "About",
    "about-title",
    facts([
      [
        "Solved",
        task.solve?.judged
          ? [
              rate(task.solve.passed, task.solve.judged),
              h("span", { class: "quiet" }, ` ${count(task.solve.passed)} of ${count(task.solve.judged)}`),
            ]
          : null,
      ],
      ["Image", task.image],
      [
        "Skills",
        task.skills?.length
          ? task.skills.map((one) =>
              h("a", { class: "skill", href: link([task.run, "tasks"], { skill: one }) }, inline(one, 240)),
            )
          : null,
      ],
      ["Tags", task.tags?.join(", ")],
      ...Object.entries(task.limits ?? {}).map(([name, value]) => [
        name,
        typeof value === "object" ? JSON.stringify(value) : value,
      ]),
      [
        "Tokens",
        task.usage ? `${short(task.usage.prompt_tokens)} read, ${short(task.usage.completion_tokens)} written` : null,
      ],
    ]),
  );
}

export function gates(task) {
  if (!task.gates?.length) return null;
  return panel(
    "Gates passed",
    "gates-title",
    h(
      "ul",
      { class: "gates" },
      task.gates.map((one) =>
        h(
          "li",
          null,
          h(
            "span",
            { class: "gate-name" },
            h("span", { class: "good", "aria-hidden": "true" }, "✓ "),
            inline(one.gate),
          ),
          h("span", { class: "quiet" }, inline(one.evidence, 400)),
        ),
      ),
    ),
  );
}

export function lineage(task) {
  const { lineage: from } = task;
  if (!from) return null;
  return panel(
    "Lineage",
    "lineage-title",
    facts([
      ["Request", from.request_id],
      ["Index", from.index],
      ["Seed", from.seed_id],
      ["Data set", from.dataset],
      ["Row", from.dataset_row],
      ["Author", from.author_model],
      ["Prompt", from.prompt_version],
      ...Object.entries(from.axes ?? {}).map(([name, value]) => [
        name,
        typeof value === "object" ? JSON.stringify(value) : value,
      ]),
      ["Repaired", from.repair_rounds ? plural(from.repair_rounds, "round") : "never"],
      ["Image digest", from.image_digest],
      ["Image contents", from.image_manifest],
    ]),
    from.refusals?.length ? [h("h3", null, "Refused on the way"), refusals(from.refusals)] : null,
  );
}

export function refusals(list) {
  return h(
    "ul",
    { class: "gates" },
    list.map((one) =>
      h(
        "li",
        null,
        h("span", { class: "gate-name" }, h("span", { class: "bad", "aria-hidden": "true" }, "✗ "), inline(one.gate)),
        h("span", { class: "quiet" }, inline(one.reasons.join(", "), 300)),
      ),
    ),
  );
}

export function rejections(task, title, open = false) {
  if (!task.rejections?.length) return null;
  return panel(
    title,
    "rejections-title",
    task.rejections.map((one) =>
      h(
        "article",
        { class: "rejection" },
        h(
          "p",
          { class: "head-facts" },
          badge("bad", "✗ ", inline(one.reason, 80)),
          badge("none", inline(one.stage)),
          badge("none", inline(one.cause)),
          one.repair_rounds
            ? h("span", { class: "quiet" }, `after ${plural(one.repair_rounds, "repair round")}`)
            : null,
        ),
        h("h3", null, "Evidence"),
        block(one.evidence, { kind: "plain", lines: open ? 60 : 12 }),
        one.refusals?.length ? [h("h3", null, "By gate, in order"), refusals(one.refusals)] : null,
      ),
    ),
  );
}

/** Fields of the row that this version does not know. */
export function rest(task) {
  if (!Object.keys(task.more ?? {}).length) return null;
  return panel(
    "More",
    "more-title",
    h("pre", { class: "shown" }, nodes(JSON.stringify(task.more, null, 2).slice(0, 20000))),
  );
}
