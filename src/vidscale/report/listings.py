"""Tables of what there is, before anything is fitted: costs, forms, bundled measurements, the schema."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vidscale.cost.units import FLOPS, unit
from vidscale.report.numbers import amount, params, percent, plain
from vidscale.report.tables import FACTOR_COLUMNS, Column, Table, label

if TYPE_CHECKING:
    from vidscale.forms import Posynomial
    from vidscale.measurements import DatasetInfo


def cost_table(rows: Sequence[Mapping[str, float]], encoder_params: float, encoder_tokens: float) -> Table:
    """Costs of configurations, from dicts in FLOPs."""
    of = unit(FLOPS, max(r["inference_flops"] for r in rows))
    columns = (*FACTOR_COLUMNS, Column(name="encoder", unit=of.shown), Column(name="LM", unit=of.shown),
               Column(name="cost", unit=of.shown), Column(name="encoder", unit="% of cost"),
               Column(name="LM-only cost", unit=of.shown), Column(name="its bias", unit="%"))
    cells = tuple((params(r["lm_params"]), plain(r["frames"], 4), plain(r["tokens_per_frame"], 4),
                   amount(r["encoder_flops"], of), amount(r["lm_flops"], of), amount(r["inference_flops"], of),
                   percent(r["encoder_share"]), amount(r["lm_only_flops"], of), percent(r["lm_only_bias"]))
                  for r in rows)
    notes = (f"prefill FLOPs per video, 2 per multiply-add; vision encoder of {params(encoder_params)} parameters, "
             f"{plain(encoder_tokens, 4)} tokens a frame; attention, decoding and the projector are not counted",)
    return Table(title="Inference cost", columns=columns, rows=cells, notes=notes)


def forms_table(forms: "Sequence[Posynomial]") -> Table:
    """Forms by name, formula and source."""
    from vidscale.forms import text

    columns = (Column(name="form", words=True), Column(name="parameters"), Column(name="formula", words=True),
               Column(name="source", words=True), Column(name="note", words=True))
    rows = tuple((f.name, str(len(f.parameters)), text(f), f.source, f.note) for f in forms)
    return Table(title="Error forms", columns=columns, rows=rows)


def bounds_table(form: "Posynomial") -> Table:
    """Parameters of a form and where they may lie."""
    rows = []
    for name in form.parameters:
        if name in form.exponent_names:
            low, high = form.exponent_bounds(name)
            rows.append((name, "exponent", f"[{plain(low)}, {plain(high)}]"))
        else:
            low, high = form.bounds.get(name, (0.0, float("inf")))
            rows.append((name, "coefficient", f"at least {plain(low)}" if high == float("inf")
                         else f"[{plain(low)}, {plain(high)}]"))
    columns = (Column(name="parameter", words=True), Column(name="kind", words=True), Column(name="bounds", words=True))
    return Table(title=f"Parameters of {form.name}", columns=columns, rows=tuple(rows))


def datasets_table(infos: "Sequence[DatasetInfo]") -> Table:
    """Bundled tables of measurements."""
    columns = tuple(Column(name=name, words=True) for name in ("name", "title", "rows", "holds", "source", "licence"))
    rows = tuple((label(i.name, i.synthetic), i.title, str(i.rows), i.metric, i.source, i.licence) for i in infos)
    return Table(title="Bundled measurements", columns=columns, rows=rows)


def schema_table(columns: Sequence[Mapping[str, str]], version: int) -> Table:
    """The columns of a measurements table."""
    names = ("name", "kind", "required", "allowed", "meaning")
    return Table(title=f"Columns of a measurements table, schema version {version}",
                 columns=tuple(Column(name=name, words=True) for name in names),
                 rows=tuple(tuple(c[name] for name in names) for c in columns))
