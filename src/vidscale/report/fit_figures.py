"""Figures of what was measured and fitted: fitted against measured, isoFLOP curves, factor sweeps, forms compared."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vidscale.frontier import minimise
from vidscale.report.measured import Isoflop, fitted, isoflop_groups, planned_costs, run_rows, sweep_labels
from vidscale.report.numbers import plain, with_unit
from vidscale.report.style import (
    COLOURS,
    MARKERS,
    factor_axis,
    legend_below,
    level_name,
    new_figure,
    ordered_colours,
    panels,
    percent_axis,
    styled,
)
from vidscale.space import FACTORS, FACTORS_AND_DATA

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vidscale.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Most panels of a figure by task, most lines in a panel, points along a drawn curve.
MOST_TARGETS, MOST_LINES, CURVE = 12, 5, 50


@styled
def fitted_figure(study: "Study") -> Figure:
    """Fitted against measured error, one panel a target, runs marked by sweep."""
    targets = list(study.model.targets)[:MOST_TARGETS]
    labels = sweep_labels(study)
    kinds = sorted(set(labels.tolist()), key=lambda kind: (kind != "star", kind))[: len(COLOURS)]
    columns = min(3, len(targets))
    height = 4.6 if len(targets) == 1 else 0.9 + 2.75 * -(-len(targets) // columns)
    title = f"Fitted against measured error, form {study.form}, {study.settings.predictor} predictor"
    figure = new_figure(height, title, study)
    size = 22 if len(labels) < 400 else 6
    for axes, target in zip(panels(figure, len(targets), columns), targets, strict=True):
        said = fitted(study, target)
        present = np.isfinite(said.measured)
        both = np.r_[said.measured[present], said.fitted[present]]
        room = 0.05 * (both.max() - both.min()) or 0.01
        ends = (both.min() - room, both.max() + room)
        axes.plot(ends, ends, color="#888888", lw=1, zorder=1)
        for k, kind in enumerate(kinds):
            mine = present & (labels == kind)
            axes.scatter(said.measured[mine], said.fitted[mine], s=size, color=COLOURS[k], marker=MARKERS[k], alpha=0.8,
                         linewidths=0.4, edgecolors="white", zorder=2)
        rmse = np.sqrt(np.mean((said.measured - said.fitted)[present] ** 2))
        axes.text(0.04, 0.95, f"RMSE {plain(100 * rmse, 2)} points", transform=axes.transAxes, va="top", fontsize=8.5)
        axes.set(xlim=ends, ylim=ends, title=target)
        axes.set_box_aspect(1)
        percent_axis(axes.xaxis, "measured error (%)")
        percent_axis(axes.yaxis, "fitted error (%)")
    marks = [Line2D([], [], ls="", marker=MARKERS[k], color=COLOURS[k]) for k in range(len(kinds))]
    line = Line2D([], [], color="#888888", lw=1)
    named = [kind if kind == "runs" else f"sweep {kind}" for kind in kinds]
    legend_below(figure, [*marks, line], [*named, "fitted = measured"])
    return figure


@styled
def isoflop_figure(study: "Study") -> Figure | None:
    """Error against each factor at the measured budgets: runs, and the least error the law allows there.

    Always in FLOPs, by which such sweeps are planned, whatever cost the study is for. None where the table has no
    isoFLOP sweep.
    """
    groups = isoflop_groups(study)
    varying = [f for f in FACTORS if f in study.model.form.factors]
    if not groups or not varying:
        return None
    lead, rows = study.model.lead, run_rows(study)
    error = study.obs.error[:, study.obs.target(lead)]
    figure = new_figure(4.9, f"IsoFLOP curves, {lead}: error at about equal cost, form {study.form}", study)
    colours = ordered_colours(len(groups))
    for axes, factor in zip(panels(figure, len(varying), 3, sharey=True), varying, strict=True):
        k = FACTORS.index(factor)
        x, least = _envelopes(study, groups, k)
        for g, (group, colour) in enumerate(zip(groups, colours, strict=True)):
            nudge = 1 + 0.035 * (g - (len(groups) - 1) / 2)
            at, seen = rows[group.runs, k], error[group.runs]
            best = np.array([seen[i] <= np.nanmin(seen[at == at[i]]) for i in range(len(at))])
            mark = MARKERS[g % 7]
            axes.scatter(at[~best] * nudge, seen[~best], s=13, color=colour, marker=mark, alpha=0.3, linewidths=0)
            axes.scatter(at[best] * nudge, seen[best], s=34, color=colour, marker=mark, edgecolors="white",
                         linewidths=0.6, zorder=3)
            axes.plot(x, least[g], color=colour)
        factor_axis(axes.xaxis, factor, study.model.levels[factor])
        percent_axis(axes.yaxis, "task error (%)" if axes.get_subplotspec().is_first_col() else "")  # type: ignore[union-attr]
    _crop_to(figure.axes, error[np.concatenate([g.runs for g in groups])])
    lines = [Line2D([], [], color=c, marker=MARKERS[g % 7]) for g, c in enumerate(colours)]
    legend_below(figure, lines, [with_unit(g.budget) for g in groups],
                 title="points: runs within 25 % of the budget, bold where best at their level; "
                       "lines: least error of the law, other factors free")
    return figure


def _envelopes(study: "Study", groups: list[Isoflop], k: int) -> tuple[Floats, Floats]:
    """Least predicted error within each group's budget with factor k held, over the measured box: (x, groups × x)."""
    lattice, cost = study.model.measured_lattice(_held(study)), planned_costs(study)
    low, high = lattice.bounds()
    x = np.geomspace(low[k], high[k], CURVE)
    law = study.model.target(study.model.lead).law.over(FACTORS_AND_DATA)
    budgets, sizes = [group.budget for group in groups], np.unique([group.data_size or 1.0 for group in groups])
    row = np.searchsorted(sizes, [group.data_size or 1.0 for group in groups])
    least = np.full((len(groups), CURVE), np.nan)
    for i, value in enumerate(x):
        box = (low.copy(), high.copy())
        box[0][k] = box[1][k] = value
        found = minimise(law, cost, box, budgets, sizes)
        least[:, i] = np.exp(found.log_error[0, row, np.arange(len(groups))])
    return x, least


