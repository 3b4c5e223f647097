// The answer, big and plain, and how sure it is.

import { el, figure, svg } from "./dom.js";
import { chance, examples, interval, params, plain, withUnit, words } from "./format.js";

/** A configuration in one line: "7.5B × 12 frames × 36 tokens". */
export function inShort(at) {
  const [frames, tokens] = [at.frames === 1 ? "frame" : "frames", at.tokens_per_frame === 1 ? "token" : "tokens"];
  return `${params(at.lm_params)} × ${plain(at.frames, 4)} ${frames} × ${plain(at.tokens_per_frame, 4)} ${tokens}`;
}

/** What was asked, as a line above the answer. */
export function asked(answer, study) {
  const question = answer.question;
  const parts = [withUnit(question.budget, answer.cost.unit)];
  if (answer.cost.unit === "FLOPs") parts[0] += " a video";
  if (question.gpu) parts[0] += ` on one ${question.gpu}`;
  if (study.data_varies && question.data_size) parts.push(`${examples(question.data_size)} finetuning examples`);
  if (question.weights) parts.push("your mix of tasks");
  else parts.push(question.task === study.mean ? "all tasks alike" : words(question.task));
  return `Best configuration for ${parts.join(", ")}`;
}

/** The verdict: configuration, predicted error, what it costs, how sure. */
export function verdict(answer) {
  const at = answer.configuration;
  const error = answer.error;
  const shown = interval(error.value, error.mean_low, error.mean_high);
  const level = plain(100 * error.level, 4);
  return [
    el("p", { class: "choice", id: "choice" },
      factor("lm_params", params(at.lm_params), at.lm_params, "language model", at.lm_name),
      el("span", { class: "times", "aria-hidden": "true" }, "×"),
      factor("frames", plain(at.frames, 4), at.frames, at.frames === 1 ? "frame" : "frames"),
      el("span", { class: "times", "aria-hidden": "true" }, "×"),
      factor("tokens_per_frame", plain(at.tokens_per_frame, 4), at.tokens_per_frame, "tokens per frame")),
    el("div", { class: "facts" },
      fact("Predicted error", [figure(shown.value, error.value, "error", { class: "large" }),
        el("span", { class: "large" }, " %")],
        [`true mean between `, figure(shown.low, error.mean_low, "mean_low"), " and ",
          figure(shown.high, error.mean_high, "mean_high"), ` % (${level} %)`]),
      fact("It costs", [figure(withUnit(answer.cost.value, answer.cost.unit), answer.cost.value, "cost",
        { class: "large" })],
        [spent(answer)]),
      fact("Sure it is the best", [figure(chance(answer.probability_best), answer.probability_best, "probability_best",
        { class: "large" }), el("span", { class: "large" }, " %")], [sureness(answer)])),
  ];
}

function factor(name, text, value, label, detail) {
  return el("span", { class: "factor" }, figure(text, value, name), el("span", { class: "what" }, ` ${label}`,
    detail ? el("small", {}, ` ${detail}`) : null));
}

function fact(label, value, detail) {
  return el("div", { class: "fact" }, el("p", { class: "label" }, label), el("p", { class: "value" }, value),
    el("p", { class: "detail" }, detail));
}

function spent(answer) {
  const share = answer.cost.value / answer.question.budget;
  const budget = withUnit(answer.question.budget, answer.cost.unit).replace(" per million videos", "");
  return share > 0.995 ? `the whole budget of ${budget}` : `${plain(100 * share, 2)} % of the budget of ${budget}`;
}

function sureness(answer) {
  const ties = answer.tie_count;
  const others = ties === 0 ? "no other is nearly as good"
    : `${ties} other${ties === 1 ? " is" : "s are"} nearly as good`;
  return `chance that no other one is better; ${others}`;
}

