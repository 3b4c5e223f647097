// One amount on a log scale: a slider to feel it, a field to type it, marks where something was measured.

import { el, put, svg } from "./dom.js";
import { refuse } from "./fields.js";
import { plain } from "./format.js";

const STEPS = 240;
const THUMB = 10;

/**
 * A slider and a number field that hold one amount together.
 *
 * @param name id of both, and what `changed` is told as the control that moved
 * @param label what a screen reader calls it
 * @param say the amount in words, for the slider's spoken value and its ends
 * @param changed called with the amount in canonical units
 */
export function logSlider({ name, label, say, changed }) {
  const range = el("input", { type: "range", id: `${name}-slider`, min: 0, max: STEPS, step: 1, "aria-label": label });
  const field = el("input", { type: "number", id: name, step: "any", min: 0, inputmode: "decimal",
    "aria-label": `${label}, as a number` });
  const shownUnit = el("span", { class: "unit" });
  const low = el("span");
  const high = el("span");
  const marks = svg("svg", { class: "marks", "aria-hidden": "true", width: "100%", height: 8 });
  const state = { low: 1, high: 10, scale: 1, value: 1 };

  const place = (value) => Math.log(value / state.low) / Math.log(state.high / state.low);
  // Two decades in 240 steps; three digits are as fine as a step, and read well in a URL.
  const amountAt = (step) => {
    const raw = state.low * (state.high / state.low) ** (step / STEPS);
    const shown = Number((raw / state.scale).toPrecision(3));
    const value = Number((shown * state.scale).toPrecision(12));
    return Math.min(Math.max(value, state.low), state.high);
  };

  range.addEventListener("input", () => {
    state.value = amountAt(Number(range.value));
    speak();
    changed(state.value);
  });
  field.addEventListener("input", () => {
    const value = Number(field.value);
    const fine = field.value.trim() !== "" && Number.isFinite(value) && value > 0;
    field.setAttribute("aria-invalid", String(!fine));
    if (!fine) return;
    state.value = Number((value * state.scale).toPrecision(12));
    range.value = String(Math.round(place(state.value) * STEPS));
    range.setAttribute("aria-valuetext", say(state.value));
    changed(state.value);
  });
  field.addEventListener("change", () => {
    if (field.getAttribute("aria-invalid") !== "true") return;
    refuse(field, label, "a number above 0", say(state.value));
    speak();
  });

  function speak() {
    if (document.activeElement !== field || field.getAttribute("aria-invalid") === "true") {
      field.value = plain(state.value / state.scale, 12);
      field.setAttribute("aria-invalid", "false");
    }
    range.setAttribute("aria-valuetext", say(state.value));
  }

  function show({ value, ends, scale, unit, levels = [] }) {
    Object.assign(state, { value, scale, low: ends[0], high: ends[1] > ends[0] ? ends[1] : ends[0] * 2 });
    shownUnit.textContent = unit;
    put(low, say(state.low));
    put(high, say(state.high));
    const step = String(Math.round(Math.min(Math.max(place(value), 0), 1) * STEPS));
    if (range.value !== step && document.activeElement !== range) range.value = step;
    else if (Math.abs(amountAt(Number(range.value)) / value - 1) > 0.02) range.value = step;
    put(marks, levels.filter((level) => level >= state.low && level <= state.high).map((level) => {
      const x = `${(100 * place(level)).toFixed(2)}%`;
      return svg("line", { x1: x, x2: x, y1: 1, y2: 7 });
    }));
    speak();
  }

  const node = el("div", { class: "slider" },
    el("div", { class: "amount" }, field, shownUnit), range, el("div", { class: "marks-box" }, marks),
    el("div", { class: "ends", "aria-hidden": "true" }, low, high));
  return { node, show, THUMB };
}
