// Plots of the answer: the path of the optimum, its error, the gain over naive allocation.
//
// A plot returns {panels: [{title, data, layout, legend}], legend, table, says}; start.js draws it.

const plots = {};

const sizeLegend = () => DATA.sizes.length < 2 ? [] : [...DATA.sizes.keys()].map((i) => {
  const style = sizeStyle(i);
  return {name: sizeName(i), toggles: i, colour: style.colour, dash: style.dash, mark: style.mark};
});

const freeFactors = () => FACTORS.filter((key) => DATA.axes[key].varies);

function pointText(point, size) {
  const [error, low, high, newLow, newHigh] = point.error;
  const ties = point.tie_count ? `<br>${point.tie_count} near-tie${point.tie_count > 1 ? "s" : ""}, such as ` +
    point.ties.slice(0, 2).map(configuration).join(" and ") : "";
  return `<b>${configuration(point.c)}</b>${DATA.sizes[size] === null ? "" : `, ${sizeName(size)}`}` +
    `<br>budget ${cost(point.budget)}, it costs ${plain(point.cost)}` +
    `<br>error ${interval(error, low, high)} %<br>new measurement ${interval(error, newLow, newHigh)} %` +
    `<br>best in ${percentOf(point.best)} % of draws${ties}`;
}

function percentOf(share) {
  const text = (100 * share).toFixed(0);
  return {100: ">99", 0: "<1"}[text] ?? text;
}

// ---- paths -------------------------------------------------------------------------------------------------

plots.paths = () => {
  const free = state["path-kind"] === "free" && frontier().path !== null;
  const panels = freeFactors().map((key) => {
    const data = [];
    for (const i of shownSizes()) data.push(...(free ? freePath(key, i) : stepPath(key, i)));
    return {title: DATA.axes[key].label, data,
            layout: layout({xaxis: costAxis(), yaxis: factorAxis(key, {title: {text: ""}})})};
  });
  return {panels, legend: sizeLegend(), table: pathTable()};
};

function freePath(key, i) {
  const path = frontier().path;
  const k = path.factors.indexOf(key);
  const style = sizeStyle(i);
  const [x, low, high] = [path.x[i][k], path.low[i][k], path.high[i][k]];
  const points = frontier().points[i].filter((p) => p.free);
  const text = x.map((v, b) => `${sizeName(i)}, ${cost(DATA.curve[b])}<br><b>${factorText(key, v)}</b> ` +
    `[${factorText(key, low[b])}, ${factorText(key, high[b])}]`);
  return [band(DATA.curve, low, high, style.colour),
    {type: "scatter", mode: "lines", x: DATA.curve, y: x, text, hoverinfo: "text",
     line: {color: style.colour, dash: style.dash, width: 2}},
    {type: "scatter", mode: "markers", x: points.map((p) => p.budget), y: points.map((p) => p.free[PLACE[key]]),
     hoverinfo: "skip", marker: {symbol: style.mark, size: 7, color: style.colour}}];
}

function stepPath(key, i) {
  const style = sizeStyle(i);
  const steps = frontier().steps[i];
  const points = frontier().points[i];
  const of = (c) => DATA.configurations[c][PLACE[key]];
  const end = Math.max(DATA.reach[1], ...DATA.budgets);
  const ties = points.flatMap((p) => p.ties.filter((c) => of(c) !== of(p.c)).map((c) => [p.budget, of(c), c]));
  return [
    {type: "scatter", mode: "lines", x: [...steps.map((s) => s[0]), end],
     y: [...steps, steps.at(-1)].map((s) => of(s[1])), hoverinfo: "text",
     text: [...steps, steps.at(-1)].map((s) => `from ${cost(s[0])}, ${sizeName(i)}<br><b>${configuration(s[1])}</b>`),
     line: {color: style.colour, dash: style.dash, width: 2 + 0.8 * (DATA.sizes.length - 1 - i), shape: "hv"}},
    {type: "scatter", mode: "markers", x: ties.map((t) => t[0]), y: ties.map((t) => t[1]), hoverinfo: "text",
     text: ties.map((t) => `near-tie at ${cost(t[0])}, ${sizeName(i)}<br><b>${configuration(t[2])}</b>`),
     marker: {symbol: "circle-open", size: 9, color: style.colour, line: {width: 1.5}}},
    {type: "scatter", mode: "markers", x: points.map((p) => p.budget), y: points.map((p) => of(p.c)),
     text: points.map((p) => pointText(p, i)), hoverinfo: "text",
     marker: {symbol: style.mark, size: 8, color: style.colour}}];
}

