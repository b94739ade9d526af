// The list of a run's tasks or trajectories: facets, search, sorting, paging. Its whole state is the address.

import { get, path } from "./api.js";
import { LISTS } from "./columns.js";
import { h, refill, say } from "./dom.js";
import { drawChips, drawFacets } from "./facets.js";
import { count, plural } from "./format.js";
import { step } from "./keys.js";
import { calm } from "./live.js";
import { compareMarked, drawTray, markBox, toggleMark } from "./marks.js";
import { getOpened, rememberList } from "./places.js";
import { amend, go, link } from "./route.js";
import { drawTable } from "./table.js";

const TYPING_MS = 220;
const LIVE_MS = 1500;
const SIZES = ["25", "50", "100", "200"];
const DEFAULT_SIZE = "50";
const ROW = ".row-link";

export async function showList(context) {
  const list = new List(context);
  await list.load();
  drawTray();
  return {
    keys: list.keys(),
    update: (route) => list.take(route),
    changed: calm(() => list.refresh(), LIVE_MS),
    leave: () => list.leave(),
    focusReturn: () => list.focusOpened(),
  };
}

class List {
  constructor({ root, route, run, signal, setTitle }) {
    Object.assign(this, { root, run, signal, setTitle, kind: route.page, spec: LISTS[route.page], query: route.query });
    this.wide = new Set();
    this.answer = null;
    this.asked = 0;
    this.skill = "";
    this.build();
  }

