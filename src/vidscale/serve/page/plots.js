// Two plots by budget: the error of the frontier, and the path of each factor; with the chosen point and today's.

import { table } from "./cards.js";
import { inShort } from "./answer.js";
import { el, figure, put } from "./dom.js";
import { amount, interval, params, plain, unit, withUnit } from "./format.js";

const SOURCE = "/assets/plotly.js";
const FACTORS = [["lm_params", "language model"], ["frames", "frames"], ["tokens_per_frame", "tokens per frame"]];
const QUIET_MS = 80;
const REDRAW_MS = 300;
const CONFIG = { displayModeBar: false, responsive: true, showTips: false, doubleClick: false };

let library = null;

/** Plotly, fetched once and only after the first answer stands: it is a megabyte and no answer needs it. */
function plotly() {
  library ??= new Promise((done, failed) => {
    const script = el("script", { src: SOURCE });
    script.addEventListener("load", () => done(window.Plotly));
    script.addEventListener("error", () => { library = null; failed(new Error("plots could not be loaded")); });
    document.head.append(script);
  });
  return library;
}

/**
 * The plots of a page.
 *
 * @param root where they go
 * @param pick called with the budget of a point that was clicked
 * @returns show(answer, frontier): draw, or redraw
 */
export function plots(root, pick) {
  const errors = el("div", { class: "plot errors", role: "img" });
  const paths = el("div", { class: "plot paths", role: "img" });
  const note = el("p", { class: "detail" });
  const sheet = el("details", {}, el("summary", {}, "The same as a table"));
  const body = el("div", {});
  sheet.append(body);
  put(root, el("div", { class: "plot-pair" }, errors, paths), note, sheet);
  let last = null;
  let due = 0;
  let drawn = 0;

  async function draw() {
    drawn = performance.now();
    const { answer, frontier } = last;
    let Plotly;
    try {
      Plotly = await plotly();
    } catch (fault) {
      note.textContent = `${fault.message}; the table below has the same numbers.`;
      return;
    }
    const look = style();
    errors.setAttribute("aria-label", `Error against budget: ${ends(frontier)}`);
    paths.setAttribute("aria-label",
      "Language-model size, frames and tokens per frame of the best configuration against budget");
    await Promise.all([Plotly.react(errors, ...errorPlot(answer, frontier, look), CONFIG),
      Plotly.react(paths, ...pathPlot(answer, frontier, look), CONFIG)]);
    for (const plot of [errors, paths]) {
      if (plot.dataset.listening) continue;
      plot.dataset.listening = "yes";
      plot.on("plotly_click", (event) => { if (event.points.length) pick(Number(event.points[0].x)); });
    }
    root.dataset.drawn = String(answer.question.budget);
  }

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (last) draw(); });
  sheet.addEventListener("toggle", () => { if (last) fillSheet(); });

  function fillSheet() {
    if (!sheet.open) return;
    const { frontier } = last;
    const of = unit(frontier.unit, frontier.steps.at(-1).cost);
    put(body, table("Frontier", [`from a budget of (${of.shown})`, "configuration", "error (%)", "interval"],
      frontier.steps.map((step) => {
      const shown = interval(step.error.value, step.error.mean_low, step.error.mean_high);
      return [figure(amount(step.cost, of), step.cost, "step_cost"), inShort(step.configuration),
        figure(shown.value, step.error.value, "step_error"), `${shown.low} to ${shown.high}`];
    })));
  }

  return function show(answer, frontier, problem) {
    root.toggleAttribute("data-stale", frontier === null);
    if (frontier === null) {
      note.textContent = `The plots are of an earlier question: ${problem}.`;
      return;
    }
    last = { answer, frontier };
    note.textContent = flat(frontier);
    fillSheet();
    // The answer is painted first; a drag redraws the plots a few times a second, not for every move.
    clearTimeout(due);
    const wait = performance.now() - drawn > REDRAW_MS ? 0 : QUIET_MS;
    due = setTimeout(() => requestAnimationFrame(() => setTimeout(draw)), wait);
  };
}

/** What a plot shows nothing of, in words. */
function flat(frontier) {
  const still = FACTORS.filter(([factor]) => frontier.levels[factor].length < 2).map(([, label]) => label);
  const said = still.length ? `Not varied in this study, so without a path: ${still.join(", ")}. ` : "";
  return `${said}Choose a budget by clicking a plot.`;
}

function ends(frontier) {
  const [first, last] = [frontier.steps[0], frontier.steps.at(-1)];
  const at = ({ cost, error }) => `${plain(100 * error.value)} % at ${withUnit(cost, frontier.unit)}`;
  return `${at(first)}, ${at(last)}`;
}