def _held(study: "Study") -> dict[str, float]:
    """Values of factors that the table lacks."""
    return {f: float(study.frontier.lattice.levels[f][0]) for f in FACTORS if f not in study.model.levels}


def _crop_to(every: "list[Axes]", seen: Floats) -> None:
    """Limits that show every measured point; a curve that leaves them is cut off."""
    seen = seen[np.isfinite(seen)]
    room = 0.08 * (seen.max() - seen.min()) or 0.01
    for axes in every:
        axes.set_ylim(seen.min() - room, seen.max() + room)


@styled
def factor_figure(study: "Study") -> Figure | None:
    """Error against each factor with the others held: measured runs and the law's curves. None if nothing is swept."""
    factors = [f for f in study.model.form.factors if _lines(study, f)]
    if not factors:
        return None
    lead, rows = study.model.lead, run_rows(study)
    error = study.obs.error[:, study.obs.target(lead)]
    columns = len(factors) if len(factors) <= 3 else 2
    figure = new_figure(4.7 if len(factors) <= 3 else 8.2,
                        f"Error against one factor, the others held, {lead}: form {study.form}", study)
    for axes, factor in zip(panels(figure, len(factors), columns, sharey=len(factors) <= 3), factors, strict=True):
        k = FACTORS_AND_DATA.index(factor)
        lines = _lines(study, factor)
        for (members, name), colour, mark in zip(lines, ordered_colours(len(lines)), MARKERS * 9, strict=False):
            x = np.geomspace(rows[members, k].min(), rows[members, k].max(), CURVE)
            points = np.repeat(rows[members[:1]], CURVE, axis=0)
            points[:, k] = x
            axes.plot(x, study.model.error(lead, points, study.settings.predictor), color=colour, lw=1.3)
            axes.plot(rows[members, k], error[members], ls="", marker=mark, ms=4.5, color=colour, label=name)
        factor_axis(axes.xaxis, factor, rows[np.concatenate([m for m, _ in lines]), k])
        percent_axis(axes.yaxis)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncols=1 if len(factors) == 3 else 2,
                    handlelength=1, columnspacing=1, title=_held_text(study, factor, lines[0][0]), title_fontsize=8.5)
    figure.supxlabel("points: measured runs; lines: the law", fontsize=8.5)
    return figure


def _others(study: "Study", factor: str) -> list[str]:
    return [f for f in study.model.form.factors if f != factor]


