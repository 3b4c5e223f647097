// Plots of what the answer rests on: runs, curves of the law, contours, elasticities, forms.

const measured = (run) => evidence().fitted[run][0];
const runText = (run) => {
  const x = DATA.runs[run];
  const size = DATA.factors.includes("data_size") ? `, n = ${examples(x[3])}` : "";
  return `${params(x[0])} × ${plain(x[1])} × ${plain(x[2])}${size}`;
};

// ---- fitted against measured -------------------------------------------------------------------------------

plots.fitted = () => {
  const fitted = evidence().fitted;
  const kinds = [...new Set(DATA.sweeps)].sort((a, b) => (a !== "star") - (b !== "star") || (a < b ? -1 : 1));
  const present = [...fitted.keys()].filter((run) => fitted[run][0] !== null);
  const ends = span(present.flatMap((run) => fitted[run].slice(0, 2)));
  const data = [{type: "scatter", mode: "lines", x: ends, y: ends, hoverinfo: "skip",
                 line: {color: token("--neutral-mark"), width: 1}}];
  const hit = present.filter((run) => fitted[run][0] >= fitted[run][2] && fitted[run][0] <= fitted[run][3]).length;
  const squares = present.map((run) => (fitted[run][0] - fitted[run][1]) ** 2);
  const rmse = Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length);
  kinds.forEach((kind, k) => {
    const mine = present.filter((run) => DATA.sweeps[run] === kind);
    data.push({type: "scatter", mode: "markers", x: mine.map((run) => fitted[run][0]),
      y: mine.map((run) => fitted[run][1]), hoverinfo: "text",
      text: mine.map((run) => `<b>${runText(run)}</b>, ${safe(kind)}<br>measured ${plain(fitted[run][0])} %` +
        `<br>law ${interval(...fitted[run].slice(1))} %`),
      marker: {symbol: MARKS[k % 7], size: present.length < 400 ? 8 : 4, color: series(k), opacity: 0.85,
               line: {width: 0.5, color: token("--bg")}},
    });
  });
  const legend = kinds.map((kind, k) => ({name: kind === "runs" ? kind : `sweep ${kind}`, colour: series(k),
                                          mark: MARKS[k % 7]}));
  legend.push({name: "fitted = measured", colour: token("--neutral-mark"), dash: "solid", width: 1});
  const apart = kinds.map((kind, k) => {
    const mine = present.filter((run) => DATA.sweeps[run] === kind);
    return {type: "scatter", mode: "markers", x: mine.map((run) => fitted[run][1]), hoverinfo: "text",
      y: mine.map((run) => fitted[run][0] - fitted[run][1]),
      text: mine.map((run) => `<b>${runText(run)}</b><br>measured − law ${plain(fitted[run][0] - fitted[run][1], 2)}` +
        ` points<br>expected within [${plain(fitted[run][2] - fitted[run][1], 2)}, ` +
        `${plain(fitted[run][3] - fitted[run][1], 2)}]`),
      marker: {symbol: MARKS[k % 7], size: present.length < 400 ? 8 : 4, color: series(k), opacity: 0.85,
               line: {width: 0.5, color: token("--bg")}}};
  });
  // The bars hang at zero, where the law is: a mark beyond its bar surprises.
  const bars = {type: "scatter", mode: "markers", x: present.map((run) => fitted[run][1]), y: present.map(() => 0),
    hoverinfo: "skip", marker: {size: 1, color: token("--neutral-mark")},
    error_y: {type: "data", symmetric: false, thickness: 1.5, width: 0, color: faint(token("--neutral-mark"), 0.45),
              array: present.map((run) => fitted[run][3] - fitted[run][1]),
              arrayminus: present.map((run) => fitted[run][1] - fitted[run][2])}};
  const off = present.flatMap((run) => [fitted[run][0], fitted[run][2], fitted[run][3]].map((v) => v - fitted[run][1]));
  return {
    panels: [
      {title: "law against measured", data, layout: layout({height: 380,
        xaxis: axis("measured error (%)", {range: ends}), yaxis: axis("error by the law (%)", {range: ends})})},
      {title: "measured − law", data: [bars, ...apart], layout: layout({height: 380,
        xaxis: axis("error by the law (%)"), yaxis: axis("percentage points", {range: span(off), zeroline: true,
          zerolinecolor: token("--axis"), zerolinewidth: 1})})}],
    legend, says: `Root mean square of the differences: ${plain(rmse, 2)} percentage points; ${hit} of ` +
      `${present.length} runs lie in their ${DATA.level} interval for a new measurement.`,
    table: {columns: [["run", 1], ["sweep", 1], ["measured (%)", 0],
                      [`law, ${DATA.level} interval of a new measurement (%)`, 0]],
            rows: present.map((run) => [runText(run), DATA.sweeps[run], plain(fitted[run][0]),
                                        interval(...fitted[run].slice(1))])}};
};

