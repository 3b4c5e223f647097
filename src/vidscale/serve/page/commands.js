// Commands to copy: serve the choice, or ask the same question elsewhere.

import { inShort, sentence } from "./answer.js";
import { copyButton, el, prose, put } from "./dom.js";
import { compact } from "./format.js";
import { bound, factors, write } from "./state.js";

const NAMES = { vllm: "vLLM", sglang: "SGLang" };

/** The section with one block per engine, then the terminal and the API. */
export function commands(section, answer, question) {
  put(section, el("h2", { id: "commands-title" }, "Run it"), Object.entries(answer.commands ?? {})
    .map(([engine, said]) => {
    const name = NAMES[engine] ?? engine;
    return block(`${name} ${said.version}`, said.command, [
      said.servable ? null : el("p", { class: "needs" }, el("b", {}, `${name} does not serve exactly this as it is. `),
        prose(said.needs.map(sentence).join(" "))),
      said.request ? el("div", {}, el("p", { class: "detail" }, "A client sends along:"),
        el("pre", { tabindex: 0, "aria-label": `Request for ${name}` },
        el("code", {}, said.request))) : null,
      said.notes.length ? el("ul", {}, said.notes.map((note) => el("li", {}, prose(sentence(note))))) : null,
      ...(said.instead ? instead(name, said) : [])]);
  }), block("The same answer in a terminal", terminal(question), el("p", { class: "detail after" },
    "STUDY is the study's folder, its fit.json, or its table.")),
  block("The same answer for a program", `curl '${location.origin}/api/v1/recommend?${write(question)}'`));
}

/** What the engine serves as it is, where the choice takes work. */
function instead(name, said) {
  const title = `${name} ${said.version} as it is: ${inShort(said.instead)}`;
  return [el("div", { class: "command-head instead" }, el("h4", {}, title), copyButton("Copy",
    () => said.instead_command, { "aria-label": `Copy: ${title}` })),
  el("pre", { tabindex: 0, "aria-label": title }, el("code", {}, said.instead_command))];
}

function block(title, text, after = []) {
  return el("div", { class: "command" },
    el("div", { class: "command-head" }, el("h3", {}, title), text ? copyButton("Copy", () => text,
      { "aria-label": `Copy: ${title}` }) : null),
    text ? el("pre", { tabindex: 0, "aria-label": title }, el("code", {}, text)) : null, after);
}

const OPTIONS = [["cost", "--cost"], ["gpu", "--gpu"], ["model", "--model"], ["batch", "--batch"], ["text_tokens",
  "--text-tokens"],
  ["output_tokens", "--output-tokens"], ["price", "--price"], ["data_size", "--data-size"], ["task", "--task"],
    ["predictor", "--predictor"],
  ["lattice", "--lattice"], ["level", "--level"], ["tolerance", "--near"], ["n_eval", "--n-eval"], ["seed", "--seed"]];
const BUDGETS = { flops: "", "lm-only": "", "flops-exact": "", dollars: "usd" };

/** The question as a command line; what is left out of it is what the command takes by itself. */
export function terminal(question) {
  const parts = ["vidscale recommend STUDY", `--budget ${compact(question.budget)}${BUDGETS[question.cost] ?? "s"}`];
  const add = (option, value) => parts.push(`${option} ${quoted(typeof value === "number" ? compact(value) : value)}`);
  for (const [name, option] of OPTIONS) if (question[name] !== undefined) add(option, question[name]);
  for (const [task, weight] of Object.entries(question.weights ?? {})) add("--weight", `${task}=${compact(weight)}`);
  for (const factor of ["lm_params", "frames", "tokens_per_frame"]) {
    if (question[factor]) add("--allow", `${factor}=${question[factor].map(compact).join(",")}`);
  }
  if (question.memory_limit_bytes) add("--limit", `memory<=${memory(question.memory_limit_bytes)}`);
  for (const [kind, value] of Object.entries(question.limits ?? {})) add("--limit", bound(kind, value));
  if (question.current) add("--current", factors(question.current));
  return parts.join(" ");
}

function memory(bytes) {
  const gigabytes = Number((bytes / 1e9).toPrecision(12));
  return Number(`${gigabytes}e9`) === bytes ? `${compact(gigabytes)}GB` : `${compact(bytes)}b`;
}

const quoted = (text) => (/^[\w./:@=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
