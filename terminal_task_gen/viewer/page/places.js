// What the reader came from: the last list of a run, so that a page knows its neighbours and the way back.

import { link } from "./route.js";

let last = null;

/** {run, kind, query, ids, offset, total} */
export function rememberList(list) {
  last = list;
}

export function rememberOpened(id) {
  if (last) last.opened = id;
}

export function getOpened(run, kind) {
  return last?.run === run && last.kind === kind ? last.opened : null;
}

/** {back, previous, next, position, total}: links; null where there is none. Without a list one came from, only `back`. */
export function findAround(run, kind, id) {
  const at = last?.run === run && last.kind === kind ? last.ids.indexOf(id) : -1;
  if (at === -1) return { back: link([run, kind]), previous: null, next: null, position: null, total: null };
  rememberOpened(id);
  const to = (index) => (last.ids[index] === undefined ? null : link([run, kind, last.ids[index]]));
  return {
    back: link([run, kind], last.query),
    previous: at > 0 ? to(at - 1) : null,
    next: to(at + 1),
    position: last.offset + at + 1,
    total: last.total,
  };
}
