// The steps of a run's funnel: what came through, what was lost, and the list that shows it.

import { link } from "./route.js";

/** [{name, number, of: [number, noun], tone, href, lost: [{name, number, href}]}] from requests to kept. `of`: what the share refers to. */
export function listSteps(run, { generate, rollout, filter }) {
  const judged = rollout.passed + rollout.partial + rollout.zero;
  const tasks = (query) => link([run, "tasks"], query);
  const tries = (query) => link([run, "trajectories"], query);
  const steps = [
    { name: "Requests", number: generate.requests, lost: owed(generate.owed, tasks({ state: "owed" })) },
    {
      name: "Tasks",
      number: generate.tasks,
      of: [generate.requests, "requests"],
      href: tasks({ state: "task" }),
      lost: [
        ...each(generate.reasons, (reason) => tasks({ state: "rejected", reason })),
        ...some("duplicate", generate.duplicates, tasks({ state: "duplicate" })),
      ],
    },
    { name: "Attempts", number: rollout.attempts, lost: owed(rollout.owed, null) },
    {
      name: "Trajectories",
      number: rollout.trajectories,
      of: [rollout.attempts, "attempts"],
      href: tries(),
      lost: each(rollout.reasons, () => null),
    },
    {
      name: "Passed",
      number: rollout.passed,
      of: [judged, "judged"],
      tone: "good",
      href: tries({ passed: "yes" }),
      lost: [
        ...some(
          "partial",
          rollout.partial,
          tries([
            ["passed", "no"],
            ["band", "0-0.25"],
            ["band", "0.25-0.5"],
            ["band", "0.5-0.75"],
            ["band", "0.75-1"],
          ]),
        ),
        ...some("nothing", rollout.zero, tries({ passed: "no", band: "0" })),
        ...some("unjudged", rollout.unjudged, tries({ band: "unjudged" })),
        ...some("tampered", rollout.tampered, tries({ passed: "tampered" })),
      ],
    },
  ];
  if (!filter) return steps;
  return [
    ...steps,
    {
      name: "Kept",
      number: filter.kept,
      of: [filter.kept + filter.dropped, "filtered"],
      tone: "good",
      href: tries({ drop: "kept" }),
      lost: [
        ...each(filter.drop_reasons, (reason) => tries({ drop: reason })),
        ...some("not filtered", filter.not_filtered, tries({ drop: "not_filtered" })),
      ],
    },
  ];
}

function each(reasons, href) {
  return Object.entries(reasons ?? {})
    .sort((one, other) => other[1] - one[1])
    .map(([name, number]) => ({ name, number, href: href(name) }));
}

function some(name, number, href) {
  return number ? [{ name, number, href }] : [];
}

function owed(number, href) {
  return some("still owed", number, href);
}
