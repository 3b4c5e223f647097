// The question as controls. Each one changes a part of the question and knows nothing of the answer.

import { el, put } from "./dom.js";
import { compact, examples, params, unit, withUnit, words } from "./format.js";
import { logSlider } from "./slider.js";
import { uses } from "./state.js";

const WEIGHTED = " weights"; // no task is called that: names have no leading blank
const GB = 1e9;
const MS = 1e-3;

/**
 * Build the form for a study.
 *
 * @param study what `/api/v1/study` said
 * @param form the element to fill
 * @param changed called with (part of a question, name of the control)
 * @returns show(question, ends): sets every control to a question
 */
export function controls(study, form, changed) {
  const parts = [missing(study, changed), budget(study, changed), data(study, changed), tasks(study, changed), models(study, changed),
    limits(study, changed), current(study, changed), prediction(study, changed)].filter(Boolean);
  put(form, parts.map((part) => part.node));
  return (question, ends) => parts.forEach((part) => part.show(question, ends));
}

const UNSAID = { lm_params: "Parameters of the language model", frames: "Frames per video", tokens_per_frame: "Visual tokens per frame" };

/** A factor that the table lacks had one value all the same, which every cost needs. */
function missing(study, changed) {
  if (!study.missing.length) return null;
  const fields = study.missing.map((factor) => {
    const field = positive((value) => changed({ [factor]: value === undefined ? undefined : [value] }, factor));
    return { factor, field, node: labelled(UNSAID[factor], field, `unsaid-${factor}`) };
  });
  const show = (question) => fields.forEach(({ factor, field }) => set(field, question[factor]?.[0], 1));
  return { node: group("What the measurements do not say", el("p", { class: "hint" },
    "The table has no such column. Every cost needs the value that it had."), fields.map((one) => one.node)), show };
}

function group(title, ...children) {
  return el("fieldset", {}, el("legend", {}, title), children);
}

function labelled(text, control, id, attributes = {}) {
  control.id = id;
  return el("div", { class: "field", ...attributes }, el("label", { for: id }, text), control);
}

function select(options, change) {
  const node = el("select", {}, options.map(([value, text]) => el("option", { value }, text)));
  node.addEventListener("change", () => change(node.value));
  return node;
}

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

