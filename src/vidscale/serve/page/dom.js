// Elements from data. Text is only ever set as text: a name in a study can hold markup and stays what it is.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; `null` children are left out, strings become text nodes. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...present(children));
  return node;
}

/** Text with the options of commands in it kept whole at the ends of lines. */
export function prose(text) {
  return text.split(/(?<![\w-])(--[a-z][a-z-]*[a-z])/).map((part, k) => (k % 2 ? el("span", { class: "option" }, part)
    : part));
}

/** Put children in the place of whatever a node holds. */
export function put(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined
  && child !== false);

/** A number as people read it, with the exact one beside it for machines. */
export function figure(text, value, name, attributes = {}) {
  return el("data", { value: value === null || value === undefined ? "" : String(value), "data-field": name,
    ...attributes }, text);
}

/** A button that copies `text()` and says so. */
export function copyButton(label, text, attributes = {}) {
  const button = el("button", { type: "button", class: "copy", ...attributes }, label);
  button.addEventListener("click", () => copy(button, text()));
  return button;
}

/** Copy text, and let the button say what happened for two seconds. */
export async function copy(button, text) {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    said = byHand(text) ? "Copied" : "Could not copy: select the text instead";
  }
  button.textContent = said;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = String(setTimeout(() => { button.textContent = label; }, 2000));
}

// The clipboard interface exists on https and loopback only; a colleague may open the page by another name.
function byHand(text) {
  const field = el("textarea", { class: "hidden-visually", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
