// A note and labels on a task, a refused draft or a trajectory: kept beside the run, never in its rows.

import { path, put } from "./api.js";
import { h } from "./dom.js";
import { inline } from "./text.js";

/** The panel. `changed(note)` is called when it was saved. */
export function notePanel(run, id, note, known = []) {
  const { writable } = run.notes;
  const fields = { labels: [...(note?.labels ?? [])] };
  const entry = h("input", {
    type: "text",
    id: "note-label",
    list: "known-labels",
    placeholder: "add a label",
    maxlength: "60",
    "aria-label": "Add a label",
    disabled: !writable,
  });
  const text = h("textarea", {
    id: "note-text",
    rows: "3",
    maxlength: "20000",
    placeholder: "A note for whoever looks next",
    "aria-label": "Note",
    disabled: !writable,
  });
  text.value = note?.text ?? "";
  const tags = h("span", { class: "label-tags" });
  const state = h(
    "span",
    { class: "quiet", role: "status" },
    note?.updated ? `saved ${note.updated.slice(0, 16).replace("T", " ")}` : "",
  );
  const drawTags = () =>
    tags.replaceChildren(
      ...fields.labels.map((one) =>
        h(
          "span",
          { class: "label-tag" },
          inline(one, 60),
          writable
            ? h(
                "button",
                {
                  type: "button",
                  "aria-label": "Remove this label",
                  on: {
                    click: () => {
                      fields.labels = fields.labels.filter((other) => other !== one);
                      drawTags();
                      save();
                    },
                  },
                },
                "×",
              )
            : null,
        ),
      ),
    );
  const take = () => {
    const names = entry.value
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one && !fields.labels.includes(one));
    entry.value = "";
    fields.labels.push(...names);
    drawTags();
    return names.length > 0;
  };
  const save = async () => {
    take();
    state.textContent = "saving …";
    state.className = "quiet";
    try {
      const saved = await put(path("runs", run.run, "notes", id), { labels: fields.labels, text: text.value });
      fields.labels = [...saved.labels];
      drawTags();
      state.textContent = saved.updated ? `saved ${saved.updated.slice(11, 19)}` : "removed";
    } catch (failure) {
      state.textContent = failure.message;
      state.className = "bad";
    }
  };
  entry.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== ",") return;
    event.preventDefault();
    if (take()) save();
  });
  text.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && save());
  drawTags();
  return h(
    "section",
    { class: "panel note", "aria-labelledby": "note-title" },
    h("h2", { id: "note-title" }, "Notes and labels"),
    h(
      "div",
      { class: "note-labels" },
      tags,
      writable ? entry : null,
      h(
        "datalist",
        { id: "known-labels" },
        known.map((one) => h("option", { value: one })),
      ),
    ),
    text,
    h(
      "p",
      { class: "note-foot" },
      writable
        ? h("button", { type: "button", on: { click: save } }, "Save")
        : h("span", { class: "quiet" }, "Notes cannot be saved here."),
      " ",
      state,
    ),
  );
}

/** Puts the caret into the note. */
export function focusNote() {
  document.getElementById("note-text")?.focus();
}
