// A recording's events on a shortened time line: waits longer than a limit take just the limit, and either time can be had from the other.

/** Reads asciicast v2. Lines that are not events (a torn last one) are left out and counted. */
export function readRecording(text) {
  const lines = text.split("\n");
  const head = JSON.parse(lines[0]);
  const events = [];
  let damaged = 0;
  for (const line of lines.slice(1)) {
    if (!line.trim()) continue;
    const event = readEvent(line);
    if (event) events.push(event);
    else damaged += 1;
  }
  return { columns: whole(head.width, 80, 1000), rows: whole(head.height, 24, 500), events, damaged };
}

// The player's terminal passes these on to the page, where they would turn its lines around.
const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function readEvent(line) {
  try {
    const [time, kind, data] = JSON.parse(line);
    const whole = Number.isFinite(time) && typeof kind === "string" && typeof data === "string";
    return whole ? [time, kind, data.replace(REORDERING, "\ufffd")] : null;
  } catch {
    return null;
  }
}

function whole(value, otherwise, most) {
  return Number.isInteger(value) && value > 0 ? Math.min(value, most) : otherwise;
}

/** {events, toPlayer(seconds), toRecording(seconds), length}; `limit`: the longest wait that is kept, null for all. */
export function shorten(events, limit) {
  const knots = [[0, 0]];
  let [last, taken] = [0, 0];
  const shortened = events.map(([time, kind, data]) => {
    const wait = Math.max(0, time - last);
    if (limit !== null && wait > limit) {
      knots.push([last + limit, last - taken + limit], [time, last - taken + limit]);
      taken += wait - limit;
    }
    last = Math.max(last, time);
    return [last - taken, kind, data];
  });
  return {
    events: shortened,
    length: last - taken,
    toPlayer: (time) => along(knots, time, 0, 1),
    toRecording: (time) => along(knots, time, 1, 0),
  };
}

/** The other time of a point: on the last knot at or before it, moved on by what has passed since, at most to the next knot. */
function along(knots, time, from, to) {
  let [low, high] = [0, knots.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (knots[middle][from] <= time) low = middle;
    else high = middle - 1;
  }
  const moved = knots[low][to] + Math.max(0, time - knots[low][from]);
  const next = knots[low + 1];
  return next ? Math.min(moved, next[to]) : moved;
}
