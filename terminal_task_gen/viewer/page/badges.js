// Small signs used on every page: rewards, outcomes, filter verdicts, shares as bars.

import { h } from "./dom.js";
import { fixed, percent } from "./format.js";
import { inline } from "./text.js";

/** A bar of `share` (0–1) of its cell's width; decoration beside a number that says the same. */
export function bar(share, tone = "") {
  const width = Math.max(0, Math.min(1, share || 0));
  return h(
    "span",
    { class: `share ${tone}`, "aria-hidden": "true" },
    h("span", { style: { width: `${(100 * width).toFixed(1)}%` } }),
  );
}

export function rewardTone({ judged, passed, reward }) {
  if (!judged) return "none";
  if (passed) return "good";
  return reward > 0 ? "part" : "bad";
}

/** The reward with its bar. */
export function reward(head) {
  if (!head.judged) return h("span", { class: "reward quiet" }, "unjudged");
  return h(
    "span",
    { class: "reward" },
    h("span", { class: "number" }, fixed(head.reward)),
    bar(head.reward, rewardTone(head)),
  );
}

/** passed, partial, failed, unjudged, tampered: with a sign, so that colour is not all there is. */
export function outcome(head) {
  if (head.tampered) return badge("bad", "! tampered");
  return {
    good: badge("good", "✓ passed"),
    part: badge("part", "◐ partial"),
    bad: badge("bad", "✗ failed"),
    none: badge("none", "? unjudged"),
  }[rewardTone(head)];
}

export function badge(tone, ...content) {
  return h("span", { class: `badge ${tone}` }, content);
}

export function dropBadge(drop) {
  if (drop === "kept") return badge("good", "✓ kept");
  if (drop === "not_filtered" || drop === null) return badge("none", "not filtered");
  return badge("bad", "✗ ", inline(drop, 60));
}

/** `reason`: why a draft was refused, said instead of the bare word. */
export function stateBadge(state, reason = null) {
  return (
    {
      task: badge("good", "✓ task"),
      rejected: badge("bad", "✗ ", reason ? inline(reason, 60) : "refused"),
      duplicate: badge("part", "≈ duplicate"),
      owed: badge("part", "◐ owed"),
    }[state] ?? badge("none", inline(state, 40))
  );
}

export function labels(names) {
  return names.map((name) => h("span", { class: "label-tag" }, inline(name, 60)));
}

/** "3 of 4 (75 %)" with a bar. */
export function rate(part, whole, tone = "good") {
  return h(
    "span",
    { class: "rate" },
    h("span", { class: "number" }, whole ? percent(part, whole) : "–"),
    bar(whole ? part / whole : 0, tone),
  );
}
