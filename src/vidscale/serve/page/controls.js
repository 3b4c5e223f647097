// The question as controls. Each one changes a part of the question and knows nothing of the answer.

import { budget } from "./budget.js";
import { el, put } from "./dom.js";
import { choose, group, labelled, measured, positive, refuse, select, set } from "./fields.js";
import { compact, examples, params, words } from "./format.js";
import { logSlider } from "./slider.js";

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
  const parts = [missing(study, changed), budget(study, changed), data(study, changed), tasks(study, changed),
    models(study, changed),
    limits(study, changed), current(study, changed), prediction(study, changed)].filter(Boolean);
  put(form, parts.map((part) => part.node));
  return (question, ends) => parts.forEach((part) => part.show(question, ends));
}

const UNSAID = { lm_params: "Parameters of the language model", frames: "Frames per video",
  tokens_per_frame: "Visual tokens per frame" };

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
    return { node: group("What has to go well", el("p", { class: "hint" },
      `The study has one task: ${words(names[0])}.`)),
      show: () => {} };
  }
  const lead = study.tasks.find((task) => task.lead)?.name;
  const single = names.filter((name) => name !== study.mean);
  const choice = select([...names.map((name) => [name, name === study.mean ? "all tasks alike" : words(name)]),
    ...(single.length > 1 ? [[WEIGHTED, "a mix of my own …"]] : [])], (value) =>
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
  return { node: group("What has to go well", labelled("Tasks that count", choice, "task", { class: "field stacked" }),
    mix), show };
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
    put(others, held.length ? [`Only ${held.map((name) => `${question[name]
      .join(", ")} ${words(name)}`).join(" and ")} may be chosen. `,
      el("button", { type: "button", class: "small", onclick: () => changed({ frames: undefined,
        tokens_per_frame: undefined }, "only") },
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
    put(others, rest.length
      ? [`Also at most ${rest.map(([kind, value]) => `${words(kind)} ${compact(value)}`).join(", ")}. `,
      el("button", { type: "button", class: "small", onclick: () => changed({ limits: Object.fromEntries(
        Object.entries(asked.limits).filter(([kind]) => times.some((one) => one.kind === kind))) }, "limits") },
          "Lift")] : []);
    set(memory, question.memory_limit_bytes, GB);
    for (const { kind, field, node } of times) {
      node.hidden = question.cost === kind;
      set(field, question.limits?.[kind], MS);
    }
    const gpu = study.gpus.find((one) => one.name === question.gpu);
    hint.textContent = gpu
      ? `Memory without a limit: all of one ${gpu.name}, ${(gpu.memory_bytes / GB).toFixed(0)} GB.` : "";
  };
  return { node: group("Limits", measured("Memory at most", memory, "memory", "GB"), hint,
    times.map((one) => one.node), others), show };
}

function current(study, changed) {
  const use = el("input", { type: "checkbox", id: "compare" });
  const levels = study.levels;
  const middle = (values) => values[Math.floor((values.length - 1) / 2)]?.value ?? 1;
  const lm = el("select", {});
  const number = (name) => el("input", { type: "number", min: 1, step: 1, inputmode: "numeric",
    list: `${name}-levels` });
  const frames = number("frames");
  const tokens = number("tokens");
  let last = { lm_params: middle(levels.lm_params), frames: middle(levels.frames),
    tokens_per_frame: middle(levels.tokens_per_frame) };
  const tell = () => {
    const at = { lm_params: Number(lm.value), frames: Number(frames.value), tokens_per_frame: Number(tokens.value) };
    if (Object.values(at).every((value) => value > 0) && Number.isInteger(at.frames)) {
      changed({ current: use.checked ? at : undefined }, "current");
    }
  };
  [lm, frames, tokens].forEach((field) => field.addEventListener("input", tell));
  for (const [field, name, bound] of [[frames, "frames", "a whole number above 0"],
    [tokens, "tokens_per_frame", "a number above 0"]]) {
    field.addEventListener("change", () => {
      const value = Number(field.value);
      if (value > 0 && (name !== "frames" || Number.isInteger(value))) return;
      refuse(field, field.labels[0].textContent, bound, String(last[name]));
      field.value = String(last[name]);
    });
  }
  use.addEventListener("change", tell);
  const suggestions = (name, values) => el("datalist", { id: `${name}-levels` }, values.map((level) => el("option",
    { value: level.value })));
  const fields = el("div", { class: "now", id: "now" }, labelled("Language model", lm, "now-lm"),
    labelled("Frames per video", frames, "now-frames"), labelled("Visual tokens per frame", tokens, "now-tokens"),
    suggestions("frames", levels.frames), suggestions("tokens", levels.tokens_per_frame));
  const show = (question) => {
    use.checked = Boolean(question.current);
    fields.hidden = !question.current;
    last = question.current ?? last;
    const sizes = levels.lm_params.map((level) => [level.value, level.name]);
    if (!sizes.some(([value]) => value === last.lm_params)) sizes.push([last.lm_params, "your own"]);
    if (document.activeElement !== lm || Number(lm.value) !== last.lm_params) {
      put(lm, sizes.map(([value, name]) => el("option", { value }, name ? `${params(value)}, ${name}`
        : params(value))));
      lm.value = String(last.lm_params);
    }
    if (document.activeElement !== frames) frames.value = String(last.frames);
    if (document.activeElement !== tokens) tokens.value = String(last.tokens_per_frame);
  };
  return { node: group("What you run now", el("label", { class: "check", for: "compare" }, use, "Compare with it"),
    fields),
    show };
}

const LATTICES = { measured: "the measured configurations", published: "the paper's configurations",
  deployable: "what engines serve", dense: "a fine grid" };
const PREDICTORS = { point: "the fit to all runs", bagged: "the median over resampled runs" };

function prediction(study, changed) {
  const predictor = select(study.predictors.map((name) => [name, PREDICTORS[name] ?? name]),
    (value) => changed({ predictor: value }, "predictor"));
  const lattice = select(study.lattices.map((name) => [name, LATTICES[name] ?? name]), (value) =>
    changed({ lattice: value, lm_params: undefined, budget: undefined }, "lattice"));
  const level = select([0.5, 0.8, 0.9, 0.95, 0.99].map((value) => [String(value), `${Math.round(100 * value)} %`]),
    (value) => changed({ level: Number(value) }, "level"));
  const near = positive((value) => changed({ tolerance: value === undefined ? undefined
    : Number((value / 100).toPrecision(12)) }, "near"));
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
