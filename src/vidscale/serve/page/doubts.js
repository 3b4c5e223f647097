// What of a link or of typing was not understood: one line beside its control, with what is shown instead.

import { el } from "./dom.js";
import { examples, params, withUnit, words } from "./format.js";

/** Part of a question → id of the control that sets it. */
const PLACES = { budget: "budget", cost: "cost", gpu: "gpu", model: "model", batch: "batch", price: "price",
  output_tokens: "output-tokens", text_tokens: "text-tokens", data_size: "data-size", task: "task", weights: "task",
  weight: "task", lm_params: "lm-0", frames: "lm-0", tokens_per_frame: "lm-0", memory_limit_bytes: "memory",
  limit: "limit-ttft", limits: "limit-ttft", current: "compare", predictor: "predictor", lattice: "lattice",
  level: "level", tolerance: "near" };

const line = (id) => document.getElementById(`doubt-${id}`);

/** Say something beside a control, in place of what was said there before. */
export function say(id, text) {
  const control = document.getElementById(id);
  if (!control) return;
  clear(id);
  const said = el("p", { class: "doubt", id: `doubt-${id}` }, text);
  const host = [".field", ".amount"].map((one) => control.closest(one)).find((one) => one && !one.hidden);
  if (host) host.after(said);
  else control.closest("fieldset, details").append(said);
  for (let around = control.closest("details"); around; around = around.parentElement.closest("details")) {
    around.open = true;
  }
  control.setAttribute("aria-describedby", said.id);
}

/** A control was moved: what was said beside it is over. */
export function clear(id) {
  line(id)?.remove();
  document.getElementById(id)?.removeAttribute("aria-describedby");
}

/** The same for the parts of a question that changed. */
export function moved(parts) {
  for (const part of parts) if (PLACES[part]) clear(PLACES[part]);
}

/** Nothing is doubtful any more: another link is shown. */
export function none() {
  for (const said of document.querySelectorAll(".doubt")) clear(said.id.replace("doubt-", ""));
}

/**
 * Parts of a link that were left out, each in one line with what the answer is for instead, beside their controls.
 *
 * @param doubts [{ name, said }]: the part of a question, and what the link says of it
 * @param answer what was answered without them; null where nothing was
 * @returns all lines as one text, for a notice
 */
export function tell(doubts, answer, study) {
  const lines = doubts.map(({ name, said }) => [PLACES[name],
    `Not understood: ${said}.${answer ? ` Shown instead: ${instead(name, answer, study)}.` : ""}`]);
  const places = new Map();
  for (const [place, text] of lines) if (place) places.set(place, [...places.get(place) ?? [], text]);
  for (const [place, texts] of places) say(place, texts.join(" "));
  return lines.map(([, text]) => text).join(" ");
}

/** What the answer is for, in the place of a part that was left out. */
function instead(name, answer, study) {
  const { question } = answer;
  const tasks = () => (question.weights ? "the mix below" : question.task === study.mean ? "all tasks alike"
    : words(question.task));
  const shown = {
    budget: () => withUnit(question.budget, answer.cost.unit),
    cost: () => study.costs.find((one) => one.kind === question.cost).label,
    gpu: () => question.gpu ?? "any GPU",
    data_size: () => (question.data_size ? `${examples(question.data_size)} examples` : "data were not varied"),
    task: tasks, weight: tasks, weights: tasks,
    lm_params: () => question.lm_params?.map(params).join(", ") || "all language models",
    current: () => "no comparison", memory_limit_bytes: () => "no limit", limit: () => "no such limit",
  }[name];
  return shown ? shown() : "the usual value";
}
