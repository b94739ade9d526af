// Deep links: what is shown is in the fragment. #/RUN/tasks?domain=security, #/RUN/trajectories/ID?turn=3, #/?run=a&run=b

/** {run, page, id, query}: page is "runs", "run", "tasks", "trajectories" or "diff"; run and id null where there is none. */
export function read(hash = location.hash) {
  const [route, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [run = null, page = "run", id = null] = route.split("/").filter(Boolean).map(decode);
  return { run, page: run === null ? "runs" : page, id, query: new URLSearchParams(search) };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The link to a page; `query` as for URLSearchParams. */
export function link(parts, query) {
  const search = new URLSearchParams(query ?? {}).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

/** Goes to a link, as a new entry of the history. */
export function go(hash) {
  intent = "follow";
  if (location.hash === hash) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = hash;
}

/** Changes the address of what is shown, without an entry of its own and without a new rendering. */
export function amend(hash) {
  history.replaceState(null, "", hash);
}

let intent = "return";

/** "follow" when the change came of a link or a key, "return" when of the browser's back and forward. Reading it resets it. */
export function takeIntent() {
  const taken = intent;
  intent = "return";
  return taken;
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.('a[href^="#/"]')) intent = "follow";
});
