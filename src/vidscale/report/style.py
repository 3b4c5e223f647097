"""How figures look: one palette, one size, axes in units people use, bytes that depend on the data alone."""

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from vidscale.cost.units import FLOPS, unit
from vidscale.report.numbers import examples, params, plain
from vidscale.space import DATA_SIZE, FRAMES, LM_PARAMS, TOKENS_PER_FRAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vidscale.study import Study

Floats = NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

#: Okabe and Ito's colours without the yellow: told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Pixels per inch of every PNG; figures are 9.2 inches wide, about 1000 pixels.
DPI, WIDTH = 110, 9.2

#: Axis labels, with what a value in canonical units is divided by.
AXES: dict[str, tuple[str, float]] = {
    LM_PARAMS: ("language model (B parameters)", 1e9),
    FRAMES: ("frames per video", 1.0),
    TOKENS_PER_FRAME: ("visual tokens per frame", 1.0),
    DATA_SIZE: ("finetuning examples (thousands)", 1e3),
}

_STYLE: dict[str, Any] = {
    "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans"], "font.size": 9.5, "axes.titlesize": 10,
    "axes.labelsize": 9.5, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5,
    "figure.titlesize": 11, "axes.grid": True, "grid.color": "#e4e4e4", "grid.linewidth": 0.7, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555", "lines.linewidth": 1.6,
    "legend.frameon": False, "figure.dpi": DPI, "savefig.dpi": DPI, "figure.facecolor": "white",
    "savefig.facecolor": "white", "path.simplify": True, "text.usetex": False, "svg.hashsalt": "vidscale",
}
#: Settings of the machine rather than of the figure.
_MACHINE = ("backend", "interactive", "toolbar", "timezone", "webagg", "savefig.directory", "date.", "animation",
            "keymap", "tk.", "macosx", "figure.hooks")


def settings() -> Any:
    """Matplotlib's own defaults with this package's style on top, whatever the user's matplotlibrc says."""
    plain_ones = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(_MACHINE)}
    return {**plain_ones, **_STYLE}


def styled(make: Callable[P, R]) -> Callable[P, R]:
    """Run a function under the style, leaving matplotlib's global settings as they were."""
    @wraps(make)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(settings()):
            return make(*args, **kwargs)
    return wrapped


@styled
def png(figure: Figure) -> bytes:
    """The figure as PNG bytes without date or version, so that equal figures are equal files."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(height: float, title: str, study: "Study") -> Figure:
    """An empty figure whose title names the table, and says *synthetic* where the numbers were generated."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    label = study.table.name + (" (synthetic)" if study.table.synthetic else "")
    figure.suptitle(f"{title}\n{label}")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.05)  # type: ignore[union-attr]
    return figure


def panels(figure: Figure, count: int, columns: int, **shared: Any) -> "list[Axes]":
    """`count` axes in a grid of at most `columns`; cells left over stay blank."""
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, squeeze=False, **shared).ravel()
    for extra in grid[count:]:
        extra.set_axis_off()
    return list(grid[:count])


def ordered_colours(count: int) -> list[Any]:
    """Colours for an ordered quantity, dark for the least."""
    return [mpl.colormaps["viridis"](v) for v in (np.linspace(0.05, 0.82, count) if count > 1 else [0.25])]


def axis_label(factor: str, levels: Floats) -> tuple[str, float]:
    """What an axis of these levels is labelled, and what its values are divided by: small models count in millions."""
    if factor == LM_PARAMS and levels.size and levels.max() < 1e8:
        return "language model (M parameters)", 1e6
    if factor == DATA_SIZE and levels.size and levels.min() >= 3e5:
        return "finetuning examples (millions)", 1e6
    return AXES[factor]


def factor_axis(axis: Any, factor: str, values: Floats, most: int = 6) -> None:
    """A log axis of one factor with its levels as ticks; call with `axes.xaxis` or `axes.yaxis`.

    The data of the axis are in canonical units; only tick labels are scaled.
    """
    levels = np.unique(values)
    label, unit = axis_label(factor, levels)
    _log(axis)
    ticks = spread_levels(levels, most)
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(FixedFormatter([plain(v / unit, 3) for v in ticks]))
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(label)


def spread_levels(levels: Floats, most: int) -> Floats:
    """At most `most` of the levels, the ends among them, no two closer than a share of the log range."""
    if levels.size <= 1:
        return levels
    room = np.log(levels[-1] / levels[0]) / most
    kept = [levels[0]]
    for level in levels[1:-1]:
        if np.log(level / kept[-1]) >= room and np.log(levels[-1] / level) >= room:
            kept.append(level)
    return np.array([*kept, levels[-1]])


def budget_axis(axis: Any, low: float, high: float, name: str = FLOPS, label: bool = True) -> None:
    """A log axis of costs in the unit `name`, labelled in the unit that tables show."""
    shown = unit(name, high)
    _log(axis)
    decades = np.log10(high / low)
    if decades < 0.6:
        axis.set_major_locator(MaxNLocator(5))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3.2 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value / shown.scale, 3)))
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(f"inference budget ({shown.axis})" if label else "")


def _log(axis: Any) -> None:
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")


def percent_axis(axis: Any, label: str = "task error (%)") -> None:
    """A linear axis of errors as fractions, labelled in per cent."""
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(100 * value, 3)))
    axis.set_label_text(label)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str], columns: int = 4,
                 title: str = "") -> None:
    """One legend under all panels, where it can cover nothing."""
    figure.legend(list(handles), list(labels), loc="outside lower center", ncols=min(columns, len(labels)),
                  title=title or None, title_fontsize=8.5)


def level_name(factor: str, value: float) -> str:
    """A level as a legend names it."""
    if factor == LM_PARAMS:
        return f"{params(value)} LM"
    if factor == DATA_SIZE:
        return f"n = {examples(value)}"
    s = "" if value == 1 else "s"
    return f"{plain(value, 4)} {f'frame{s}' if factor == FRAMES else f'token{s} per frame'}"