function pathTable() {
  const sized = DATA.sizes[0] !== null;
  const free = frontier().path !== null;
  const columns = [...(sized ? [["data size", 0]] : []), [`budget (${DATA.unit.shown})`, 0],
    ...FACTORS.map((key) => [HEADS[key], 0]), ...(free ? freeFactors().map((key) => [`${HEADS[key]}, continuous`, 0])
      : [])];
  const rows = [];
  for (const i of DATA.sizes.keys())
    for (const p of frontier().points[i]) {
      const x = DATA.configurations[p.c];
      rows.push([...(sized ? [DATA.size_names[i]] : []), plain(p.budget), ...FACTORS.map((key, k) =>
        factorText(key, x[k])), ...(free ? freeFactors().map((key) => freeText(p, key, i)) : [])]);
    }
  return {columns, rows};
}

// The continuous optimum at a budget of the study with its band, where the curve has that budget.
function freeText(point, key, i) {
  if (!point.free) return NONE;
  const path = frontier().path;
  const [b, k] = [DATA.curve.indexOf(point.budget), path.factors.indexOf(key)];
  const value = factorText(key, point.free[PLACE[key]]);
  return b < 0 ? value : `${value} [${factorText(key, path.low[i][k][b])}, ${factorText(key, path.high[i][k][b])}]`;
}

// ---- error -------------------------------------------------------------------------------------------------

plots.error = () => {
  const end = Math.max(DATA.reach[1], ...DATA.budgets);
  const data = [];
  const seen = [];
  for (const i of shownSizes()) {
    const style = sizeStyle(i);
    const steps = frontier().steps[i];
    const x = [], stair = [[], [], []];
    steps.forEach((step, s) => {
      x.push(step[0], s + 1 < steps.length ? steps[s + 1][0] : end);
      [0, 1, 2].forEach((k) => stair[k].push(step[2 + k], step[2 + k]));
    });
    const points = frontier().points[i];
    data.push(band(x, stair[1], stair[2], style.colour),
      {type: "scatter", mode: "lines", x, y: stair[0], hoverinfo: "skip",
       line: {color: style.colour, dash: style.dash, width: 2}},
      {type: "scatter", mode: "markers", x: points.map((p) => p.budget), y: points.map((p) => p.error[0]),
       text: points.map((p) => pointText(p, i)), hoverinfo: "text",
       marker: {symbol: style.mark, size: 8, color: style.colour}});
    seen.push(...stair[0], ...stair[1], ...stair[2]);
  }
  const table = {columns: [...(DATA.sizes[0] === null ? [] : [["data size", 0]]), [`budget (${DATA.unit.shown})`, 0],
    ["configuration", 1], [`error, ${DATA.level} interval of the true mean (%)`, 0],
    [`${DATA.level} interval of a new measurement (%)`, 0], ["best in (% of draws)", 0], ["near-ties", 0]], rows: []};
  for (const i of DATA.sizes.keys())
    for (const p of frontier().points[i]) {
      const [e, low, high, newLow, newHigh] = p.error;
      table.rows.push([...(DATA.sizes[i] === null ? [] : [DATA.size_names[i]]), plain(p.budget), configuration(p.c),
        interval(e, low, high), interval(e, newLow, newHigh).replace(/^\S+ /, ""), percentOf(p.best),
        String(p.tie_count)]);
    }
  return {panels: [{data, layout: layout({height: 360, xaxis: costAxis(),
    yaxis: axis("predicted task error (%)", {range: errorSpan(seen.length ? seen : [0, 1])})})}], legend: sizeLegend(),
    table};
};

// ---- value of compute --------------------------------------------------------------------------------------

plots.worth = () => {
  const {worth} = frontier().path;
  const known = worth.flat().map((w) => w[0]).filter((v) => v > 0);
  // Near the end of a path the value falls to nothing within a step: three decades tell the story.
  const top = Math.max(...worth.flat().map((w) => w[2] ?? 0), 1e-6);
  const floor = Math.max(Math.min(...known, top / 2), top / 1000);
  const data = [];
  for (const i of shownSizes()) {
    const style = sizeStyle(i);
    const kept = [...DATA.curve.keys()].filter((b) => worth[i][b][0] >= floor);
    const text = kept.map((b) => `${sizeName(i)}, ${cost(DATA.curve[b])}<br>1 % more budget: <b>` +
      `${plain(worth[i][b][0], 3)} %</b> less error<br>[${plain(worth[i][b][1], 3)}, ${plain(worth[i][b][2], 3)}]`);
    data.push(band(kept.map((b) => DATA.curve[b]), kept.map((b) => Math.max(worth[i][b][1], floor)),
                   kept.map((b) => worth[i][b][2]), style.colour),
      {type: "scatter", mode: "lines+markers", x: kept.map((b) => DATA.curve[b]), y: kept.map((b) => worth[i][b][0]),
       text, hoverinfo: "text", line: {color: style.colour, dash: style.dash, width: 2},
       marker: {symbol: style.mark, size: 6, color: style.colour}});
  }
  const at = DATA.budgets.map((budget) => DATA.curve.indexOf(budget));
  return {panels: [{data, layout: layout({height: 320, xaxis: costAxis(),
    yaxis: logAxis("% of error per % of budget", floor, top)})}], legend: sizeLegend(),
    table: {columns: [...(DATA.sizes[0] === null ? [] : [["data size", 0]]), ["budget", 0],
                      [`value of compute, ${DATA.level} interval`, 0]],
            rows: [...DATA.sizes.keys()].flatMap((i) => at.map((b, k) => [
              ...(DATA.sizes[i] === null ? [] : [DATA.size_names[i]]), cost(DATA.budgets[k]),
              b < 0 ? NONE
                : `${plain(worth[i][b][0], 3)} [${plain(worth[i][b][1], 3)}, ${plain(worth[i][b][2], 3)}]`]))}};
};