/** Error bars of the answer and, where given, of what runs now, on one scale. */
export function whiskers(answer) {
  const rows = [["recommended", answer.error]];
  if (answer.comparison) rows.push(["what you run now", answer.comparison.error]);
  const all = rows.flatMap(([, error]) => [error.new_low, error.new_high, error.mean_low, error.mean_high, error.value])
    .filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = (high - low || 0.01) * 0.06;
  const x = (value) => `${(100 * (value - low + pad) / (high - low + 2 * pad)).toFixed(2)}%`;
  return el("div", { class: "whiskers" }, rows.map(([label, error], k) => {
    const fresh = interval(error.value, error.new_low, error.new_high);
    const mean = interval(error.value, error.mean_low, error.mean_high);
    return el("div", { class: k ? "whisker now" : "whisker" },
      el("span", { class: "label" }, label),
      svg("svg", { width: "100%", height: 22, role: "img", "aria-label":
        `${label}: predicted error ${mean.value} %, true mean ${mean.low} to ${mean.high} %, ` +
        `new measurement ${fresh.low} to ${fresh.high} %` },
        svg("line", { class: "axis", x1: "0%", x2: "100%", y1: 11, y2: 11 }),
        svg("line", { class: "new", x1: x(error.new_low), x2: x(error.new_high), y1: 11, y2: 11 }),
        svg("line", { class: "mean", x1: x(error.mean_low), x2: x(error.mean_high), y1: 11, y2: 11 }),
        svg("circle", { class: "dot", cx: x(error.value), cy: 11, r: 5 })));
  }), el("p", { class: "detail" }, el("span", { class: "key mean" }), "true mean ", el("span", { class: "key new" }),
    "a new measurement", answer.error.n_eval ? ` of ${Math.round(answer.error.n_eval)} questions` : "", ": ",
    figure(interval(answer.error.value, answer.error.new_low, answer.error.new_high).low, answer.error.new_low,
      "new_low"), " to ",
    figure(interval(answer.error.value, answer.error.new_low, answer.error.new_high).high, answer.error.new_high,
      "new_high"),
    ` % (${plain(100 * answer.error.level, 4)} %)`));
}

const ENGINES = { vllm: "vLLM", sglang: "SGLang" };

/** Reasons to be careful, as the library words them; what engines lack is said in full beside their commands. */
export function risks(answer) {
  const engines = Object.keys(answer.commands).filter((engine) => !answer.commands[engine].servable)
    .map((engine) => ENGINES[engine] ?? engine);
  const lacking = answer.risks.find((risk) => risk.kind === "not-servable");
  const lines = answer.risks.filter((risk) => risk.kind !== "not-servable").map((risk) => [risk.kind,
    sentence(risk.sentence)]);
  if (lacking) {
    lines.push([lacking.kind,
      [`${engines.join(" and ") || "An engine"} ${engines.length > 1 ? "do" : "does"} not serve this unmodified: `,
      el("a", { href: "#commands-title" }, "what it takes"), "."]]);
  }
  return lines.length ? el("ul", { class: "risks", "aria-label": "Risks" }, lines.map(([kind, line]) => el("li",
    { "data-kind": kind }, line))) : null;
}

/** A sentence with a capital and a full stop, whatever the note looked like. */
export function sentence(text) {
  const trimmed = String(text).trim();
  // A name in front keeps its own first letter: `li2024 is …`, `lm_params at …`.
  const first = /^[a-z]+[\s,:;]/.test(trimmed) ? trimmed[0].toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?:]$/.test(first) ? first : `${first}.`;
}

/** One line for the bar on narrow windows, and for screen readers. */
export function brief(answer) {
  const shown = interval(answer.error.value, answer.error.mean_low, answer.error.mean_high);
  return `${inShort(answer.configuration)}: ${shown.value} % error`;
}

/** The server's one line in place of an answer, with what to do next where the page knows it. */
export function refusal(message, actions) {
  return [el("div", { class: "refusal", role: "alert" }, el("h3", {}, "No answer for this question"),
    el("p", { id: "refusal" }, sentence(message)), actions.length ? el("p", { class: "actions" }, actions) : null)];
}

/** What the study has to be told before it can answer anything. */
export function unfinished(factors) {
  return el("div", { class: "unfinished" }, el("p", { id: "refusal" },
    `The measurements do not say ${factors.map(words).join(" and ")}. Type the value that they were made with, ` +
    "and the answer stands here."),
    el("button", { type: "button", onclick: () => document.getElementById(`unsaid-${factors[0]}`).focus() },
      "Type it"));
}
