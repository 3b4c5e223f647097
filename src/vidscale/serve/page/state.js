// A question is the state of the page, and the query string is the question: same names as the API's.

import { compact } from "./format.js";

const TEXTS = ["cost", "gpu", "model", "task", "predictor", "lattice"];
const NUMBERS = ["budget", "data_size", "batch", "output_tokens", "text_tokens", "price", "memory_limit_bytes", "level",
  "tolerance", "n_eval", "seed"];
const FACTORS = ["lm_params", "frames", "tokens_per_frame"];
/** What the API takes where a question is silent, whatever the study: saying it would only make addresses longer. */
const SILENT = { predictor: "point", lattice: "measured", level: 0.9, tolerance: 0.01, seed: 0 };
const TIMED = new Set(["ttft", "latency", "gpu-seconds", "dollars"]);
const BY_FORMULA = new Set(["flops", "lm-only"]);
/** Units that limits are written in. */
const LIMIT_UNITS = { ttft: "s", latency: "s", "gpu-seconds": "s", dollars: "usd", flops: "", "flops-exact": "" };
const LIMIT = /^([a-z-]+)\s*<=\s*\$?\s*([\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)$/i;
const LIMIT_SCALES = { "": 1, s: 1, ms: 1e-3, usd: 1, gb: 1e9, b: 1 };

/** Numbers below which nothing can be shown. */
const POSITIVE = new Set(["budget", "data_size", "price", "memory_limit_bytes"]);

/** The question that a query string asks; what it says badly is left out, and in `ignored` as { name, said }. */
export function read(query) {
  const given = new URLSearchParams(query);
  const question = {};
  const ignored = [];
  for (const name of NUMBERS) {
    if (!given.has(name)) continue;
    const value = Number(given.get(name));
    const fine = given.get(name).trim() !== "" && Number.isFinite(value) && (value > 0 || !POSITIVE.has(name));
    if (fine) question[name] = value;
    else ignored.push(bad(name, given.get(name)));
  }
  for (const name of TEXTS) if (given.get(name)) question[name] = given.get(name);
  for (const name of FACTORS) {
    if (!given.has(name)) continue;
    const values = given.getAll(name).flatMap((text) => text.split(",")).map(Number);
    if (values.every((value) => Number.isFinite(value) && value > 0)) question[name] = values;
    else ignored.push(bad(name, given.getAll(name).join(", ")));
  }
  for (const text of given.getAll("weight")) {
    const [name, value] = pair(text);
    if (name && Number.isFinite(value) && value >= 0) (question.weights ??= {})[name] = value;
    else ignored.push(bad("weight", text));
  }
  for (const text of given.getAll("limit")) limit(text, question, ignored);
  if (given.get("current")) current(given.get("current"), question, ignored);
  if (question.weights) delete question.task;
  return { question, ignored };
}

const bad = (name, text) => ({ name,
  said: `${name === "lm_params" ? "language models" : name.replaceAll("_", " ")} “${text.slice(0, 60)}”` });

// A task's name may hold an equal sign itself; the last one is ours.
function pair(text) {
  const cut = text.lastIndexOf("=");
  return [text.slice(0, Math.max(cut, 0)), Number(text.slice(cut + 1) || "x")];
}

function limit(text, question, ignored) {
  const found = LIMIT.exec(text.trim());
  const scale = found && LIMIT_SCALES[found[3].toLowerCase()];
  // 70 * 1e-3 is not 0.07 to the last bit; to 15 digits it is.
  const value = found && (scale === 1 ? Number(found[2]) : Number((Number(found[2]) * scale).toPrecision(15)));
  if (!(value > 0)) ignored.push(bad("limit", text));
  else if (found[1] === "memory") question.memory_limit_bytes = value;
  else (question.limits ??= {})[found[1]] = value;
}

function current(text, question, ignored) {
  const parts = Object.fromEntries(text.split(",").map(pair));
  const values = FACTORS.map((factor) => parts[factor]);
  if (values.every((value) => Number.isFinite(value) && value > 0)) {
    question.current = Object.fromEntries(FACTORS.map((factor, k) => [factor, values[k]]));
  } else ignored.push(bad("current", text));
}

/** The query string of a question, in one fixed order, so that equal states are equal addresses. */
export function write(question) {
  const out = new URLSearchParams();
  for (const name of ["cost", "budget", "gpu", ...NUMBERS.slice(1), ...TEXTS.slice(2)]) {
    const value = question[name];
    if (value === undefined || value === null || value === SILENT[name]) continue;
    out.set(name, typeof value === "number" ? compact(value) : value);
  }
  for (const name of FACTORS) for (const value of question[name] ?? []) out.append(name, compact(value));
  for (const [task, weight] of Object.entries(question.weights ?? {})) out.append("weight",
    `${task}=${compact(weight)}`);
  for (const [kind, value] of Object.entries(question.limits ?? {})) out.append("limit", bound(kind, value));
  if (question.current) out.set("current", factors(question.current));
  // Commas and equal signs inside values are legal in a query and easier to read unescaped.
  return out.toString().replaceAll("%2C", ",").replaceAll("%3D", "=");
}

/** "latency<=0.2s", as the API and the command line read it. */
export const bound = (kind, value) => `${kind}<=${compact(value)}${LIMIT_UNITS[kind] ?? ""}`;

/** "lm_params=7.5e9,frames=12,tokens_per_frame=36". */
export const factors = (at) => FACTORS.map((factor) => `${factor}=${compact(at[factor])}`).join(",");

/** What of a request's shape a question depends on; the rest is not asked, because it would change nothing. */
export function uses(question) {
  const limits = Object.keys(question.limits ?? {});
  const fits = Boolean(question.memory_limit_bytes || question.gpu);
  const shaped = !BY_FORMULA.has(question.cost) || fits || limits.some((kind) => !BY_FORMULA.has(kind));
  return { model: shaped, text_tokens: shaped, output_tokens: shaped,
    batch: fits || [question.cost, ...limits].some((kind) => TIMED.has(kind)),
    price: question.cost === "dollars" || limits.includes("dollars") };
}

/** A question without empty fields, without what the API would take anyway, and without what its cost does not use. */
export function tidy(question) {
  const used = uses(question);
  return Object.fromEntries(Object.entries(question).filter(([name, value]) => value !== undefined && value !== null
    && value !== SILENT[name] && used[name] !== false && !(typeof value === "object"
      && Object.keys(value).length === 0)));
}
