// Drawing, controls, the look, and print.

const figures = [...document.querySelectorAll("figure[data-plot]")];
const drawn = new Set();

// ---- drawing -----------------------------------------------------------------------------------------------

function draw(figure) {
  const made = plots[figure.dataset.plot]();
  const place = figure.querySelector(".panels");
  const title = figure.querySelector("h3").textContent;
  while (place.children.length > made.panels.length) {
    Plotly.purge(place.lastElementChild.querySelector(".canvas"));
    place.lastElementChild.remove();
  }
  while (place.children.length < made.panels.length)
    place.append(element("div", {class: "panel"}, element("p", {class: "panel-title"}),
                         element("div", {class: "canvas", role: "img"}), element("ul", {class: "legend"})));
  legend(figure.querySelector(":scope > .keep > .legend"), made.legend);
  if (made.says) says(figure, made.says);
  table(figure, made.table, title);
  made.panels.forEach((panel, k) => {
    const [head, canvas, own] = place.children[k].children;
    head.textContent = panel.title ?? "";
    head.hidden = !panel.title;
    canvas.setAttribute("aria-label", `Plot: ${title}${panel.title ? `, ${panel.title}` : ""}. ` +
      "Its numbers are in the table below it.");
    legend(own, panel.legend);
    const width = Math.floor(canvas.clientWidth);
    panel.layout.width = width;
    Plotly.react(canvas, panel.data, panel.layout, {displayModeBar: false, responsive: false});
  });
  drawn.add(figure);
}

function legend(list, entries) {
  if (!list) return;
  list.hidden = !entries?.length;
  const kept = document.activeElement?.dataset?.toggles;
  list.replaceChildren(...(entries ?? []).map((entry) => {
    const inside = [swatch(entry), element("bdi", {}, entry.name)];
    if (entry.toggles === undefined) return element("li", {}, ...inside);
    const button = element("button", {type: "button", "aria-pressed": String(state.sizes.has(entry.toggles)),
                                      "data-toggles": entry.toggles}, ...inside);
    button.addEventListener("click", () => toggleSize(entry.toggles, list));
    return element("li", {}, button);
  }));
  if (kept !== undefined && list.dataset.focus) list.querySelector(`[data-toggles="${kept}"]`)?.focus();
  delete list.dataset.focus;
}

function toggleSize(i, list) {
  if (state.sizes.has(i)) state.sizes.delete(i);
  else state.sizes.add(i);
  if (!state.sizes.size) state.sizes.add(i);
  list.dataset.focus = "1";
  redraw(["paths", "error", "worth"]);
}

function says(figure, text) {
  let line = figure.querySelector(".made");
  if (!line) {
    line = element("p", {class: "made"});
    figure.querySelector(".says").after(line);
  }
  line.textContent = text;
}

function table(figure, made, title) {
  const place = figure.querySelector(".numbers-table");
  place.replaceChildren(tableElement(made, `${title}: the numbers${DATA.targets.length > 1
    ? `, ${DATA.targets[state.target]}` : ""}`));
  if (made.rows.length > 40)
    place.append(element("p", {class: "too-long"}, `The first 40 of ${made.rows.length} rows; all are in the files ` +
      "beside this page."));
}

function redraw(names = null) {
  for (const figure of figures)
    if (drawn.has(figure) && (names === null || names.includes(figure.dataset.plot))) draw(figure);
}

// Plots in view first, the others when there is time: the page answers at once.
function drawLater() {
  const next = figures.find((figure) => !drawn.has(figure));
  if (!next) {
    document.documentElement.dataset.ready = "all";
    performance.mark("vidscale-all");
    return;
  }
  draw(next);
  (window.requestIdleCallback ?? setTimeout)(drawLater);
}

// ---- controls ----------------------------------------------------------------------------------------------

