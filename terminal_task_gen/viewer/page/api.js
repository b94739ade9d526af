// The server's JSON. Waits out an index that is being (re)built; everything else that fails is a Failure with one line to show.

const WAIT_MS = 700;
const MAX_WAITS = 600;

export class Failure extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** GET under /api. `query`: URLSearchParams or an object; `onWait` is told when the index is not ready yet. */
export async function get(path, { query, signal, onWait } = {}) {
  const search = new URLSearchParams(query ?? {}).toString();
  for (let waits = 0; ; waits += 1) {
    const answer = await ask(`/api/${path}${search ? `?${search}` : ""}`, { signal });
    if (answer.ok) return answer.json();
    const failure = await readFailure(answer);
    if (!["not_ready", "gone"].includes(failure.code) || waits >= MAX_WAITS) throw failure;
    onWait?.(failure.message);
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    signal?.throwIfAborted();
  }
}

/** PUT of a JSON body under /api. */
export async function put(path, body) {
  const answer = await ask(`/api/${path}`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw await readFailure(answer);
  return answer.json();
}

/** A text file of the server (a recording), whole. */
export async function getText(url, signal) {
  const answer = await ask(url, { signal });
  if (!answer.ok) throw await readFailure(answer);
  return answer.text();
}

/** A path under /api from untrusted parts. */
export function path(...parts) {
  return parts.map(encodeURIComponent).join("/");
}

async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "unreachable", "The server does not answer: is `ttg view` still running?");
  }
}

async function readFailure(answer) {
  const body = await answer.json().catch(() => null);
  const { code = "internal", message = `The server answered ${answer.status}.` } = body?.error ?? {};
  if (answer.status === 401)
    return new Failure(401, code, "This page has no key: open the link that `ttg view` printed.");
  return new Failure(answer.status, code, message);
}
