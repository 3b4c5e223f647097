// The data of the page, how numbers and names are written, and what all plots share.

const DATA = JSON.parse(document.getElementById("page-data").textContent);
const FACTORS = ["lm_params", "frames", "tokens_per_frame"];
const HEADS = {lm_params: "language model", frames: "frames", tokens_per_frame: "tokens per frame",
               data_size: "finetuning examples"};
const PLACE = {lm_params: 0, frames: 1, tokens_per_frame: 2, data_size: 3};
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x"];
const NONE = "–";
const WIDE = 95;
const BRIEF = 24;
const STACKED = new Set(["answer", "tasks"]);

// What is shown: task, data size of tables and single-size plots, data sizes of the other plots, choices of plots.
const state = {target: 0, size: DATA.sizes.length - 1, sizes: new Set(DATA.sizes.keys()), "path-kind": null, hold: 0,
               "task-budget": 0};

// ---- numbers and names -------------------------------------------------------------------------------------

// A number to some significant digits without trailing zeros, as the tables write it.
function plain(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(value)));
  if (power < -4 || power >= 7) return value.toExponential(digits - 1).replace("e+", "e");
  const text = value.toFixed(Math.min(Math.max(digits - 1 - power, 0), 12));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function scaled(value, scales) {
  for (const [size, letter] of scales) if (value >= size * (1 - 1e-12)) return plain(value / size) + letter;
  return plain(value);
}

const params = (value) => scaled(value, [[1e9, "B"], [1e6, "M"], [1e3, "k"]]);
const examples = (value) => scaled(value, [[1e9, "G"], [1e6, "M"], [1e3, "k"]]);
const factorText = (key, value) =>
  key === "lm_params" ? params(value) : key === "data_size" ? examples(value) : plain(value);
const cost = (value) => `${plain(value)} ${DATA.unit.shown}`;

// A value with its interval, to two digits of the half-width.
function interval(value, low, high) {
  if (value === null || value === undefined) return NONE;
  if (low === null || high === null) return plain(value);
  const half = (high - low) / 2;
  if (!(half > 1e-9)) return `${plain(value)} [${plain(low)}, ${plain(high)}]`;
  const places = Math.min(Math.max(1 - Math.floor(Math.log10(half) + 1e-12), 0), 6);
  return `${value.toFixed(places)} [${low.toFixed(places)}, ${high.toFixed(places)}]`;
}

function configuration(number) {
  const x = DATA.configurations[number];
  return `${params(x[0])} × ${plain(x[1])} × ${plain(x[2])}`;
}

// Text for Plotly, which reads tags and entities in it.
const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most = 28) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const sizeName = (i) => (DATA.sizes[i] === null ? "frontier" : `n = ${DATA.size_names[i]}`);
const shownSizes = () => [...state.sizes].sort((a, b) => a - b);
const frontier = () => DATA.frontier[state.target];
const evidence = () => DATA.evidence[state.target];

// ---- colours -----------------------------------------------------------------------------------------------

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const series = (i) => token(`--series-${(i % 7) + 1}`);

// The i-th of an ordered quantity with `count` values.
function ordered(i, count) {
  return token(`--seq-${count < 2 ? 2 : 1 + Math.round((4 * i) / (count - 1))}`);
}