// ---- naive policies ----------------------------------------------------------------------------------------

const policies = () => frontier().policies[state.size];

plots.gain = () => {
  const rows = policies().filter((p) => p.mean[0] !== null);
  const names = rows.map((p) => p.policy);
  const value = rows.map((p) => p.mean[0]);
  const data = [{
    type: "scatter", mode: "markers", x: value, y: names, hoverinfo: "text",
    text: rows.map((p) => `<b>${interval(...p.mean)} %</b> more accurate than<br>${safe(p.policy)}`),
    marker: {size: 10, color: token("--series-1")},
    error_x: {type: "data", symmetric: false, array: rows.map((p) => (p.mean[2] ?? p.mean[0]) - p.mean[0]),
              arrayminus: rows.map((p) => p.mean[0] - (p.mean[1] ?? p.mean[0])), thickness: 2, width: 5,
              color: token("--series-1")}}];
  const ends = rows.flatMap((p) => p.mean);
  return {panels: [{title: DATA.sizes[0] === null ? "" : sizeName(state.size), data, layout: layout({
    height: 90 + 34 * Math.max(names.length, 1),
    xaxis: axis("relative gain in accuracy (%)",
                {range: span([0, ...ends]), zeroline: true, zerolinecolor: token("--axis"), zerolinewidth: 1}),
    yaxis: axis("", {type: "category", autorange: "reversed", showgrid: true})})}],
    table: {columns: [["policy", 1], [`gain, mean over budgets, ${DATA.level} interval (%)`, 0],
                      ...DATA.budgets.map((b) => [`at ${cost(b)} (%)`, 0])],
            rows: policies().map((p) => [p.policy, interval(...p.mean), ...p.gain.map((g) => interval(...g))])}};
};

plots.policies = () => {
  const points = frontier().points[state.size];
  const budgets = points.map((p) => p.budget);
  const data = policies().map((p, k) => ({
    type: "scatter", mode: "lines+markers", x: budgets, y: p.error, hoverinfo: "text",
    text: p.error.map((e, b) => e === null ? "" : `<b>${safe(p.policy)}</b>, ${cost(budgets[b])}` +
      `<br>${configuration(p.c[b])}<br>error ${plain(e)} %<br>` +
      `the frontier is ${interval(...p.gain[b])} % more accurate`),
    line: {color: series(k), dash: DASHES[(k % 5) + 1], width: 1.6},
    marker: {symbol: MARKS[k % 7], size: 7, color: series(k)}}));
  data.push({type: "scatter", mode: "lines+markers", x: budgets, y: points.map((p) => p.error[0]), hoverinfo: "text",
    text: points.map((p) => pointText(p, state.size)), line: {color: token("--text"), width: 4},
    marker: {size: 7, color: token("--text")}});
  const legend = policies().map((p, k) => ({name: p.policy, colour: series(k), dash: DASHES[(k % 5) + 1],
                                            mark: MARKS[k % 7]}));
  legend.push({name: "frontier", colour: token("--text"), dash: "solid", width: 4});
  return {panels: [{title: DATA.sizes[0] === null ? "" : sizeName(state.size), data,
    layout: layout({height: 360, xaxis: costAxis(),
      yaxis: axis("predicted task error (%)", {range: errorSpan(data.flatMap((d) => d.y))})})}], legend,
    table: {columns: [["policy", 1], ...budgets.map((b) => [`error at ${cost(b)} (%)`, 0])],
            rows: [["frontier", ...points.map((p) => interval(...p.error.slice(0, 3)))],
                   ...policies().map((p) => [p.policy, ...p.error.map((e) => plain(e))])]}};
};