// ---- one factor at a time ----------------------------------------------------------------------------------

plots.lines = () => {
  const rows = [];
  const panels = evidence().lines.map(({factor, held, lines}) => {
    const data = [];
    const seen = lines.flatMap((line) => [...line.low, ...line.high, ...line.runs.map(measured)]);
    const legend = lines.map((line, k) => {
      const style = {colour: ordered(k, lines.length), dash: DASHES[k % 6], mark: MARKS[k % 7]};
      data.push(band(line.x, line.low, line.high, style.colour),
        {type: "scatter", mode: "lines", x: line.x, y: line.error, hoverinfo: "skip",
         line: {color: style.colour, dash: style.dash, width: 1.8}},
        {type: "scatter", mode: "markers", x: line.runs.map((run) => DATA.runs[run][PLACE[factor]]),
         y: line.runs.map(measured), hoverinfo: "text",
         text: line.runs.map((run) => `<b>${runText(run)}</b><br>measured ${plain(measured(run))} %` +
           `<br>law ${plain(evidence().fitted[run][1])} %`),
         marker: {symbol: style.mark, size: 8, color: style.colour}});
      for (const run of line.runs)
        rows.push([HEADS[factor], line.name, factorText(factor, DATA.runs[run][PLACE[factor]]), plain(measured(run)),
                   interval(...evidence().fitted[run].slice(1))]);
      return {name: line.name, ...style};
    });
    return {title: held ? `${HEADS[factor]}, ${held}` : HEADS[factor], data, legend, layout: layout({
      xaxis: factorAxis(factor), yaxis: axis("task error (%)", {range: errorSpan(seen)})})};
  });
  return {panels, table: {columns: [["factor", 1], ["line", 1], ["value", 0], ["measured (%)", 0],
                                    [`law, ${DATA.level} interval of a new measurement (%)`, 0]], rows}};
};

// ---- isoFLOP -----------------------------------------------------------------------------------------------

plots.isoflop = () => {
  const groups = DATA.groups;
  const legend = groups.map((group, g) => ({name: group.name, colour: ordered(g, groups.length), dash: DASHES[g % 6],
                                            mark: MARKS[g % 7]}));
  const all = groups.flatMap((group) => group.runs.map(measured));
  const panels = evidence().isoflop.map(({factor, x, least}) => {
    const data = [];
    groups.forEach((group, g) => {
      const {colour, dash, mark} = legend[g];
      const at = (run) => DATA.runs[run][PLACE[factor]];
      const best = (run) => group.runs.every((other) => at(other) !== at(run) || measured(run) <= measured(other)
        || measured(other) === null);
      data.push({type: "scatter", mode: "lines", x, y: least[g], hoverinfo: "skip",
                 line: {color: colour, dash, width: 1.8}});
      for (const strong of [false, true]) {
        const mine = group.runs.filter((run) => measured(run) !== null && best(run) === strong);
        data.push({type: "scatter", mode: "markers", x: mine.map((run) => at(run) *
            (1 + 0.035 * (g - (groups.length - 1) / 2))), y: mine.map(measured), hoverinfo: "text",
          text: mine.map((run) => `<b>${runText(run)}</b><br>about ${group.name}<br>` +
            `measured ${plain(measured(run))} %`),
          marker: {symbol: mark, size: strong ? 9 : 6, color: colour, opacity: strong ? 1 : 0.4,
                   line: {width: strong ? 1 : 0, color: token("--bg")}}});
      }
    });
    return {title: HEADS[factor], data, layout: layout({xaxis: factorAxis(factor),
      yaxis: axis("task error (%)", {range: errorSpan(all, 0.1)})})};
  });
  return {panels, legend, table: {columns: [["about", 0], ["run", 1], ["measured (%)", 0],
                                            [`law, ${DATA.level} interval of a new measurement (%)`, 0]],
    rows: groups.flatMap((group) => group.runs.filter((run) => measured(run) !== null).map((run) =>
      [group.name, runText(run), plain(measured(run)), interval(...evidence().fitted[run].slice(1))]))}};
};

