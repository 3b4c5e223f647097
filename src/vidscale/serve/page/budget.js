// The budget: compute, time or money, on which GPU, for which request.

import { el, put } from "./dom.js";
import { choose, group, labelled, positive, select, whole } from "./fields.js";
import { unit, withUnit } from "./format.js";
import { logSlider } from "./slider.js";
import { uses } from "./state.js";

const GB = 1e9;
const FAMILIES = [["compute", "Compute"], ["time", "Time"], ["money", "Money"]];

const FIRST = new Set(["flops", "latency", "dollars"]);

const family = (cost) => (cost.unit === "FLOPs" ? "compute" : cost.unit.startsWith("USD") ? "money" : "time");

/** Compute, time or money: three buttons of which one is pressed, as a radio group. */
function segments(name, options, change) {
  const inputs = options.map(([value, text]) => {
    const input = el("input", { type: "radio", name, value, id: `${name}-${value}` });
    input.addEventListener("change", () => change(value));
    return [input, el("label", { for: input.id }, text)];
  });
  return { node: el("div", { class: "segments", role: "radiogroup", "aria-label": "The budget is" }, inputs),
    show: (value) => inputs.forEach(([input]) => { input.checked = input.value === value; }) };
}

export function budget(study, changed) {
  const costs = new Map(study.costs.map((cost) => [cost.kind, cost]));
  const usual = study.gpus.find((one) => one.calibrated) ?? study.gpus[0];
  const take = (kind) => changed({ cost: kind, budget: undefined,
    gpu: costs.get(kind).needs_gpu ? (gpu.value || usual?.name) : undefined }, "cost");
  const sorts = segments("family", FAMILIES.filter(([name]) => study.costs.some((cost) => family(cost) === name)),
    (name) => take((study.costs.find((cost) => FIRST.has(cost.kind) && family(cost) === name)
      ?? study.costs.find((cost) => family(cost) === name)).kind));
  const kind = select([], take);
  const kindField = labelled("counted as", kind, "cost", { class: "field stacked" });
  const gpu = select([["", "any GPU"], ...study.gpus.map((one) => [one.name,
    `${one.name}, ${(one.memory_bytes / GB).toFixed(0)} GB`])], (value) => changed({ gpu: value || undefined,
    budget: undefined, price: undefined }, "gpu"));
  let shown = "FLOPs";
  const slider = logSlider({ name: "budget", label: "Budget", say: (value) => withUnit(value, shown),
    changed: (value) => changed({ budget: value }, "budget") });
  const shape = [whole("output_tokens", "Tokens of an answer", "output-tokens", changed),
    whole("text_tokens", "Tokens of the question's text", "text-tokens", changed),
    whole("batch", "Requests served together", "batch", changed)];
  const price = positive((value) => changed({ price: value }, "price"));
  const priced = labelled("Dollars per GPU-hour", price, "price");
  const model = select(study.models.map((name) => [name, name]), (value) => changed({ model: value,
    budget: undefined }, "model"));
  const modelField = labelled("Family of models", model, "model");
  const summary = el("summary", {});
  const request = el("details", {}, summary, shape.map((one) => one.node), modelField, priced);
  const show = (question, ends) => {
    const cost = costs.get(question.cost) ?? study.costs[0];
    const used = uses(question);
    shown = cost.unit;
    sorts.show(family(cost));
    const kinds = study.costs.filter((one) => family(one) === family(cost));
    if (kind.dataset.family !== family(cost)) {
      kind.dataset.family = family(cost);
      put(kind, kinds.map((one) => el("option", { value: one.kind }, one.label)));
    }
    kind.value = cost.kind;
    kindField.hidden = kinds.length < 2;
    gpu.value = question.gpu ?? "";
    gpu.options[0].hidden = cost.needs_gpu;
    request.hidden = !(used.output_tokens || used.batch);
    for (const one of shape) {
      one.node.hidden = !used[one.name];
      if (document.activeElement !== one.field) one.field.value = question[one.name] ?? one.least;
    }
    summary.textContent = requestInShort(question, used);
    modelField.hidden = !used.model;
    choose(model, question.model ?? study.defaults.model);
    priced.hidden = !used.price;
    const own = study.gpus.find((one) => one.name === question.gpu)?.price_per_hour;
    price.placeholder = own ? `${own}, usual` : "";
    if (document.activeElement !== price) price.value = question.price ?? "";
    slider.node.hidden = ends.budget === null;
    if (ends.budget === null) return;
    const of = unit(shown, ends.budget[1]);
    slider.show({ value: question.budget ?? ends.budget[0], ends: ends.budget, scale: of.scale, unit: of.per });
  };
  return { node: group("Budget", sorts.node, slider.node, kindField, labelled("on a", gpu, "gpu"), request), show };
}

function requestInShort({ text_tokens: text = 0, output_tokens: answer = 1, batch = 1 }, used) {
  const together = batch === 1 ? "one at a time" : `in batches of ${batch}`;
  return `A request: ${text ? `${text} text tokens, ` : ""}${answer} answer ${answer === 1 ? "token" : "tokens"}` +
    (used.batch ? `, ${together}` : "");
}