  build() {
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: this.spec.search,
      "aria-label": `Search ${this.spec.noun[1]}`,
      autocomplete: "off",
      spellcheck: "false",
      value: this.query.get("q") ?? "",
      on: { input: () => this.type() },
    });
    this.state = h("p", { class: "list-state", role: "status" });
    this.chips = h("div");
    this.aside = h("div", { class: "facets" });
    this.fold = h(
      "details",
      { class: "facet-fold", open: innerWidth > 900 },
      h("summary", null, "Filters"),
      this.aside,
    );
    this.table = h("div", { class: "table-box" });
    this.pager = h("nav", { class: "pager", "aria-label": "Pages" });
    this.pill = h("div", { class: "pill-box" });
    this.root.append(
      h(
        "div",
        { class: "list" },
        h("section", { class: "list-side", "aria-label": "Filters" }, this.fold),
        h(
          "section",
          { class: "list-main", "aria-labelledby": "list-title" },
          h(
            "div",
            { class: "list-head" },
            h("h1", { id: "list-title" }, this.spec.title),
            h("div", { class: "search", role: "search" }, this.search, h("kbd", { "aria-hidden": "true" }, "/")),
            this.state,
          ),
          this.chips,
          this.pill,
          this.table,
          this.pager,
        ),
      ),
    );
  }

  keys() {
    const focusedRow = () => document.activeElement?.closest("tr")?.dataset.id;
    const keys = {
      j: ["next row", () => step(ROW, 1)],
      k: ["previous row", () => step(ROW, -1)],
      ArrowDown: ["next row", () => step(ROW, 1)],
      ArrowUp: ["previous row", () => step(ROW, -1)],
      Enter: ["open the row", () => step(ROW, 1)],
      ArrowRight: ["next page", () => this.page(1)],
      ArrowLeft: ["previous page", () => this.page(-1)],
      f: [
        "go to the filters",
        () => {
          this.fold.open = true;
          this.aside.querySelector("summary, input")?.focus();
        },
      ],
      Escape: ["clear the filters", () => this.clear()],
    };
    if (!this.spec.marks) return keys;
    return {
      ...keys,
      x: ["choose the row for comparing", () => this.mark(focusedRow())],
      c: ["compare the two chosen", compareMarked],
    };
  }

  mark(id) {
    if (!id) return;
    toggleMark(this.run.run, id);
    const box = this.table.querySelector(`[data-mark="${CSS.escape(id)}"]`);
    box.checked = !box.checked;
  }

  /** The address changed (a link, back): show that. */
  async take(route) {
    this.query = route.query;
    if (document.activeElement !== this.search) this.search.value = this.query.get("q") ?? "";
    await this.load();
  }

  type() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.set("q", this.search.value.trim());
      amend(this.address());
      this.load();
    }, TYPING_MS);
  }

  set(name, value) {
    this.query = new URLSearchParams(this.query);
    if (name !== "offset") this.query.delete("offset");
    if (value) this.query.set(name, value);
    else this.query.delete(name);
  }

  address() {
    return link([this.run.run, this.kind], this.query);
  }

  choose(name, value, on) {
    const query = new URLSearchParams(this.query);
    const values = query.getAll(name).filter((one) => one !== value);
    query.delete(name);
    query.delete("offset");
    for (const one of on ? [...values, value] : values) query.append(name, one);
    this.query = query;
    go(this.address());
  }

  clear() {
    const sort = this.query.get("sort");
    this.search.value = "";
    go(link([this.run.run, this.kind], sort ? { sort } : {}));
  }

  page(delta) {
    const { offset, limit, total } = this.answer;
    const next = offset + delta * limit;
    if (next < 0 || next >= total) return;
    this.set("offset", next ? String(next) : "");
    go(this.address());
    scrollTo(0, 0);
  }

  ask() {
    const query = new URLSearchParams(this.query);
    if (!query.has("limit")) query.set("limit", DEFAULT_SIZE);
    if (this.skill) query.set("facet_q", `skill:${this.skill}`);
    return get(path("runs", this.run.run, this.kind), {
      query,
      signal: this.signal,
      onWait: (why) => {
        this.state.textContent = why;
      },
    });
  }

  async load() {
    const turn = (this.asked += 1);
    try {
      const answer = await this.ask();
      if (turn !== this.asked) return;
      this.answer = answer;
      this.draw();
    } catch (failure) {
      if (turn !== this.asked || failure.name === "AbortError") return;
      if (!this.answer && failure.status !== 400) throw failure;
      this.state.textContent = failure.message;
      this.state.classList.add("bad");
      this.answer ??= { rows: [], total: 0, offset: 0, limit: 1, facets: {} };
    }
  }

  /** The run grew: counts follow at once; rows only where they come after those that are read. */
  async refresh() {
    const turn = this.asked;
    const fresh = await this.ask().catch(() => null);
    if (!fresh || turn !== this.asked) return;
    const now = this.answer.rows.map((row) => row.id);
    const follows = now.every((id, index) => fresh.rows[index]?.id === id);
    if (follows) {
      this.answer = fresh;
      this.draw();
      return;
    }
    this.answer = { ...fresh, rows: this.answer.rows };
    this.draw();
    refill(
      this.pill,
      h(
        "button",
        { type: "button", class: "pill", data: { key: "pill" }, on: { click: () => this.load() } },
        "The order has changed: show the list anew",
      ),
    );
  }

  draw() {
    const { answer, spec } = this;
    this.setTitle(spec.title, this.run.run);
    this.state.classList.remove("bad");
    const unchecked = answer.search?.unchecked ? `, ${count(answer.search.unchecked)} not checked for the phrase` : "";
    this.state.textContent = `${plural(answer.total, ...spec.noun)}${unchecked}`;
    refill(this.pill);
    refill(
      this.chips,
      drawChips(
        this.query,
        (name, value) => this.choose(name, value, false),
        () => this.clear(),
      ),
    );
    this.drawFacets();
    refill(this.table, this.drawRows());
    this.drawPager();
    rememberList({
      run: this.run.run,
      kind: this.kind,
      query: new URLSearchParams(this.query),
      ids: answer.rows.map((row) => row.id),
      offset: answer.offset,
      total: answer.total,
      opened: getOpened(this.run.run, this.kind),
    });
  }

  drawFacets() {
    const narrowSkill = {
      value: this.skill,
      set: (text) => {
        this.skill = text;
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.load(), TYPING_MS);
      },
    };
    refill(
      this.aside,
      drawFacets({
        answer: this.answer,
        names: this.spec.facets,
        choose: (...choice) => this.choose(...choice),
        wide: this.wide,
        redraw: () => this.drawFacets(),
        narrowSkill,
      }),
    );
  }

  drawRows() {
    const { rows, total } = this.answer;
    if (!rows.length)
      return h(
        "p",
        { class: "nothing" },
        total || this.query.size ? "Nothing matches." : `This run has no ${this.spec.noun[1]} yet.`,
      );
    const several = (this.answer.facets?.model ?? []).length > 1;
    const mark = this.spec.marks ? (row) => markBox(this.run.run, row.id) : null;
    return drawTable({
      columns: this.spec.columns,
      rows: rows.map((row) => ({ ...row, several })),
      run: this.run.run,
      sort: this.query.get("sort") ?? "order",
      mark,
      onSort: (sort) => {
        this.set("sort", sort);
        go(this.address());
      },
      caption: `${this.spec.title} of ${this.run.run}`,
    });
  }

  drawPager() {
    const { offset, limit, total, rows } = this.answer;
    const button = (name, delta, can) =>
      h(
        "button",
        { type: "button", disabled: !can, data: { key: `page-${delta}` }, on: { click: () => this.page(delta) } },
        name,
      );
    const size = h(
      "select",
      {
        "aria-label": "Rows on a page",
        data: { key: "size" },
        on: {
          change: (event) => {
            this.set("limit", event.target.value);
            go(this.address());
          },
        },
      },
      SIZES.map((one) => h("option", { value: one, selected: one === (this.query.get("limit") ?? DEFAULT_SIZE) }, one)),
    );
    if (!rows.length) return refill(this.pager);
    return refill(
      this.pager,
      button("← Previous", -1, offset > 0),
      h("span", { class: "number" }, `${count(offset + 1)}–${count(offset + rows.length)} of ${count(total)}`),
      button("Next →", 1, offset + limit < total),
      h("label", null, size, " a page"),
    );
  }

  focusOpened() {
    const opened = getOpened(this.run.run, this.kind);
    const row = opened && this.table.querySelector(`[data-key="${CSS.escape(`row-${opened}`)}"]`);
    row?.focus({ preventScroll: true });
  }

  leave() {
    clearTimeout(this.typing);
    this.asked += 1;
    say("");
  }
}