function mix(one, two, share) {
  const parts = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  const [a, b] = [parts(one), parts(two)];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * share)).join(",")})`;
}

function faint(colour, alpha) {
  return `rgba(${[1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)).join(",")},${alpha})`;
}

const sizeStyle = (i) => ({colour: ordered(i, DATA.sizes.length), dash: DASHES[i % 6], mark: MARKS[i % 7]});

// ---- axes and layout ---------------------------------------------------------------------------------------

function axis(title, more = {}) {
  return {title: {text: title, standoff: 6, font: {size: 12}}, gridcolor: token("--grid"), linecolor: token("--axis"),
          tickcolor: token("--axis"), zeroline: false, ticks: "outside", ticklen: 4, showline: true, automargin: true,
          fixedrange: true, tickfont: {size: 11}, ...more};
}

function factorAxis(key, more = {}) {
  const of = DATA.axes[key];
  const room = 0.06 * Math.log10(of.high / of.low) || 0.1;
  return axis(of.label, {
    type: "log", tickmode: "array", tickvals: of.ticks, ticktext: of.ticks.map((v) => plain(v / of.scale, 3)),
    range: [Math.log10(of.low) - room, Math.log10(of.high) + room], ...more});
}

// Ticks of a log axis at 1, 2, 5 of every decade, or at fewer where there are many decades.
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const steps = decades > 3.2 ? [1] : decades > 2.2 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++)
    for (const s of steps) {
      const v = s * 10 ** p;
      if (v >= low * 0.999 && v <= high * 1.001) ticks.push(v);
    }
  if (ticks.length >= 2) return ticks;
  const gap = (high - low) / 3;
  return [0, 1, 2, 3].map((k) => Number((low + k * gap).toPrecision(2)));
}

function logAxis(title, low, high, more = {}) {
  const room = 0.04 * Math.log10(high / low) || 0.1;
  const ticks = logTicks(low, high);
  return axis(title, {type: "log", tickmode: "array", tickvals: ticks, ticktext: ticks.map((v) => plain(v, 3)),
                      range: [Math.log10(low) - room, Math.log10(high) + room], ...more});
}

const costAxis = (more = {}) =>
  logAxis(`inference budget (${DATA.unit.axis})`, Math.min(DATA.reach[0], ...DATA.budgets),
          Math.max(DATA.reach[1], ...DATA.budgets), more);

function span(values, share = 0.06) {
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const room = share * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - room, high + room];
}

// As `span`, for errors: none is above 100 %, however far a law beyond its runs goes.
function errorSpan(values, share = 0.06) {
  const [low, high] = span(values, share);
  return low < 100 ? [low, Math.min(high, 100)] : [low, high];
}

function layout(more = {}) {
  const {height = document.documentElement.classList.contains("printing") ? 250 : 300, margin = {}, ...rest} = more;
  return {
    height, showlegend: false, dragmode: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", margin: {l: 52, r: 12, t: 10, b: 44, ...margin},
    font: {family: token("--font-sans"), size: 12, color: token("--text")},
    hoverlabel: {bgcolor: token("--surface-2"), bordercolor: token("--border-strong"), align: "left", namelength: 0,
                 font: {family: token("--font-sans"), size: 12, color: token("--text")}},
    ...rest};
}

// A band between two curves; `steps` draws it as a staircase.
function band(x, low, high, colour) {
  return {type: "scatter", mode: "lines", x: [...x, ...x.slice().reverse()], y: [...high, ...low.slice().reverse()],
          fill: "toself", fillcolor: faint(colour, Number(token("--band-opacity"))), line: {width: 0},
          hoverinfo: "skip"};
}

// ---- elements ----------------------------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null) continue;
    if (key === "class") made.className = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const MARK_PATHS = {
  circle: "M16 6m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", square: "M12 2h8v8h-8z", "triangle-up": "M16 1l5 9h-10z",
  diamond: "M16 1l5 5-5 5-5-5z", "triangle-down": "M16 11l5-9h-10z", cross: "M14 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
  x: "M12 2l4 3 4-3 1 1-3 4 3 3-1 1-4-3-4 3-1-1 3-3-3-4z"};
const DASH_ARRAYS = {solid: "none", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3", longdash: "12 4",
                     longdashdot: "12 3 2 3"};

// A piece of line with its mark, as a legend shows it.
function swatch({colour, dash = null, mark = null, width = 2}) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of [["width", 32], ["height", 12], ["viewBox", "0 0 32 12"], ["aria-hidden", "true"]])
    svg.setAttribute(key, value);
  const add = (d, attributes) => {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    for (const [key, value] of Object.entries(attributes)) path.setAttribute(key, value);
    svg.append(path);
  };
  if (dash) add("M0 6H32", {stroke: colour, "stroke-width": width, "stroke-dasharray": DASH_ARRAYS[dash]});
  if (mark) add(MARK_PATHS[mark], {fill: colour});
  return svg;
}

// A table from {columns: [[header, words]], rows, notes}; the same markup as the tables made by Python.
function tableElement(table, caption, key = null) {
  const stacks = STACKED.has(key);
  const role = (name) => (stacks ? name : null);
  // Words so short that they need no second line stay on one.
  const kinds = table.columns.map(([, words], k) => !words ? null
    : table.rows.every((row) => [...row[k]].length <= BRIEF) ? "words brief" : "words");
  const cell = (text, k) => {
    const [head, words] = table.columns[k];
    const tag = k === 0 ? "th" : "td";
    const made = element(tag, {class: kinds[k], scope: tag === "th" ? "row" : null,
                               role: role(tag === "th" ? "rowheader" : "cell"), "data-head": role(head)});
    if (head === "how sure") made.append(element("span", {class: `sure ${text.split(/[ ,]/)[0]}`}, text));
    else if (words) made.append(element("bdi", {}, text));
    else made.append(text);
    return made;
  };
  const head = element("tr", {role: role("row")}, ...table.columns.map(([text], k) =>
    element("th", {scope: "col", class: kinds[k], role: role("columnheader")}, text)));
  const body = table.rows.map((row) => element("tr", {role: role("row")}, ...row.map(cell)));
  // As long in print as its longest cells and the longest words of its heads: what is wider gets smaller type.
  const length = table.columns.map(([head], k) => Math.max(...head.split(" ").map((word) => word.length),
    ...table.rows.map((row) => row[k].length))).reduce((a, b) => a + b, 0);
  return element("div", {class: `scroll${length > WIDE ? " wide" : ""}${stacks ? " stacks" : ""}`, role: "region",
                         tabindex: "0", "aria-label": caption},
    element("table", {role: role("table")}, element("caption", {}, caption),
            element("thead", {role: role("rowgroup")}, head), element("tbody", {role: role("rowgroup")}, ...body)));
}
