// The page: a question from the URL, controls that change it, an answer that follows.

import { asked, brief, refusal, risks, unfinished, verdict, whiskers } from "./answer.js";
import { Refused, get, newest, post } from "./api.js";
import * as cards from "./cards.js";
import { commands } from "./commands.js";
import { controls } from "./controls.js";
import { copy, el, put } from "./dom.js";
import * as doubts from "./doubts.js";
import { plots } from "./plots.js";
import { read, tidy, write } from "./state.js";
import { describe, fitting } from "./study.js";

const at = (id) => document.getElementById(id);
const SETTLE_MS = 250; // a state that stood this long goes into the URL
const GESTURE_MS = 1200; // moves of one control within this time are one step back
const BUSY_MS = 150; // an answer that takes longer dims the last one; a faster one never flickers
const PULSE_MS = 5000; // how often the server is asked whether the study changed
const RETRY_MS = 2000; // how soon a server that went away is tried again

const page = { study: null, question: {}, answer: null, showControls: null, showPlots: null,
  asking: false, lost: false, problem: null, replacing: false, doubts: [], before: "" };
const timers = { url: 0, busy: 0, spoken: 0, retry: 0, note: 0 };
const written = { control: null, at: 0 };

const ask = newest("recommend", { answered, failed });

// ── the question ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A control changed a part of the question. */
function change(patch, control) {
  page.question = tidy({ ...page.question, ...patch });
  doubts.moved(Object.keys(patch));
  page.showControls(page.question, ends());
  request();
  clearTimeout(timers.url);
  timers.url = setTimeout(() => remember(control), SETTLE_MS);
  timers.control = control;
  mark();
}

/** Whether what is shown, what was asked and what the address says are one: tests and scripts can wait for it. */
function mark() {
  document.body.dataset.settled = String(!page.asking && !timers.url);
}

function request() {
  ask(page.question);
  page.asking = true;
  mark();
  clearTimeout(timers.busy);
  timers.busy = setTimeout(() => at("answer").setAttribute("aria-busy", "true"), BUSY_MS);
}

/** Put the state into the URL: a new step back for a new gesture, the same step while one control keeps moving. */
function remember(control) {
  timers.url = 0;
  mark();
  const target = `?${write(page.question)}`;
  if (target === location.search) return;
  const same = written.control === control && performance.now() - written.at < GESTURE_MS;
  history[same ? "replaceState" : "pushState"](null, "", target);
  Object.assign(written, { control, at: performance.now() });
}

/** Whatever waits to go into the URL goes now. */
function settle() {
  if (!timers.url) return;
  clearTimeout(timers.url);
  remember(timers.control);
}

/** Ask what the address asks; what of it was not understood is said with the answer, after the text `before`. */
function visit(before = "") {
  clearTimeout(timers.url);
  timers.url = 0;
  written.control = null;
  const { question, ignored } = read(location.search);
  const { question: kept, dropped } = fitting(tidy({ ...defaults(question), ...question }), page.study);
  page.question = tidy(kept);
  page.showControls(page.question, ends());
  doubts.none();
  Object.assign(page, { doubts: [...ignored, ...dropped], before });
  request();
}

/** Say once what was not understood of a link, beside its control and in the notice. */
function doubt(answer) {
  if (!page.doubts.length) return;
  notice(`${page.before} ${doubts.tell(page.doubts, answer, page.study)}`.trim(), "warn");
  page.doubts = [];
}

/** What an address leaves open is as the study says, unless it asks for another cost, whose budget has other units. */
function defaults(question) {
  const own = { ...page.study.defaults };
  if (question.cost !== undefined && question.cost !== own.cost) {
    for (const name of ["budget", "gpu"]) delete own[name];
  }
  if (question.weights) delete own.task;
  return own;
}

/** The ends of the budget slider: of the last answer where it was about the same cost, else of the study. */
function ends() {
  const answer = page.answer;
  const cost = page.study.costs.find((one) => one.kind === page.question.cost) ?? page.study.costs[0];
  const same = answer && answer.question.cost === page.question.cost && answer.question.gpu === page.question.gpu;
  const range = same ? answer.budget_range : [cost.low, cost.high];
  if (range[0] === null) return { budget: null };
  const budget = page.question.budget ?? range[0];
  return { budget: [Math.min(range[0], budget), Math.max(range[1], budget)] };
}