// ---- contours ----------------------------------------------------------------------------------------------

plots.contours = () => {
  const hold = evidence().contours[Math.min(state.hold, evidence().contours.length - 1)];
  const [paper, ink] = [token("--bg"), token("--series-1")];
  const rows = [];
  const panels = DATA.pairs.map(([a, b], k) => {
    const {x, y, z, low, high} = hold.plots[k];
    const text = z.map((row, i) => row.map((v, j) => `${HEADS[a]} ${factorText(a, x[j])}<br>${HEADS[b]} ` +
      `${factorText(b, y[i])}<br><b>error ${interval(v, low[i][j], high[i][j])} %</b>`));
    const seen = new Map();
    for (const run of DATA.runs) {
      const at = `${run[PLACE[a]]} ${run[PLACE[b]]}`;
      seen.set(at, [run[PLACE[a]], run[PLACE[b]], (seen.get(at)?.[2] ?? 0) + 1]);
    }
    const spots = [...seen.values()];
    for (const i of [0, 8, 16]) for (const j of [0, 8, 16])
      rows.push([`${HEADS[a]} ${factorText(a, x[j])}`, `${HEADS[b]} ${factorText(b, y[i])}`,
                 interval(z[i][j], low[i][j], high[i][j])]);
    return {title: HEADS[b], data: [
      {type: "contour", x, y, z, text, hoverinfo: "text", showscale: false, ncontours: 11, line: {width: 1.2,
        color: token("--axis")}, contours: {coloring: "heatmap", showlabels: true,
        labelfont: {size: 11, color: token("--text")}},
       colorscale: [[0, mix(paper, ink, 0.5)], [1, mix(paper, ink, 0.04)]]},
      {type: "scatter", mode: "markers", x: spots.map((s) => s[0]), y: spots.map((s) => s[1]), hoverinfo: "skip",
       marker: {symbol: "x-thin", size: 6, line: {width: 1.2, color: token("--text-muted")}}}],
      layout: layout({height: 320, xaxis: factorAxis(a), yaxis: factorAxis(b)})};
  });
  return {panels, table: {columns: [["", 1], ["", 1], [`predicted error, ${DATA.level} interval (%)`, 0]], rows}};
};

// ---- elasticities ------------------------------------------------------------------------------------------