function style() {
  const found = getComputedStyle(document.documentElement);
  const token = (name) => found.getPropertyValue(name).trim();
  return { text: token("--text"), muted: token("--text-muted"), grid: token("--grid"), axis: token("--axis"),
    line: token("--series-1"),
    chosen: token("--series-2"), now: token("--series-3"), surface: token("--bg"), font: token("--font-sans"),
    band: Number(token("--band-opacity")) || 0.2 };
}

function base(look, extra) {
  return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: look.font, size: 13,
    color: look.text },
    showlegend: false, dragmode: false, hovermode: "closest",
    hoverlabel: { bgcolor: look.surface, bordercolor: look.axis, font: { family: look.font, color: look.text } },
      ...extra };
}

function budgetAxis(answer, frontier, look, title) {
  const seen = reaching(frontier.steps, answer).map((step) => step.cost);
  const [low, high] = [Math.min(seen[0], answer.question.budget), seen.at(-1)];
  const found = unit(answer.cost.unit, high);
  const ticks = steps(low / found.scale, high / found.scale);
  return { type: "log", range: [Math.log10(low) - 0.03, Math.log10(high) + 0.03], fixedrange: true,
    gridcolor: look.grid,
    linecolor: look.axis, zeroline: false, tickvals: ticks.map((tick) => tick * found.scale), ticktext: ticks
      .map((tick) => plain(tick, 3)),
    title: title ? { text: `budget (${found.per})`, font: { color: look.muted } } : undefined };
}

/** 1, 2, 5 steps on a log axis; decades alone where that would be a crowd. */
function steps(low, high) {
  const out = [];
  const many = Math.log10(high / low) > 2.6;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of many ? [1] : [1, 2, 5]) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= low * 0.999 && tick <= high * 1.001) out.push(tick);
    }
  }
  return out;
}

function hover(answer, at, error, budget) {
  return `${withUnit(budget, answer.cost.unit)}<br>${inShort(at)}<br>error ${plain(100 * error, 4)} %<extra></extra>`;
}

function errorPlot(answer, frontier, look) {
  const steps = reaching(frontier.steps, answer);
  const x = steps.map((step) => step.cost);
  const step = { shape: "hv", width: 2 };
  const edge = { x, mode: "lines", hoverinfo: "skip", line: { ...step, width: 0 } };
  const traces = [
    { ...edge, y: steps.map(({ error }) => 100 * error.mean_low) },
    { ...edge, y: steps.map(({ error }) => 100 * error.mean_high), fill: "tonexty", fillcolor: faded(look.line,
      look.band) },
    { x, y: steps.map(({ error }) => 100 * error.value), mode: "lines", line: { ...step, color: look.line },
      hovertemplate: hovers(answer, steps) },
    mark([answer.question.budget], [100 * answer.error.value], "circle", look.chosen, look,
      [hover(answer, answer.configuration, answer.error.value, answer.question.budget)]),
  ];
  const axis = budgetAxis(answer, frontier, look, true);
  const chosen = [answer.question.budget, 100 * answer.error.value];
  const labels = [label(chosen, "chosen", look.chosen, axis.range)];
  const now = answer.comparison;
  if (now && Number.isFinite(now.cost)) {
    traces.push(mark([now.cost], [100 * now.error.value], "diamond", look.now, look,
      [hover(answer, now.configuration, now.error.value, now.cost)]));
    labels.push(label([now.cost, 100 * now.error.value], "now", look.now, axis.range, labels[0]));
  }
  return [traces, base(look, { annotations: labels, shapes: [upright(answer, look, "paper")],
    margin: margin(answer, 8), xaxis: axis,
    yaxis: { range: errorRange(steps, labels), gridcolor: look.grid, zeroline: false, fixedrange: true,
      automargin: true, title: { text: "error (%)",
      font: { color: look.muted } } } })];
}

/** The curve goes on level beyond its last step, to the dearest configuration and to the budget: more buys nothing. */
function reaching(steps, answer) {
  const last = steps.at(-1);
  const end = Math.max(answer.budget_range[1], answer.question.budget);
  return end > last.cost ? [...steps, { ...last, cost: end }] : steps;
}

const hovers = (answer, steps) => steps.map((step) => hover(answer, step.configuration, step.error.value, step.cost));