// ── the answer ──────────────────────────────────────────────────────────────────────────────────────────────────────

function answered(answer, question, another) {
  if (page.lost) found();
  page.answer = answer;
  if (answer.data_hash !== page.study.hash) replaced().catch((fault) => lose(fault.message));
  if (!another) {
    // What was left open is now what the server took, so that the address says it.
    const { cost, budget, gpu, data_size, model, task } = answer.question;
    page.question = tidy({ cost, budget, gpu, data_size, model, task: page.question.weights ? undefined : task,
      ...page.question });
  }
  if (!another && !timers.url) {
    const full = `?${write(page.question)}`;
    if (full !== location.search) history.replaceState(null, "", full);
  }
  if (!another) calm();
  page.showControls(page.question, ends());
  at("answer").dataset.state = "answered";
  at("answer").dataset.for = write(question);
  at("answer-title").textContent = asked(answer, page.study);
  put(at("verdict"), verdict(answer), whiskers(answer), risks(answer));
  at("brief").textContent = brief(answer);
  at("more").hidden = false;
  cards.why(at("why"), answer);
  cards.comparison(at("comparison"), answer);
  cards.next(at("next"), answer, change);
  cards.ties(at("ties"), answer);
  cards.costs(at("costs"), answer);
  commands(at("commands"), answer, page.question);
  document.title = `${brief(answer)} – vidscale`;
  speak(brief(answer));
  if (!another) doubt(answer);
  curve();
}

function failed(fault, question, another) {
  if (fault instanceof Refused) {
    if (another) return;
    calm();
    if (page.lost) found();
    at("answer").dataset.state = "refused";
    at("answer").dataset.for = write(question);
    at("answer-title").textContent = "Best configuration";
    const unsaid = page.study.missing.filter((factor) => !question[factor]);
    put(at("verdict"), unsaid.length ? unfinished(unsaid) : refusal(fault.message, remedies()));
    at("more").hidden = true;
    for (const id of ["why", "comparison", "next", "ties", "costs", "commands"]) put(at(id));
    at("brief").textContent = "no answer for this question";
    document.title = "no answer – vidscale";
    doubt(null);
    return;
  }
  lose(fault.message);
}

/** Ways out of a refusal that the page knows. */
function remedies() {
  const first = el("button", { type: "button", onclick: () => {
    page.question = tidy({ ...defaults({}) });
    change({}, "reset");
  } }, "Back to the study's own question");
  const budget = el("button", { type: "button", onclick: () => change({ budget: undefined }, "reset-budget") },
    "Choose a budget for me");
  return page.question.budget === undefined ? [first] : [budget, first];
}

function calm() {
  page.asking = false;
  mark();
  clearTimeout(timers.busy);
  at("answer").setAttribute("aria-busy", "false");
}

function speak(text) {
  clearTimeout(timers.spoken);
  timers.spoken = setTimeout(() => { at("spoken").textContent = text; }, 700);
}

// ── the curve ───────────────────────────────────────────────────────────────────────────────────────────────────────

const curves = new Map();

/** The frontier over all budgets: asked again only when something else than the budget changed. */
async function curve() {
  const answer = page.answer;
  const { budget, current, ...rest } = page.question;
  const key = JSON.stringify([page.study.hash, rest]);
  page.wanted = key;
  const asking = curves.get(key) ?? post("staircase", rest);
  curves.set(key, asking);
  if (curves.size > 40) curves.delete(curves.keys().next().value);
  try {
    const found = await asking;
    if (page.wanted === key) page.showPlots(page.answer, found);
  } catch (fault) {
    curves.delete(key); // the answer above stands, and the next one tries again
    if (page.wanted === key) page.showPlots(answer, null, fault.message);
  }
}

// ── the server ──────────────────────────────────────────────────────────────────────────────────────────────────────

function notice(text, kind, stays = false) {
  const box = at("notice");
  clearTimeout(timers.note);
  box.hidden = false;
  box.className = `notice ${kind}`;
  put(box, el("p", {}, text), kind === "bad" ? null
    : el("button", { type: "button", class: "close", onclick: () => { box.hidden = true; } }, "Close"));
  if (!stays) timers.note = setTimeout(() => { box.hidden = true; }, 15000);
}

