// What follows the answer: the comparison with today, what more would buy, near-ties, costs.

import { inShort, sentence } from "./answer.js";
import { el, figure, put } from "./dom.js";
import { amount, interval, plain, unit, withUnit, words } from "./format.js";

const points = (gain) => plain(100 * Math.abs(gain), 2);

/** The reasons, as the library words them; what has a card of its own is not said twice. */
export function why(section, answer) {
  const { bottleneck, value_of_compute: value, next_budget: budget, next_data: data } = answer;
  const below = new Set([bottleneck, value, budget, data].map((part) => part.sentence));
  const lines = answer.why.filter((line) => !below.has(line));
  section.hidden = !lines.length;
  put(section, el("h2", { id: "why-title" }, "Why this one"), el("ul", { class: "why" }, lines.map((line) => el("li",
    {}, sentence(line)))));
}

/** What runs now beside the recommendation, the best at its own cost, and the cheapest that is as good. */
export function comparison(section, answer) {
  const found = answer.comparison;
  section.hidden = !found;
  if (!found) {
    put(section);
    return;
  }
  const of = unit(answer.cost.unit, Math.max(answer.cost.value, found.cost));
  const level = plain(100 * answer.error.level, 4);
  const row = (label, key, at, error, cost) => {
    const shown = error.mean_low === undefined ? null : interval(error.value, error.mean_low, error.mean_high);
    return [label, inShort(at), figure(shown ? shown.value : plain(100 * error.value, 4), error.value, `${key}_error`),
      shown ? `${shown.low} to ${shown.high}` : "", figure(amount(cost, of), cost, `${key}_cost`)];
  };
  const rows = [row("what you run now", "current", found.configuration, found.error, found.cost),
    row("recommended", "recommended", answer.configuration, answer.error, answer.cost.value)];
  if (found.gain > 0) rows.push(row("best at today's cost", "same_budget", found.same_budget,
    { value: found.same_budget_error }, null));
  if (found.cheaper) rows.push(["no worse, cheaper", inShort(found.cheaper), "", "", figure(amount(found.cheaper_cost,
    of), found.cheaper_cost, "cheaper_cost")]);
  put(section, el("h2", { id: "comparison-title" }, "Against what you run now"),
    el("p", { class: found.recommended_gain > 0 ? "lead good" : "lead" }, headline(found)),
    table("Configurations", ["", "configuration", "error (%)", `interval (${level} %)`, `cost (${of.shown})`], rows),
    el("p", { class: "detail after" }, sentence(found.sentence)),
    found.outside.length ? el("ul", { class: "detail" }, found.outside.map((line) => el("li", {}, sentence(line))))
      : null);
}

function headline(found) {
  const gain = found.recommended_gain;
  const share = figure(`${plain(100 * Math.abs(gain), 2)} %`, gain, "recommended_gain");
  if (Math.abs(gain) < 1e-9) return ["The recommendation predicts the same error as what you run now.",
    el("span", { hidden: true }, share)];
  return gain > 0 ? ["The recommendation makes ", share, " fewer errors than what you run now."]
    : ["What you run now makes ", share, " fewer errors than this budget can buy."];
}

/** What one more unit of budget or of data would buy, and what holds the error up. */
export function next(section, answer, change) {
  put(section, el("h2", { id: "next-title" }, "What more would buy"), el("div", { class: "cards" },
    step(answer, answer.next_budget, "More budget", "next-budget", answer.next_budget.budget, "Try this budget",
      (value) => change({ budget: value }, "try-budget"), answer.value_of_compute.sentence),
    step(answer, answer.next_data, "Twice the data", "next-data", answer.next_data.data_size, "Try this much data",
      (value) => change({ data_size: value }, "try-data")), bottleneck(answer)));
}

function step(answer, found, title, id, value, label, take, aside) {
  const known = value !== null && found.error !== null;
  const key = id.replace("-", "_");
  return card(title, id, known ? el("p", { class: "headline" }, fall(answer, found, key)) : null,
    el("p", {}, sentence(found.sentence)), aside ? el("p", { class: "detail" }, sentence(aside)) : null,
    known ? el("button", { type: "button", onclick: () => take(value) }, label) : null);
}

