"""Figures of what was measured and fitted: fitted against measured, isoFLOP curves, factor sweeps, forms compared."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vidscale.report.curves import CURVE, envelopes, factor_lines, held_text
from vidscale.report.measured import fitted, isoflop_groups, isoflop_sizes, run_rows, sweep_labels
from vidscale.report.numbers import plain, with_unit
from vidscale.report.style import (
    COLOURS,
    MARKERS,
    factor_axis,
    legend_below,
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

#: Most panels of a figure by task.
MOST_TARGETS = 12


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
    sizes = isoflop_sizes(groups)
    figure = new_figure(4.9, f"IsoFLOP curves, {lead}: error at about equal cost{f', {sizes}' if sizes else ''}, form "
                             f"{study.form}", study)
    colours = ordered_colours(len(groups))
    for axes, factor in zip(panels(figure, len(varying), 3, sharey=True), varying, strict=True):
        k = FACTORS.index(factor)
        x, least = envelopes(study, groups, k, lead)
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


def _crop_to(every: "list[Axes]", seen: Floats) -> None:
    """Limits that show every measured point; a curve that leaves them is cut off."""
    seen = seen[np.isfinite(seen)]
    room = 0.08 * (seen.max() - seen.min()) or 0.01
    for axes in every:
        axes.set_ylim(seen.min() - room, seen.max() + room)


@styled
def factor_figure(study: "Study") -> Figure | None:
    """Error against each factor with the others held: measured runs and the law's curves. None if nothing is swept."""
    factors = [f for f in study.model.form.factors if factor_lines(study, f, study.model.lead)]
    if not factors:
        return None
    lead, rows = study.model.lead, run_rows(study)
    error = study.obs.error[:, study.obs.target(lead)]
    columns = len(factors) if len(factors) <= 3 else 2
    figure = new_figure(4.7 if len(factors) <= 3 else 8.2,
                        f"Error against one factor, the others held, {lead}: form {study.form}", study)
    for axes, factor in zip(panels(figure, len(factors), columns, sharey=len(factors) <= 3), factors, strict=True):
        k = FACTORS_AND_DATA.index(factor)
        lines = factor_lines(study, factor, lead)
        for (members, name), colour, mark in zip(lines, ordered_colours(len(lines)), MARKERS * 9, strict=False):
            x = np.geomspace(rows[members, k].min(), rows[members, k].max(), CURVE)
            points = np.repeat(rows[members[:1]], CURVE, axis=0)
            points[:, k] = x
            axes.plot(x, study.model.error(lead, points, study.settings.predictor), color=colour, lw=1.3)
            axes.plot(rows[members, k], error[members], ls="", marker=mark, ms=4.5, color=colour, label=name)
        factor_axis(axes.xaxis, factor, rows[np.concatenate([m for m, _ in lines]), k])
        percent_axis(axes.yaxis)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncols=1 if len(factors) == 3 else 2,
                    handlelength=1, columnspacing=1, title=held_text(study, factor, lead), title_fontsize=8.5)
    figure.supxlabel("points: measured runs; lines: the law", fontsize=8.5)
    return figure


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
