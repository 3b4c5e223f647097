// Parts of a form: labelled fields for numbers and choices that tell what was typed only where it makes sense.

import { el } from "./dom.js";

/** A group of controls under a title. */
export function group(title, ...children) {
  return el("fieldset", {}, el("legend", {}, title), children);
}

/** A control with its label. */
export function labelled(text, control, id, attributes = {}) {
  control.id = id;
  return el("div", { class: "field", ...attributes }, el("label", { for: id }, text), control);
}

/** A list of [value, text] to choose from. */
export function select(options, change) {
  const node = el("select", {}, options.map(([value, text]) => el("option", { value }, text)));
  node.addEventListener("change", () => change(node.value));
  return node;
}

/** Tell the page that what was typed is no value, and what stands instead. */
export function refuse(field, name, bound, instead) {
  const typed = field.value.trim() ? `“${field.value}” is not ${bound}` : "no number was typed";
  field.dispatchEvent(new CustomEvent("refused", { bubbles: true,
    detail: `${name}: ${typed}. Shown instead: ${instead}.` }));
}

/** Where a field is left with what is no value, its last one comes back and the page is told. */
function restoring(field, bound) {
  let kept = "";
  const fine = () => field.getAttribute("aria-invalid") !== "true";
  field.addEventListener("focus", () => { if (fine()) kept = field.value; });
  field.addEventListener("input", () => { if (fine()) kept = field.value; });
  field.addEventListener("change", () => {
    if (fine()) return;
    const unit = field.nextElementSibling?.textContent ?? "";
    refuse(field, field.labels[0]?.textContent ?? "This", bound, kept ? `${kept} ${unit}`.trim()
      : field.placeholder || "none");
    field.value = kept;
    field.setAttribute("aria-invalid", "false");
  });
}

/** Whether a field was emptied, and does not only seem so because what stands in it is no number. */
const emptied = (field) => field.value === "" && !field.validity.badInput;

/** A field for a whole number of something. */
export function whole(name, text, id, changed) {
  const least = name === "text_tokens" ? 0 : 1;
  const field = el("input", { type: "number", min: least, step: 1, inputmode: "numeric" });
  field.addEventListener("input", () => {
    const value = Number(field.value);
    const fine = emptied(field) || (field.value !== "" && Number.isInteger(value) && value >= least);
    field.setAttribute("aria-invalid", String(!fine));
    if (fine) changed({ [name]: field.value === "" ? undefined : value }, name);
  });
  restoring(field, `a whole number from ${least}`);
  return { name, field, least, node: labelled(text, field, id) };
}

/** A field for a positive number or nothing. */
export function positive(tell, attributes = {}) {
  const field = el("input", { type: "number", min: 0, step: "any", inputmode: "decimal", ...attributes });
  field.addEventListener("input", () => {
    const value = Number(field.value);
    const fine = emptied(field) || value > 0;
    field.setAttribute("aria-invalid", String(!fine));
    if (fine) tell(field.value === "" ? undefined : value);
  });
  restoring(field, "a number above 0");
  return field;
}

/** A field with its label before it and its unit behind it. */
export function measured(text, field, id, shown) {
  field.id = id;
  return el("div", { class: "field" }, el("label", { for: id }, text), el("span", { class: "amount" }, field,
    el("span", { class: "unit" }, shown)));
}

/** Show a number in a field, unless somebody is typing there. */
export function set(field, value, scale) {
  if (document.activeElement === field) return;
  field.value = value === undefined ? "" : String(Number((value / scale).toPrecision(12)));
  field.setAttribute("aria-invalid", "false");
}

/** Show a choice; one that a link brought and the list lacks is added to it. */
export function choose(list, value) {
  if (![...list.options].some((option) => option.value === value)) list.append(el("option", { value }, value));
  list.value = value;
}
