// Server-sent events: told when a run grows. The browser connects again by itself.

import { Failure } from "./api.js";

/** `changed` gets each change ({run, revision, counts, index, writing}), `state` "live" or "lost". */
export function listen({ changed, state }) {
  const source = new EventSource("/api/events");
  source.addEventListener("open", () => state("live"));
  source.addEventListener("error", () => state("lost"));
  source.addEventListener("changed", (event) => changed(JSON.parse(event.data)));
  return source;
}

/** Calls `work` at most once in `ms`, the last call never lost; a call while the work runs waits for its end. */
export function calm(work, ms) {
  let [running, again, last] = [false, false, 0];
  const turn = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, last + ms - Date.now())));
    again = false;
    last = Date.now();
    try {
      await work();
    } catch (failure) {
      // The page was left, or the server could not answer now: the next change asks again.
      if (failure.name !== "AbortError" && !(failure instanceof Failure)) throw failure;
    } finally {
      running = false;
    }
    if (again) turn();
  };
  return turn;
}
