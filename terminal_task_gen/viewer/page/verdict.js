// How a trajectory was judged and filtered, and what it cost.

import { badge, dropBadge, outcome } from "./badges.js";
import { block, facts, fold } from "./block.js";
import { h } from "./dom.js";
import { bytes, count, duration, fixed, money, percent, plural } from "./format.js";
import { panel } from "./panel.js";
import { inline } from "./text.js";

const SIGNS = {
  passed: ["good", "✓"],
  failed: ["bad", "✗"],
  crashed: ["bad", "!"],
  skipped: ["part", "–"],
  missing: ["part", "?"],
};

export function promptPanel({ instruction, prompt }, loadWhole) {
  return h(
    "div",
    { class: "asked" },
    fold("Instruction", () =>
      block(instruction, { kind: "prose", lines: 60, loadAll: async () => (await loadWhole()).instruction }),
    ),
    prompt?.text
      ? fold(
          ["First message as sent ", h("span", { class: "quiet" }, bytes(prompt.text.length + prompt.more_bytes))],
          () => block(prompt, { kind: "plain", lines: 80, loadAll: async () => (await loadWhole()).prompt }),
        )
      : null,
  );
}

export function testsPanel({ verdict, head }) {
  if (!verdict) return panel("Tests", "tests-title", h("p", { class: "nothing" }, "This attempt was not judged."));
  const { tests } = verdict;
  const passed = tests.filter((one) => one.status === "passed").length;
  return panel(
    ["Tests ", h("span", { class: "quiet" }, tests.length ? `${passed} of ${tests.length} passed` : "")],
    "tests-title",
    h(
      "p",
      { class: "head-facts" },
      outcome(head),
      head.judged ? h("span", null, "reward ", h("strong", null, fixed(verdict.reward))) : null,
    ),
    tests.length ? h("ul", { class: "tests" }, tests.map(drawTest)) : h("p", { class: "nothing" }, "No test results."),
    verdict.system_changes?.length
      ? [
          h("h3", null, "System files that had changed"),
          h(
            "ul",
            { class: "plain-list mono" },
            verdict.system_changes.slice(0, 50).map((one) => h("li", null, inline(one, 200))),
          ),
        ]
      : null,
    verdict.log?.text
      ? fold("Log of the judging", () => block(verdict.log, { kind: "screen", lines: 60, characters: 8000 }), {
          className: "fold log",
        })
      : null,
  );
}

function drawTest(test) {
  const [tone, sign] = SIGNS[test.status] ?? ["part", "?"];
  return h(
    "li",
    { class: `test ${tone}` },
    h(
      "p",
      { class: "test-head" },
      h("span", { class: `sign ${tone}`, "aria-hidden": "true" }, sign),
      h("span", { class: "mono" }, inline(test.name, 200)),
      h("span", { class: "spring" }),
      h(
        "span",
        { class: "quiet" },
        inline(test.status, 20),
        test.weight === null ? "" : ` · weight ${fixed(test.weight)}`,
      ),
    ),
    test.message?.text && test.status !== "passed"
      ? block(test.message, { kind: "plain", lines: 10, characters: 1500 })
      : null,
  );
}

/** Rules that hit; `pick(turn)` goes to the turn a finding is in. */
export function filterPanel({ filter }, pick) {
  if (!filter) return null;
  const { findings = [], flags = [] } = filter;
  return panel(
    "Filter",
    "filter-title",
    h(
      "p",
      { class: "head-facts" },
      dropBadge(filter.drop),
      flags.map((one) => badge("part", "flagged: ", inline(one, 60))),
    ),
    findings.length
      ? h(
          "ul",
          { class: "tests" },
          findings.map((one) =>
            h(
              "li",
              { class: "test" },
              h(
                "p",
                { class: "test-head" },
                h("span", { class: "mono" }, inline(one.rule, 60)),
                badge("bad", inline(one.reason, 60)),
                h("span", { class: "spring" }),
                place(one, pick),
              ),
              one.match?.text ? block(one.match, { kind: "plain", lines: 6, characters: 600 }) : null,
              one.evidence ? h("p", { class: "quiet" }, inline(one.evidence, 600)) : null,
              one.benchmark ? h("p", { class: "quiet" }, inline(one.benchmark, 80), " ", inline(one.entry, 120)) : null,
            ),
          ),
        )
      : null,
  );
}

function place({ turn, where }, pick) {
  if (turn === null || turn === undefined) return h("span", { class: "quiet" }, inline(where, 80));
  return h("button", { type: "button", class: "more", on: { click: () => pick(turn) } }, `turn ${turn}`);
}

export function usagePanel({ usage, wasted_usage: wasted, timings, agent, sandbox, recording }) {
  const total = timings?.total_sec;
  const part = (seconds) =>
    seconds === null || seconds === undefined
      ? null
      : `${duration(seconds)}${total ? ` (${percent(seconds, total)})` : ""}`;
  return panel(
    "Tokens and time",
    "usage-title",
    facts([
      ["Read", usage && `${count(usage.prompt_tokens)} tokens`],
      ["of them cached", usage?.cached_tokens ? count(usage.cached_tokens) : null],
      ["Written", usage && `${count(usage.completion_tokens)} tokens`],
      ["of them reasoning", usage?.reasoning_tokens ? count(usage.reasoning_tokens) : null],
      ["Calls", usage && count(usage.calls)],
      ["Cost", usage?.cost_usd ? money(usage.cost_usd) : null],
      [
        "Wasted",
        wasted?.completion_tokens || wasted?.prompt_tokens
          ? `${count(wasted.prompt_tokens + wasted.completion_tokens)} tokens in ${plural(wasted.calls ?? 0, "call")}`
          : null,
      ],
      ["Started", timings?.started_at],
      ["Sandbox start", part(timings?.sandbox_start_sec)],
      ["Teacher", part(timings?.teacher_sec)],
      ["Terminal", part(timings?.terminal_sec)],
      ["Judging", part(timings?.verify_sec)],
      ["In all", total === null || total === undefined ? null : duration(total)],
      ["Agent", agent],
      ["Sandbox", sandbox],
      [
        "Recording",
        recording
          ? `${bytes(recording.size_bytes)}, ${duration(recording.seconds)}${recording.cut ? ", cut" : ""}`
          : "none",
      ],
    ]),
  );
}