function showTables() {
  const {target, size} = state;
  const found = DATA.tables;
  const pick = (key) => {
    const all = found[key];
    if (!all) return null;
    if (key === "tasks") return all[state["task-budget"]][size];
    return Array.isArray(all[target]) ? all[target][size] : all[target];
  };
  for (const key of Object.keys(found)) {
    const place = document.getElementById(`table-${key}`);
    const made = pick(key);
    if (!place || !made) continue;
    const caption = place.querySelector("caption").textContent;
    place.querySelector(".scroll").replaceWith(tableElement(made, caption, key));
    const notes = place.querySelector(".table-notes");
    if (notes.children.length) notes.replaceChildren(element("ul", {class: "notes"},
      ...made.notes.map((note) => element("li", {}, note))));
  }
  for (const each of document.querySelectorAll(".the-target")) each.textContent = DATA.target_words[target];
  for (const each of document.querySelectorAll(".the-size")) each.textContent = DATA.size_names[size];
}

function showHolds() {
  const select = document.getElementById("hold");
  if (!select) return;
  select.replaceChildren(...evidence().contours.map((hold, i) => element("option", {value: i},
    `the choice at ${hold.budget}: ${hold.held.join(" × ")}`)));
  state.hold = 0;
}

function chosen(key, value) {
  state[key] = key === "path-kind" ? value : Number(value);
  if (key === "target") showHolds();
  if (["target", "size", "task-budget"].includes(key)) showTables();
  if (key === "target") redraw();
  if (key === "size") redraw(["gain", "policies"]);
  if (key === "path-kind") redraw(["paths"]);
  if (key === "hold") redraw(["contours"]);
}

for (const select of document.querySelectorAll("select[data-choice]")) {
  state[select.dataset.choice] = Number(select.value);
  select.addEventListener("change", () => chosen(select.dataset.choice, select.value));
}
for (const set of document.querySelectorAll("fieldset[data-choice]")) {
  const key = set.dataset.choice;
  const value = set.querySelector("input:checked").value;
  state[key] = key === "path-kind" ? value : Number(value);
  set.addEventListener("change", (event) => chosen(key, event.target.value));
}

// ---- the look ----------------------------------------------------------------------------------------------

const THEMES = ["system", "light", "dark"];
const button = document.getElementById("theme");

function remembered() {
  try { return localStorage.getItem("vidscale-theme"); } catch { return null; }
}

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.textContent = `Theme: ${theme}`;
  try { localStorage.setItem("vidscale-theme", theme); } catch { /* a page from disk may have no storage */ }
  redraw();
}

let theme = THEMES.includes(remembered()) ? remembered() : "system";
if (theme !== "system") setTheme(theme);
button.addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % 3];
  setTheme(theme);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
document.getElementById("print").addEventListener("click", () => window.print());

let waiting = null, wide = document.documentElement.clientWidth;
window.addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (document.documentElement.clientWidth === wide || printing) return;
    wide = document.documentElement.clientWidth;
    redraw();
  }, 120);
});

// ---- print -------------------------------------------------------------------------------------------------

// Paper is light and narrow: everything is drawn for it, opened, and put back afterwards.
let printing = null;
window.addEventListener("beforeprint", () => {
  if (printing) return;
  printing = {theme: document.documentElement.dataset.theme,
              open: [...document.querySelectorAll("details:not([open])")]};
  document.documentElement.dataset.theme = "light";
  document.documentElement.classList.add("printing");
  for (const each of printing.open) each.open = true;
  for (const figure of figures) draw(figure);
});
window.addEventListener("afterprint", () => {
  if (!printing) return;
  for (const each of printing.open) each.open = false;
  document.documentElement.classList.remove("printing");
  if (printing.theme === undefined) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = printing.theme;
  printing = null;
  for (const figure of figures) draw(figure);
});

// ---- go ----------------------------------------------------------------------------------------------------

for (const figure of figures) if (figure.getBoundingClientRect().top < innerHeight) draw(figure);
document.documentElement.dataset.ready = "view";
performance.mark("vidscale-view");
(window.requestIdleCallback ?? setTimeout)(drawLater);