def _lines(study: "Study", factor: str) -> list[tuple[Ints, str]]:
    """Groups of runs that differ in one factor only, the longest first chosen, in rising order of what is held."""
    rows, lead = run_rows(study), study.obs.target(study.model.lead)
    present = np.isfinite(study.obs.error[:, lead])
    k, others = FACTORS_AND_DATA.index(factor), [FACTORS_AND_DATA.index(f) for f in _others(study, factor)]
    keys, group = np.unique(rows[:, others], axis=0, return_inverse=True)
    group = group.reshape(-1)
    counted = [(len(np.unique(rows[(group == g) & present, k])), g) for g in range(len(keys))]
    most = max(count for count, _ in counted)
    long = [g for count, g in counted if count >= max(3 if most >= 3 else 2, 0.6 * most)]
    if most < 2:
        return []
    if others:
        # Prefer lines that share all but one of the held values: they can be compared.
        best = max((_family(keys, long, free) for free in range(len(others))), key=len)
        long = best if len(best) > 1 else long
    long = [long[i] for i in np.unique(np.round(np.linspace(0, len(long) - 1, MOST_LINES)).astype(int))]
    moving = [i for i in range(len(others)) if len({keys[g, i] for g in long}) > 1]
    found = []
    for g in long:
        members = np.flatnonzero((group == g) & present)
        names = [level_name(FACTORS_AND_DATA[others[i]], keys[g, i]) for i in moving]
        found.append((members[np.argsort(rows[members, k], kind="stable")], ", ".join(names) or "measured"))
    return found


def _family(keys: Floats, long: list[int], free: int) -> list[int]:
    """The largest set of groups that differ in one held factor only."""
    families: dict[tuple[float, ...], list[int]] = {}
    for g in long:
        families.setdefault(tuple(np.delete(keys[g], free).tolist()), []).append(g)
    return max(families.values(), key=len)


def _held_text(study: "Study", factor: str, members: Ints) -> str | None:
    """What all lines of a panel hold in common."""
    rows, lines = run_rows(study), _lines(study, factor)
    shared = []
    for other in _others(study, factor):
        j = FACTORS_AND_DATA.index(other)
        if len({rows[m[0], j] for m, _ in lines}) == 1:
            shared.append(level_name(other, rows[members[0], j]))
    return "at " + ", ".join(shared) if shared else None


@styled
def comparison_figure(study: "Study") -> Figure | None:
    """Mean squared error on held-out runs of every form by target; None where nothing was held out."""
    comparison = study.comparison
    kinds = [k for k in ("cross-validation", "extrapolation") if any(s.kind == k for s in comparison.scores)]
    if not kinds:
        return None
    figure = new_figure(1.5 + 2.6 * len(kinds), "Forms on held-out runs", study)
    forms = list(comparison.fits)
    sentences = {"cross-validation": comparison.plan.cv_sentence, "extrapolation": comparison.plan.split_sentence}
    for axes, kind in zip(panels(figure, len(kinds), 1), kinds, strict=True):
        targets = list(dict.fromkeys(s.target for s in comparison.scores if s.kind == kind))[: MOST_TARGETS + 1]
        width = min(0.82 / len(forms), 0.06 * len(targets) + 0.06)
        for i, form in enumerate(forms):
            scores = [comparison.score(form, target, kind) for target in targets]
            heights = [np.nan if s is None else s.mse for s in scores]
            at = np.arange(len(targets)) + (i - (len(forms) - 1) / 2) * width
            axes.bar(at, heights, width * 0.92, color=COLOURS[i % 7], hatch="////" if form == study.form else None,
                     edgecolor="white", linewidth=0)
            _value_labels(axes, at, heights, len(targets) * len(forms))
        crowded = max(len(t) for t in targets) * len(targets) > 90
        axes.set_xticks(range(len(targets)), targets, rotation=25 if crowded else 0,
                        ha="right" if crowded else "center")
        axes.set(ylabel="MSE (percentage points²)", title=f"{kind}: {sentences[kind]}")
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.margins(y=0.16)
        axes.set_xlim(-0.6, len(targets) - 0.4)
    handles: list[Any] = [figure.axes[0].containers[i] for i in range(len(forms))]
    legend_below(figure, handles, [f"{f} (chosen)" if f == study.form else f for f in forms])
    return figure


def _value_labels(axes: "Axes", at: NDArray[Any], heights: list[float], bars: int) -> None:
    """The number above each bar, turned where bars are narrow."""
    for x, y in zip(at, heights, strict=True):
        if np.isfinite(y):
            axes.annotate(plain(y, 2), (x, y), (0, 2), textcoords="offset points", ha="center", va="bottom",
                          fontsize=6.5 if bars > 16 else 8, rotation=90 if bars > 24 else 0)