plots.elasticity = () => {
  const all = [...DATA.targets.keys()];
  const shown = all.length <= 12 ? all : [...new Set([0, state.target])];
  const kinds = [...new Map(DATA.evidence[0].elasticity.map((e) => [e[0], e[1]])).entries()];
  const names = shown.map((t) => short(DATA.targets[t]));
  const legend = kinds.map(([number, kind], k) => (
    {name: `(${number}) ${kind}`, colour: series(k), mark: MARKS[k % 7]}));
  const factors = [...new Set(DATA.evidence[0].elasticity.map((e) => e[2]))];
  const panels = factors.map((factor) => {
    const data = kinds.map(([number], k) => {
      const found = shown.map((t) => DATA.evidence[t].elasticity.find((e) => e[0] === number && e[2] === factor));
      const at = shown.map((_, row) => row + (k - (kinds.length - 1) / 2) * 0.24);
      return {type: "scatter", mode: "markers", x: found.map((e) => e?.[3] ?? null), y: at, hoverinfo: "text",
        text: found.map((e, row) => e ? `<b>${safe(names[row])}</b>, ${HEADS[factor]}<br>(${number}) ${kinds[k][1]}` +
          `<br>${interval(e[3], e[4], e[5])} % per % more data` : ""),
        marker: {symbol: MARKS[k % 7], size: 8, color: series(k)},
        error_x: {type: "data", symmetric: false, thickness: 1.8, width: 0, color: series(k),
                  array: found.map((e) => e && e[5] !== null ? e[5] - e[3] : 0),
                  arrayminus: found.map((e) => e && e[4] !== null ? e[3] - e[4] : 0)}};
    });
    const ends = shown.flatMap((t) => DATA.evidence[t].elasticity.filter((e) => e[2] === factor)
      .flatMap((e) => e.slice(3)));
    return {title: HEADS[factor], data, layout: layout({
      height: 100 + (document.documentElement.classList.contains("printing") ? 28 : 40) * shown.length,
      xaxis: axis("% per % more data", {range: span([0, ...ends]), zeroline: true, zerolinecolor: token("--axis"),
                                        zerolinewidth: 1, nticks: 5}),
      yaxis: axis("", {tickmode: "array", tickvals: shown.map((_, row) => row), ticktext: names.map(safe),
                       range: [shown.length - 0.45, -0.55], showgrid: false})})};
  });
  return {panels, legend, table: {columns: [["task", 1], ["estimator", 1], ["factor", 1],
                                            [`elasticity, ${DATA.level} interval`, 0]],
    rows: shown.flatMap((t) => DATA.evidence[t].elasticity.map((e) => [DATA.targets[t], `(${e[0]}) ${e[1]}`,
      HEADS[e[2]], interval(e[3], e[4], e[5])]))}};
};

// ---- forms -------------------------------------------------------------------------------------------------

plots.forms = () => {
  const kinds = [...new Set(evidence().scores.map((s) => s[1]))];
  const panels = kinds.map((kind) => {
    const scores = evidence().scores.filter((s) => s[1] === kind && s[2] > 0);
    const names = scores.map((s) => short(s[0]));
    const above = (s) => s[4] === 0 ? "best" : `+${plain(s[4], 2)}${s[5] === null ? "" : ` ± ${plain(s[5], 2)}`}`;
    const values = scores.map((s) => s[2]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const axisOf = logAxis("mean squared error (percentage points²)", low, high);
    // Room for the text beside the last mark.
    axisOf.range = [axisOf.range[0] - 0.1, Math.log10(high) + 0.45 * Math.max(Math.log10(high / low), 0.4)];
    return {title: kind, data: [{
      type: "scatter", mode: "markers", x: values, y: names.map(safe), cliponaxis: false, hoverinfo: "text",
      hovertext: scores.map((s) => `<b>${safe(s[0])}</b><br>MSE ${plain(s[2], 3)}<br>mean relative error ` +
        `${plain(s[3], 3)} %<br>${above(s)}`),
      marker: {size: scores.map((s) => (s[0] === DATA.chosen_form ? 13 : 9)), color: token("--series-1"),
               symbol: scores.map((s) => (s[0] === DATA.chosen_form ? "diamond" : "circle-open")),
               line: {width: 2}}}],
      // On the page's own ground, so that no line of the grid goes through the text.
      layout: layout({height: 100 + 34 * scores.length, xaxis: axisOf, annotations: scores.map((s, row) => (
        {x: Math.log10(s[2]), y: safe(names[row]), text: above(s), showarrow: false, xanchor: "left", xshift: 9,
         bgcolor: token("--bg"), borderpad: 2, font: {size: 11, color: token("--text-muted")}})),
                      yaxis: axis("", {type: "category", autorange: "reversed"})})};
  });
  return {panels, table: {columns: [["form", 1], ["held out", 1], ["MSE (pp²)", 0], ["mean relative error (%)", 0],
                                    ["above the best ± s.e. (pp²)", 0]],
    rows: evidence().scores.map((s) => [s[0], s[1], plain(s[2], 3), plain(s[3], 3),
      s[4] === 0 ? "best" : `${plain(s[4], 2)}${s[5] === null ? "" : ` ± ${plain(s[5], 2)}`}`])}};
};