function fall(answer, found, key) {
  const from = interval(answer.error.value, answer.error.mean_low, answer.error.mean_high);
  const to = interval(found.error.value, found.error.mean_low, found.error.mean_high);
  return [el("span", { class: "faint" }, `${from.value} → `), figure(to.value, found.error.value, `${key}_error`),
    " % error"];
}

function card(title, id, ...children) {
  return el("article", { class: "card", id }, el("h3", {}, title), children);
}

const FACTORS = { lm_params: "Language-model size", frames: "Frames", tokens_per_frame: "Tokens per frame" };

function bottleneck(answer) {
  const found = answer.bottleneck;
  return card("The bottleneck", "bottleneck", el("p", { class: "headline" },
    el("data", { value: found.factor ?? "", "data-field": "bottleneck" }, FACTORS[found.factor] ?? "None alone")),
    el("p", {}, sentence(found.sentence)));
}

/** Other configurations that predict almost the same error; the cheaper ones may be the better deal. */
export function ties(section, answer) {
  const of = unit(answer.cost.unit, Math.max(answer.cost.value, ...answer.near_ties.map((tie) => tie.cost)));
  const rows = answer.near_ties.map((tie) => {
    const saves = 1 - tie.cost / answer.cost.value;
    return [inShort(tie.configuration), figure(plain(100 * tie.error, 4), tie.error, "tie_error"),
      `+${points(tie.error - answer.error.value)}`, figure(amount(tie.cost, of), tie.cost, "tie_cost"),
      Math.abs(saves) < 0.005 ? "as dear" : `${plain(100 * Math.abs(saves), 2)} % ${saves > 0 ? "cheaper" : "dearer"}`];
  });
  const within = plain(100 * (answer.question.tolerance ?? 0.01), 2);
  put(section, el("h2", { id: "ties-title" }, "Nearly as good"), rows.length
    ? [el("p", {}, `Configurations within the budget whose predicted error is at most ${within} % above the best. ` +
      "A cheaper one may be the better deal."),
      table("Near-ties", ["configuration", "error (%)", "points", `cost (${of.shown})`, ""], rows)]
    : el("p", {}, `No other affordable configuration comes within ${within} % of this error.`));
}

const PARTS = { encoder: "vision encoder", projector: "projector", prefill: "language model, reading",
  decode: "language model, writing" };

/** What the chosen configuration costs, in every unit that is known. */
export function costs(section, answer) {
  const cost = answer.cost;
  const total = cost.flops.total;
  const of = unit("FLOPs", total); // one for all parts, so that they can be compared
  const line = (label, text, value, name) => (value === null || value === undefined ? null : [label,
    figure(text, value, name), ""]);
  put(section, el("h2", { id: "costs-title" }, "What it costs"), table("Cost", ["", "one video", "share of FLOPs"], [
    ...Object.entries(PARTS).filter(([part]) => cost.flops[part]).map(([part, label]) => [label,
      figure(`${amount(cost.flops[part], of)} ${of.shown}`, cost.flops[part], `flops_${part}`),
        `${plain(100 * cost.flops[part] / total, 2)} %`]),
    line("time to the first token", withUnit(cost.first_token_s, "s"), cost.first_token_s, "first_token_s"),
    line("time to the last token", withUnit(cost.seconds, "s"), cost.seconds, "seconds"),
    line("GPU memory", withUnit(cost.memory_bytes, "bytes"), cost.memory_bytes, "memory_bytes"),
    line("price", withUnit(cost.dollars, "USD per million videos"), cost.dollars, "dollars"),
    line("videos in memory at once", plain(cost.videos_at_once, 6), cost.videos_at_once, "videos_at_once"),
  ].filter(Boolean)),
  el("p", { class: "detail after" }, [
    cost.flops.counting === "exact" ? "Operations counted in the shapes of the model"
      : "Operations by the paper's formula",
    cost.model ? `; memory and time are of ${cost.model}` : "", cost.gpu ? ` on one ${cost.gpu}` : "",
    cost.slowest_stage ? `; the slowest stage is ${words(cost.slowest_stage)}` : "", "."].join("")));
}

/** A table whose first column names the row. */
export function table(caption, head, rows) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text) => (text ? el("th", { scope: "col" }, text) : el("td", {}))))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, k) => (k ? el("td", {}, cell)
      : el("th", { scope: "row" }, cell))))))));
}