function pathPlot(answer, frontier, look) {
  const steps = reaching(frontier.steps, answer);
  const shown = FACTORS.filter(([factor]) => frontier.levels[factor].length > 1);
  const traces = [];
  const layout = base(look, { shapes: [upright(answer, look, "paper")], margin: margin(answer, 20),
    annotations: [] });
  const gap = 0.1;
  const height = (1 - gap * (shown.length - 1)) / Math.max(shown.length, 1);
  shown.forEach(([factor, label], k) => {
    const id = k ? String(k + 1) : "";
    const top = 1 - k * (height + gap);
    const levels = spread(frontier.levels[factor], 5);
    const domain = [Math.max(top - height, 0), top];
    layout[`yaxis${id}`] = { type: "log", domain, fixedrange: true, gridcolor: look.grid, zeroline: false,
      tickvals: levels,
      ticktext: levels.map((value) => (factor === "lm_params" ? params(value) : plain(value, 4))),
        range: range(frontier.levels[factor]) };
    layout.annotations.push({ text: label, xref: "paper", yref: "paper", x: 0, y: top, xanchor: "left",
      yanchor: "bottom", showarrow: false,
      font: { color: look.muted, size: 12 } });
    traces.push({ x: steps.map((step) => step.cost), y: steps.map((step) => step.configuration[factor]),
      yaxis: `y${id}`,
      mode: "lines", line: { shape: "hv", width: 2, color: look.line }, hovertemplate: hovers(answer, steps) },
    { ...mark([answer.question.budget], [answer.configuration[factor]], "circle", look.chosen, look,
      [hover(answer, answer.configuration, answer.error.value, answer.question.budget)]), yaxis: `y${id}` });
    const now = answer.comparison;
    if (now && Number.isFinite(now.cost)) {
      traces.push({ ...mark([now.cost], [now.configuration[factor]], "diamond", look.now, look,
        [hover(answer, now.configuration, now.error.value, now.cost)]), yaxis: `y${id}` });
    }
  });
  layout.xaxis = { ...budgetAxis(answer, frontier, look, true), anchor: `y${shown.length > 1 ? shown.length : ""}` };
  return [traces, layout];
}

function mark(x, y, symbol, color, look, text) {
  return { x, y, mode: "markers", marker: { symbol, size: 11, color, line: { width: 2, color: look.surface } },
    hovertemplate: text, cliponaxis: false };
}

/**
 * A name beside a mark, where the curve is not: it falls, so below it to the left and above it to the right are free.
 *
 * @param point [budget, error in %] of the mark
 * @param range ends of the budget's axis, log10
 * @param other a label that stands already
 */
function label([budget, y], text, color, [low, high], other = null) {
  const x = Math.log10(budget);
  const below = text === "chosen" && (x - low) / (high - low) > 0.2; // at the left edge there is no room on the left
  // Two names on the same side of neighbouring marks stand one above the other.
  const stacked = other && !below && other.xanchor === "left" && Math.abs(x - other.x) < 0.2 * (high - low);
  return { x, y, text, showarrow: false, xanchor: below ? "right" : "left", yanchor: below ? "top" : "bottom",
    xshift: below ? -7 : 7, yshift: below ? -4 : stacked ? 20 : 4, font: { color, size: 13 } };
}

/** Both plots have the same, so that their budgets stand in line; "now" at the right end needs its room. */
const margin = (answer, top) => ({ l: 56, r: answer.comparison ? 40 : 12, t: top, b: 44 });

/** Errors from the lowest, with room for a name below it, to the highest; none is above 100 %. */
function errorRange(steps, marks) {
  const all = [...steps.flatMap(({ error }) => [error.mean_low, error.mean_high, error.value]).map((e) => 100 * e),
    ...marks.map((one) => one.y)].filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = high - low || 1;
  return [Math.max(low - 0.12 * span, low < 0 ? low : 0), low < 100 ? Math.min(high + 0.05 * span, 100) : high];
}

function upright(answer, look, yref) {
  const x = answer.question.budget;
  return { type: "line", x0: x, x1: x, y0: 0, y1: 1, yref, line: { color: look.chosen, width: 1, dash: "dot" } };
}

function range(levels) {
  const [low, high] = [Math.log10(levels[0]), Math.log10(levels.at(-1))];
  const pad = (high - low) * 0.15;
  return [low - pad, high + pad];
}

/** At most `most` levels, no two so close that their labels touch. */
function spread(levels, most) {
  if (levels.length < 2) return levels;
  const room = Math.log(levels.at(-1) / levels[0]) / most;
  const kept = [levels[0]];
  for (const level of levels.slice(1, -1)) {
    if (Math.log(level / kept.at(-1)) >= room && Math.log(levels.at(-1) / level) >= room) kept.push(level);
  }
  return [...kept, levels.at(-1)];
}

function faded(hex, opacity) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  return `rgba(${r},${g},${b},${opacity})`;
}
