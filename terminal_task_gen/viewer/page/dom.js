// Elements without markup: data reaches the page as text nodes and set properties only, never as HTML.

const PROPERTIES = new Set(["checked", "disabled", "open", "value", "hidden", "indeterminate"]);

/** An element. `props`: class, on (event → listener), data (dataset), style (CSSOM), properties and attributes; null and false are left out. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  element.append(...present(children));
  return element;
}

/** Children without the holes that conditions leave (null, undefined, false), lists flattened. */
export function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function set(element, name, value) {
  if (value === null || value === undefined || (value === false && !PROPERTIES.has(name))) return;
  if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
  else if (name === "class") element.className = value;
  else if (PROPERTIES.has(name)) element[name] = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element; attributes only. */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, String(value));
  element.append(...present(children));
  return element;
}

/**
 * Puts new children in place of the old without taking the reader's focus, caret or open folds.
 * Elements are recognised by `data-key`.
 */
export function refill(container, ...children) {
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.dataset.key;
  const caret =
    focused instanceof HTMLInputElement && focused.type !== "checkbox" ? [focused.value, focused.selectionStart] : null;
  const folds = new Map(
    [...container.querySelectorAll("details[data-key]")].map((fold) => [fold.dataset.key, fold.open]),
  );
  container.replaceChildren(...present(children));
  for (const fold of container.querySelectorAll("details[data-key]"))
    fold.open = folds.get(fold.dataset.key) ?? fold.open;
  if (key === undefined) return;
  const again = container.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!again) return;
  again.focus({ preventScroll: true });
  if (caret && again instanceof HTMLInputElement) {
    again.value = caret[0];
    again.setSelectionRange(caret[1], caret[1]);
  }
}

/** Says a line to screen readers without moving anything. */
export function say(text) {
  document.getElementById("spoken").textContent = text;
}