function budget(study, changed) {
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
  const model = select(study.models.map((name) => [name, name]), (value) => changed({ model: value, budget: undefined }, "model"));
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

/** A field for a whole number of something. */
function whole(name, text, id, changed) {
  const least = name === "text_tokens" ? 0 : 1;
  const field = el("input", { type: "number", min: least, step: 1, inputmode: "numeric" });
  field.addEventListener("input", () => {
    const value = Number(field.value);
    const fine = field.value === "" || (Number.isInteger(value) && value >= least);
    field.setAttribute("aria-invalid", String(!fine));
    if (fine) changed({ [name]: field.value === "" ? undefined : value }, name);
  });
  return { name, field, least, node: labelled(text, field, id) };
}

/** A field for a positive number or nothing. */
function positive(tell, attributes = {}) {
  const field = el("input", { type: "number", min: 0, step: "any", inputmode: "decimal", ...attributes });
  field.addEventListener("input", () => {
    const value = Number(field.value);
    const fine = field.value === "" || value > 0;
    field.setAttribute("aria-invalid", String(!fine));
    if (fine) tell(field.value === "" ? undefined : value);
  });
  return field;
}

function data(study, changed) {
  if (!study.data_varies) {
    return { node: group("Your finetuning data", el("p", { class: "hint", id: "data-fixed" },
      "The amount of data was not varied in this study, so the answer does not depend on it.")), show: () => {} };
  }
  const [first, last] = [study.data_sizes[0], study.data_sizes.at(-1)];
  const hint = el("p", { class: "hint" });
  const slider = logSlider({ name: "data-size", label: "Finetuning examples", say: examples,
    changed: (value) => changed({ data_size: value }, "data_size") });
  const show = (question) => {
    const size = question.data_size ?? last;
    slider.show({ value: size, ends: [Math.min(study.data_range[0], size), Math.max(study.data_range[1], size)],
      scale: last >= 1e5 ? 1e3 : 1, unit: last >= 1e5 ? "thousand examples" : "examples", levels: study.data_sizes });
    const inside = size >= first * (1 - 1e-9) && size <= last * (1 + 1e-9);
    hint.classList.toggle("beyond", !inside);
    hint.textContent = inside ? `Measured from ${examples(first)} to ${examples(last)} examples`
      : `Beyond what was measured: ${examples(first)} to ${examples(last)} examples`;
  };
  return { node: group("Your finetuning data", slider.node, hint), show };
}

function tasks(study, changed) {
  const names = study.tasks.map((task) => task.name);
  if (names.length < 2) {
    return { node: group("What has to go well", el("p", { class: "hint" }, `The study has one task: ${words(names[0])}.`)),
      show: () => {} };
  }
  const lead = study.tasks.find((task) => task.lead)?.name;
  const single = names.filter((name) => name !== study.mean);
  const choice = select([...names.map((name) => [name, name === study.mean ? "all tasks alike" : words(name)]), ...(single.length > 1 ? [[WEIGHTED, "a mix of my own …"]] : [])], (value) =>
    changed(value === WEIGHTED ? { task: undefined, weights: Object.fromEntries(single.map((name) => [name, 1])) }
      : { task: value, weights: undefined }, "task"));
  const rows = single.map((name, k) => {
    const range = el("input", { type: "range", min: 0, max: 10, step: 1, id: `weight-${k}` });
    const share = el("output", { for: `weight-${k}` });
    range.addEventListener("input", () => {
      const weights = Object.fromEntries(rows.map((row) => [row.name, Number(row.range.value)]));
      if (Object.values(weights).every((weight) => weight === 0)) range.value = "1", weights[name] = 1;
      changed({ weights, task: undefined }, "weights");
    });
    return { name, range, share, node: el("div", { class: "weight" },
      el("label", { for: `weight-${k}` }, words(name)), range, share) };
  });
  const mix = el("div", { class: "weights", id: "weights" }, rows.map((row) => row.node));
  const show = (question) => {
    choice.value = question.weights ? WEIGHTED : (question.task ?? lead);
    mix.hidden = !question.weights;
    if (!question.weights) return;
    const total = Object.values(question.weights).reduce((sum, weight) => sum + weight, 0);
    for (const row of rows) {
      const weight = question.weights[row.name] ?? 0;
      if (document.activeElement !== row.range || Number(row.range.value) !== weight) {
        row.range.max = String(Math.max(10, weight));
        row.range.step = Number.isInteger(weight) ? "1" : "any";
        row.range.value = String(weight);
      }
      row.share.textContent = `${Math.round((100 * weight) / total)} %`;
    }
  };
  return { node: group("What has to go well", labelled("Tasks that count", choice, "task", { class: "field stacked" }), mix), show };
}

function models(study, changed) {
  const levels = study.levels.lm_params;
  if (!levels.length) return null;
  const hint = el("p", { class: "hint", role: "status" });
  const boxes = levels.map((level, k) => {
    const box = el("input", { type: "checkbox", id: `lm-${k}`, value: level.value });
    box.addEventListener("change", () => {
      const allowed = boxes.filter((one) => one.box.checked).map((one) => one.level.value);
      hint.textContent = allowed.length ? "" : "At least one language model has to stay allowed.";
      if (!allowed.length) box.checked = true;
      else changed({ lm_params: allowed.length === levels.length ? undefined : allowed }, "lm_params");
    });
    return { box, level, node: el("label", { class: "check", for: `lm-${k}` }, box, el("b", {}, params(level.value)),
      level.name ? ` ${level.name}` : "") };
  });
  const others = el("p", { class: "hint", id: "only" });
  const show = (question) => {
    const allowed = question.lm_params;
    for (const { box, level } of boxes) box.checked = !allowed?.length || allowed.includes(level.value);
    const held = ["frames", "tokens_per_frame"].filter((name) => question[name] && !study.missing.includes(name));
    put(others, held.length ? [`Only ${held.map((name) => `${question[name].join(", ")} ${words(name)}`).join(" and ")} may be chosen. `,
      el("button", { type: "button", class: "small", onclick: () => changed({ frames: undefined, tokens_per_frame: undefined }, "only") },
        "Allow all")] : []);
  };
  return { node: group("Language models you may run", boxes.map((one) => one.node), hint, others), show };
}

function limits(study, changed) {
  const usual = study.gpus.find((one) => one.calibrated) ?? study.gpus[0];
  let asked = {};
  const memory = positive((value) => changed({ memory_limit_bytes:
    value === undefined ? undefined : Number((value * GB).toPrecision(12)) }, "memory"), { placeholder: "no limit" });
  const hint = el("p", { class: "hint" });
  const times = [["ttft", "First token within"], ["latency", "Whole answer within"]].map(([kind, text]) => {
    const field = positive((value) => {
      const { [kind]: old, ...others } = asked.limits ?? {};
      const bounds = value === undefined ? others : { ...others, [kind]: Number((value * MS).toPrecision(12)) };
      // A time is of a GPU: one that was not chosen yet is chosen with it.
      changed({ limits: bounds, gpu: asked.gpu ?? (value === undefined ? undefined : usual?.name) }, `limit-${kind}`);
    }, { placeholder: "no limit" });
    return { kind, field, node: measured(text, field, `limit-${kind}`, "ms") };
  });
  const others = el("p", { class: "hint", id: "other-limits" });
  const show = (question) => {
    asked = question;
    const rest = Object.entries(question.limits ?? {}).filter(([kind]) => !times.some((one) => one.kind === kind));
    put(others, rest.length ? [`Also at most ${rest.map(([kind, value]) => `${words(kind)} ${compact(value)}`).join(", ")}. `,
      el("button", { type: "button", class: "small", onclick: () => changed({ limits: Object.fromEntries(
        Object.entries(asked.limits).filter(([kind]) => times.some((one) => one.kind === kind))) }, "limits") }, "Lift")] : []);
    set(memory, question.memory_limit_bytes, GB);
    for (const { kind, field, node } of times) {
      node.hidden = question.cost === kind;
      set(field, question.limits?.[kind], MS);
    }
    const gpu = study.gpus.find((one) => one.name === question.gpu);
    hint.textContent = gpu ? `Memory without a limit: all of one ${gpu.name}, ${(gpu.memory_bytes / GB).toFixed(0)} GB.` : "";
  };
  return { node: group("Limits", measured("Memory at most", memory, "memory", "GB"), hint, times.map((one) => one.node), others), show };
}

function measured(text, field, id, shown) {
  field.id = id;
  return el("div", { class: "field" }, el("label", { for: id }, text), el("span", { class: "amount" }, field,
    el("span", { class: "unit" }, shown)));
}

/** Show a number in a field, unless somebody is typing there. */
function set(field, value, scale) {
  if (document.activeElement === field) return;
  field.value = value === undefined ? "" : String(Number((value / scale).toPrecision(12)));
  field.setAttribute("aria-invalid", "false");
}

function current(study, changed) {
  const use = el("input", { type: "checkbox", id: "compare" });
  const levels = study.levels;
  const middle = (values) => values[Math.floor((values.length - 1) / 2)]?.value ?? 1;
  const lm = el("select", {});
  const number = (name) => el("input", { type: "number", min: 1, step: 1, inputmode: "numeric", list: `${name}-levels` });
  const frames = number("frames");
  const tokens = number("tokens");
  const tell = () => {
    const at = { lm_params: Number(lm.value), frames: Number(frames.value), tokens_per_frame: Number(tokens.value) };
    if (Object.values(at).every((value) => value > 0) && Number.isInteger(at.frames)) {
      changed({ current: use.checked ? at : undefined }, "current");
    }
  };
  [lm, frames, tokens].forEach((field) => field.addEventListener("input", tell));
  use.addEventListener("change", tell);
  const suggestions = (name, values) => el("datalist", { id: `${name}-levels` }, values.map((level) => el("option", { value: level.value })));
  const fields = el("div", { class: "now", id: "now" }, labelled("Language model", lm, "now-lm"),
    labelled("Frames per video", frames, "now-frames"), labelled("Visual tokens per frame", tokens, "now-tokens"),
    suggestions("frames", levels.frames), suggestions("tokens", levels.tokens_per_frame));
  let last = { lm_params: middle(levels.lm_params), frames: middle(levels.frames),
    tokens_per_frame: middle(levels.tokens_per_frame) };
  const show = (question) => {
    use.checked = Boolean(question.current);
    fields.hidden = !question.current;
    last = question.current ?? last;
    const sizes = levels.lm_params.map((level) => [level.value, level.name]);
    if (!sizes.some(([value]) => value === last.lm_params)) sizes.push([last.lm_params, "your own"]);
    if (document.activeElement !== lm || Number(lm.value) !== last.lm_params) {
      put(lm, sizes.map(([value, name]) => el("option", { value }, name ? `${params(value)}, ${name}` : params(value))));
      lm.value = String(last.lm_params);
    }
    if (document.activeElement !== frames) frames.value = String(last.frames);
    if (document.activeElement !== tokens) tokens.value = String(last.tokens_per_frame);
  };
  return { node: group("What you run now", el("label", { class: "check", for: "compare" }, use, "Compare with it"), fields),
    show };
}

const LATTICES = { measured: "the measured configurations", published: "the paper's configurations",
  deployable: "what engines serve", dense: "a fine grid" };
const PREDICTORS = { point: "the fit to all runs", bagged: "the median over resampled runs" };

function prediction(study, changed) {
  const predictor = select(study.predictors.map((name) => [name, PREDICTORS[name] ?? name]), (value) => changed({ predictor: value }, "predictor"));
  const lattice = select(study.lattices.map((name) => [name, LATTICES[name] ?? name]), (value) =>
    changed({ lattice: value, lm_params: undefined, budget: undefined }, "lattice"));
  const level = select([0.5, 0.8, 0.9, 0.95, 0.99].map((value) => [String(value), `${Math.round(100 * value)} %`]),
    (value) => changed({ level: Number(value) }, "level"));
  const near = positive((value) => changed({ tolerance: value === undefined ? undefined : Number((value / 100).toPrecision(12)) }, "near"));
  const show = (question) => {
    choose(predictor, question.predictor ?? "point");
    choose(lattice, question.lattice ?? "measured");
    choose(level, String(question.level ?? 0.9));
    set(near, question.tolerance ?? 0.01, 0.01);
  };
  return { node: el("details", { class: "expert" }, el("summary", {}, "How it is predicted and chosen"),
    labelled("Predicted by", predictor, "predictor"), labelled("Chosen from", lattice, "lattice"),
    labelled("Intervals hold", level, "level"), measured("Nearly as good", near, "near", "%")), show };
}

/** Show a choice; one that a link brought and the list lacks is added to it. */
function choose(list, value) {
  if (![...list.options].some((option) => option.value === value)) list.append(el("option", { value }, value));
  list.value = value;
}