/** The server went away: say so, keep the last answer, try again until it is back. */
function lose(why) {
  calm();
  page.lost = true;
  document.body.dataset.server = "lost";
  const kept = page.answer ? " What stands below is the last answer and may not be for the question you set." : "";
  notice(`No connection: ${why}.${kept} Trying again every ${RETRY_MS / 1000} s.`, "bad", true);
  clearTimeout(timers.retry);
  timers.retry = setTimeout(retry, RETRY_MS);
}

async function retry() {
  try {
    if (page.study === null) await open();
    else if (changed(await get("study"))) await replaced();
    else request();
  } catch (fault) {
    lose(fault.message);
  }
}

/** Whether a study is another one than the page was drawn for; how often a server has read it tells nothing. */
function changed(said) {
  const bare = (one) => JSON.stringify({ ...one, provenance: { ...one.provenance, studies_read: 0 } });
  return bare(said) !== bare(page.study.said);
}

function found() {
  page.lost = false;
  delete document.body.dataset.server;
  clearTimeout(timers.retry);
  notice("Connected again; the answer is up to date.", "good");
}

/** Ask now and then whether the server is there and still serves this study. */
async function pulse() {
  if (!page.lost && page.study && document.visibilityState === "visible") {
    try {
      const health = await get("health");
      const { data_hash: hash, studies_read: read } = page.study.said.provenance;
      if (health.data_hash !== hash || health.studies_read !== read) {
        const said = await get("study");
        if (changed(said)) await replaced();
        else page.study.said = said;
      }
      if (health.problem !== page.problem && health.problem) {
        notice(`A newer study could not be read, so answers are from the last one that could: ${health.problem}.`,
          "warn", true);
      }
      page.problem = health.problem;
    } catch (fault) {
      if (!(fault instanceof Refused)) lose(fault.message);
    }
  }
  setTimeout(pulse, PULSE_MS);
}

/** Another study is served now: draw the page for it and ask the same question, as far as it can be asked. */
async function replaced() {
  if (page.replacing) return;
  page.replacing = true;
  try {
    const before = page.study.table;
    await draw();
    const name = page.study.table === before ? `The study ${before} was updated`
      : `Another study is served now: ${page.study.table}, before ${before}`;
    const said = `${name}. This page shows the new one.`;
    notice(said, "warn");
    visit(said);
  } finally {
    page.replacing = false;
  }
}

// ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────────

async function draw() {
  page.study = describe(await get("study"));
  const { study } = page;
  curves.clear();
  at("study-name").textContent = study.table;
  at("synthetic").hidden = !study.synthetic;
  page.showControls = controls(study, at("controls"), change);
  page.showPlots = plots(at("plots"), (budget) => change({ budget }, "plot"));
  provenance(study);
  at("share").disabled = false;
}

function provenance(study) {
  const said = study.provenance;
  put(at("provenance"), el("h2", { id: "provenance-title" }, "Where this comes from"), el("dl", {}, [
    ["study", study.table], ["law", `${study.form}: ${study.formula}`], ["data hash", said.data_hash],
    ["vidscale", `${said.version}, seed ${said.seed}`]].map(([name, value]) => [el("dt", {}, name),
      el("dd", {}, value)])),
    study.notes?.length ? el("ul", {}, study.notes.map((note) => el("li", {}, note))) : null);
}

async function open() {
  try {
    await draw();
  } catch (fault) {
    lose(fault.message);
    return;
  }
  if (page.lost) found();
  visit();
  pulse();
}

window.addEventListener("popstate", () => { if (page.study) visit(); });
at("controls").addEventListener("input", (event) => doubts.clear(event.target.id.replace(/-slider$/, "")));
at("controls").addEventListener("refused", (event) => {
  doubts.say(event.target.id, event.detail);
  speak(event.detail);
});
window.addEventListener("pagehide", settle);
at("share").addEventListener("click", () => { settle(); copy(at("share"), location.href); });
at("controls").addEventListener("submit", (event) => event.preventDefault());
new IntersectionObserver(([entry]) => { at("brief").hidden = entry.isIntersecting
  || !page.answer; }).observe(at("answer"));
open();
