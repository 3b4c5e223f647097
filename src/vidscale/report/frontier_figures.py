"""Figures of the answer: the optimum's path against budget, its error beside naive policies, elasticities."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vidscale.cost.constraints import base_cost
from vidscale.cost.deployment import not_convex
from vidscale.cost.units import FLOPS
from vidscale.frontier import lattice_cost, minimise, search_values, steps_of
from vidscale.report.measured import costs, separable
from vidscale.report.numbers import examples, still
from vidscale.report.style import (
    COLOURS,
    MARKERS,
    axis_label,
    budget_axis,
    factor_axis,
    legend_below,
    new_figure,
    ordered_colours,
    panels,
    percent_axis,
    styled,
)
from vidscale.space import FACTORS, FACTORS_AND_DATA
from vidscale.study import frontier_data_sizes, lattice_values, policies_for

if TYPE_CHECKING:
    from vidscale.cost import CostModel
    from vidscale.study import Study

Floats = NDArray[np.float64]

#: Data sizes shown at most; budgets along a curve; budgets at which policies are compared; draws behind a band.
MOST_SIZES, CURVE, FINE, MOST_DRAWS = 3, 120, 240, 100


def shown_sizes(study: "Study", most: int = MOST_SIZES) -> Floats:
    """The smallest, largest and some middle data sizes of the frontier, shape (sizes,)."""
    sizes = np.sort(frontier_data_sizes(study.model, study.settings.data_sizes))
    if not study.model.data_varies:
        return sizes[:1]
    return sizes[np.unique(np.round(np.linspace(0, sizes.size - 1, most)).astype(int))]


def budget_range(study: "Study", count: int = CURVE) -> Floats:
    """Budgets evenly spaced in log from the cheapest configuration to the dearest."""
    cost = lattice_cost(study.frontier.lattice, costs(study))
    cost = cost[np.isfinite(cost)]
    return np.geomspace(cost.min(), max(cost.max(), cost.min() * 1.5), count)


def _size_names(study: "Study", sizes: Floats) -> list[str]:
    return [f"n = {examples(float(n))}" if study.model.data_varies else "frontier" for n in sizes]


def _why_exact(cost: "CostModel") -> str:
    """A line under a title where there is no convex optimum to draw."""
    why = not_convex(cost)
    return f"\nexact search, no convex optimum: {why}" if why else ""


@styled
def paths_figure(study: "Study") -> Figure | None:
    """The optimal factors against budget at several data sizes: lattice steps, and the continuous optimum with bands.

    None where no factor can be chosen.
    """
    lattice, cost, lead = study.frontier.lattice, costs(study), study.model.lead
    factors = [f for f in FACTORS if lattice.levels[f].size > 1]
    if not factors:
        return None
    sizes, budgets = shown_sizes(study), budget_range(study)
    fitted = study.model.target(lead)
    colours, low_high = ordered_colours(len(sizes)), lattice.bounds()
    convex = study.frontier.predictor == "point" and cost.terms() is not None
    values = lattice_values(study.model, lead, lattice, sizes, study.frontier.predictor)
    price = lattice_cost(lattice, cost)
    point = draws = np.empty(0)
    if convex:
        point = minimise(fitted.law.over(FACTORS_AND_DATA), cost, low_high, budgets, sizes).x[0]
        some = fitted.noise_laws[np.arange(min(len(fitted.noise_laws), MOST_DRAWS))]
        draws = minimise(some.over(FACTORS_AND_DATA), cost, low_high, budgets, sizes).x
    tail, columns = (1 - study.settings.level) / 2, 2 if convex else 1
    what = "Compute-optimal configuration against budget" if cost.unit == FLOPS else \
        f"Best configuration against the budget of {base_cost(cost).name}"
    figure = new_figure(1.3 + 2.35 * len(factors), f"{what}, {lead}", study)
    grid = figure.subplots(len(factors), columns, sharex=True, sharey="row", squeeze=False)
    for row, factor in enumerate(factors):
        k = FACTORS.index(factor)
        for i, colour in enumerate(colours):
            steps = steps_of(values[i], price)
            levels = lattice.points[np.r_[steps.index, steps.index[-1]], k]
            grid[row, -1].step(np.r_[steps.cost, budgets[-1]], levels, where="post", color=colour,
                               lw=1.4 + 1.7 * (len(sizes) - 1 - i))
            if convex:
                low, high = np.nanquantile(draws[:, i, :, k], [tail, 1 - tail], axis=0)
                grid[row, 0].fill_between(budgets, low, high, color=colour, alpha=0.22, lw=0)
                grid[row, 0].plot(budgets, point[i, :, k], color=colour)
        for axes in grid[row]:
            factor_axis(axes.yaxis, factor, lattice.levels[factor])
            label = axis_label(factor, lattice.levels[factor])[0].replace(" (", "\n(")
            axes.yaxis.label.set_text(label if axes is grid[row, 0] else "")
            budget_axis(axes.xaxis, budgets[0], budgets[-1], cost.unit, label=row == len(factors) - 1)
    grid[0, -1].set_title(f"lattice: {lattice.name}, {len(lattice) - study.frontier.excluded} configurations"
                          f"{_why_exact(cost)}")
    if convex:
        grid[0, 0].set_title(f"continuous optimum, {100 * study.settings.level:.4g} % bands")
    if study.model.data_varies:
        legend_below(figure, [Line2D([], [], color=c, lw=3) for c in colours], _size_names(study, sizes))
    return figure


@styled
def error_figure(study: "Study") -> Figure:
    """Predicted frontier error against budget: with intervals for several data sizes, and beside naive policies."""
    lattice, cost, lead = study.frontier.lattice, costs(study), study.model.lead
    sizes, budgets = shown_sizes(study), budget_range(study, FINE)
    values = lattice_values(study.model, lead, lattice, sizes, study.frontier.predictor)
    price, settings = lattice_cost(lattice, cost), study.settings
    buyable = np.isfinite(price)
    figure = new_figure(4.9, f"Predicted error along the frontier, {lead}, form {study.form}, "
                             f"{study.frontier.predictor} predictor", study)
    left, right = panels(figure, 2, 2, sharey=True)
    colours = ordered_colours(len(sizes)) if study.model.data_varies else ["black"]
    for i, (size, colour) in enumerate(zip(sizes, colours, strict=True)):
        index = search_values(values[i], price, budgets).index[0]
        rows, place = np.unique(index, return_inverse=True)
        at = np.column_stack([lattice.points[rows], np.full(len(rows), size)])
        said = study.model.predict(lead, at, predictor=settings.predictor, level=settings.level, n_eval=settings.n_eval,
                                   seed=settings.seed)
        left.fill_between(budgets, said.mean_low[place], said.mean_high[place], color=colour, alpha=0.25, lw=0,
                          step="post")
        left.step(budgets, values[i, index], color=colour, where="post")
    last, policies = len(sizes) - 1, policies_for(lattice, settings.current)
    best = values[last, search_values(values[last], price, budgets).index[0]]
    for p, policy in enumerate(policies):
        chosen = policy.choose(values[last], lattice, cost, budgets)
        error = np.where(chosen >= 0, values[last, chosen], np.nan)
        right.step(budgets, error, where="post", color=COLOURS[p % 7], lw=1.2, ls=["--", "-.", ":"][p % 3],
                   marker=MARKERS[p % 7], ms=4, markevery=(6 * p, FINE // 6),
                   zorder=4)
    right.step(budgets, best, where="post", color="black", lw=3, zorder=3)
    worst = np.nanmax(np.r_[best, *(values[i, buyable].min() for i in range(len(sizes)))])
    top = max(worst, float(np.nanmax(values[0, search_values(values[0], price, budgets).index[0]])))
    floor = min(float(values[:, buyable].min()), best.min())
    for axes in (left, right):
        budget_axis(axes.xaxis, budgets[0], budgets[-1], cost.unit)
        percent_axis(axes.yaxis, "predicted task error (%)" if axes is left else "")
        span = max(top - floor, 1e-3 * top)  # a law may say the same of everything
        axes.set_ylim(floor - 0.08 * span, top + 0.12 * span)
    level = f"{100 * settings.level:.4g} % interval of the true mean"
    left.set_title(f"frontier; bands: {level}")
    right.set_title("frontier and naive policies" + (f", n = {examples(float(sizes[last]))}" if study.model.data_varies
                                                      else ""))
    handles = [Line2D([], [], color=c) for c in colours] if study.model.data_varies else []
    names = _size_names(study, sizes) if study.model.data_varies else []
    handles.append(Line2D([], [], color="black", lw=3))
    names.append("frontier")
    for p, policy in enumerate(policies):
        handles.append(Line2D([], [], color=COLOURS[p % 7], lw=1.2, ls=["--", "-.", ":"][p % 3], marker=MARKERS[p % 7],
                              ms=4))
        names.append(policy.name)
    legend_below(figure, handles, names, columns=5)
    return figure


@styled
def elasticity_figure(study: "Study") -> Figure | None:
    """Mean elasticities with intervals by target and estimator; None where there are none."""
    reports = study.elasticities
    if not reports:
        return None
    targets = list(dict.fromkeys(r.target for r in reports))[:12]
    estimators = list(dict.fromkeys(r.estimator for r in reports))
    factors = [f for f in FACTORS if any(e.factor == f for r in reports for e in r.factors)]
    if not factors:
        return None
    text = [textwrap.fill(f"({j}) {name}", 125, subsequent_indent="      ")
            for j, name in enumerate(estimators, start=1)]
    level = f"{100 * reports[0].level:.4g} %"
    height = 1.5 + 0.42 * len(targets) + 0.17 * sum(t.count("\n") + 1 for t in text)
    title = f"Elasticity of the optimum in finetuning data, with {level} intervals"
    if separable(study):
        title += f"\nexactly 0 by construction: in form {study.form} the data size does not move the optimum"
    figure = new_figure(height, title, study)
    offsets = (np.arange(len(estimators)) - (len(estimators) - 1) / 2) * 0.24
    for axes, factor in zip(panels(figure, len(factors), 3, sharey=True), factors, strict=True):
        axes.axvline(0, color="#888888", lw=1)
        for r in reports:
            if r.target not in targets:
                continue
            j, y = estimators.index(r.estimator), targets.index(r.target) + offsets[estimators.index(r.estimator)]
            for e in r.factors:
                if e.factor == factor:
                    if e.low is not None and e.high is not None:
                        axes.plot([still(e.low), still(e.high)], [y, y], color=COLOURS[j % 7], lw=1.8)
                    axes.plot(still(e.value), y, marker=MARKERS[j % 7], color=COLOURS[j % 7], ms=4.5, ls="")
        axes.set_title(factor)
        ends = np.abs(axes.dataLim.intervalx)
        if not ends.max() > 0:
            axes.set_xlim(-0.1, 0.1)
        axes.set_xlabel("elasticity (% per % more data)")
        axes.set_yticks(range(len(targets)), targets)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        for between in np.arange(len(targets) - 1) + 0.5:
            axes.axhline(between, color="#eeeeee", lw=0.8)
    figure.axes[0].set_ylim(len(targets) - 0.45, -0.55)
    marks = [Line2D([], [], color=COLOURS[j % 7], marker=MARKERS[j % 7], ms=4.5) for j in range(len(estimators))]
    legend_below(figure, marks, text, columns=1)
    return figure
