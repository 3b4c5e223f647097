"""A model as a plain JSON file, fit.json, and back again to the bit.

    {"schema": "vidscale-fit", "version": 1, "table": ..., "form": {...}, "levels": {...}, "targets": {...}}

Version 2 adds "cost", the cost that the study was made for; a file without it is written as version 1.
A batch of laws is stored as two tables with one row a law: log coefficients by term (null where a term is gone), and
the distinct exponents, each column named as the form writes it ("-a_N", "b", "2.0*g"). Numbers are written with all
their digits, so a model read back predicts exactly what it predicted before. What is read is checked field by field:
a file may come from a stranger.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from vidscale.cost.constraints import Limit
from vidscale.cost.deployment import CostSettings
from vidscale.errors import InputError
from vidscale.forms import Exponent, Laws, Posynomial, Term
from vidscale.space import FACTORS_AND_DATA
from vidscale.study.fields import checked_list, checked_object, flag, number, numbers, only, short, string
from vidscale.study.model import Model, TargetModel
from vidscale.validate import Noise

Floats = NDArray[np.float64]

SCHEMA, VERSION = "vidscale-fit", 2
#: What the file is called in the folder of a study.
FIT_FILE = "fit.json"
KEYS = ("schema", "version", "table", "synthetic", "data_hash", "encoder", "form", "levels", "targets")
#: Limits on what is read, far above what any study writes.
MAX_BYTES = 64 * 2**20
MAX_TARGETS, MAX_TERMS, MAX_DRAWS, MAX_COUNT = 10_000, 200, 100_000, 1e15
#: Largest |log error| that counts as an error anywhere in the measured domain.
MAX_LOG_ERROR = 600.0


def save_model(model: Model, path: Path) -> None:
    """Write a model to a file, whole or not at all.

    Args:
        model: the model.
        path: the file; an existing one is replaced.

    Raises:
        InputError: the file cannot be written, or would be larger than `load_model` reads.
    """
    content = (as_text(model_content(model)) + "\n").encode()
    if len(content) > MAX_BYTES:
        raise InputError(f"the fit takes {len(content) / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB a fit "
                         "file may have; ask for fewer draws or fewer tasks")
    write_bytes(Path(path), content)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is never seen half written.

    Raises:
        InputError: the folder is missing or not writable.
    """
    name = ""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            file.write(content)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as problem:
        raise InputError(f"cannot write {path}: {problem.strerror or problem}") from None
    finally:
        if name and os.path.exists(name):
            os.unlink(name)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that `save_model` wrote.

    Args:
        path: the file, or the folder of a study, which holds it as fit.json.

    Raises:
        InputError: the file cannot be read, is no fit, is of a newer version, or anything in it is missing, of the
            wrong kind or size, or not finite.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a fit is read from a path, not from a {type(path).__name__}; give the path of a fit.json or "
                         "of a study's folder")
    path = Path(path)
    try:
        content = _parse(path)
        return content_model(content)
    except InputError as problem:
        raise InputError(f"fit file {path}: {problem}") from None


def _parse(path: Path) -> Any:
    try:
        if path.is_dir():
            path = path / FIT_FILE
            if not path.is_file():
                raise InputError(f"the folder has no {FIT_FILE}; give a folder that a study was written to")
        if path.exists() and not path.is_file():
            raise InputError("is no plain file")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"is {path.stat().st_size / 2**20:.0f} MiB; a fit has at most {MAX_BYTES // 2**20} MiB")
        raw = path.read_bytes()
    except OSError as problem:
        raise InputError(f"{problem.strerror or problem}; give the fit.json that a study or fit wrote") from None
    except ValueError as problem:
        if isinstance(problem, InputError):
            raise
        raise InputError("the path is no file name") from None
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except InputError:
        raise
    except (ValueError, RecursionError):
        raise InputError("is not JSON; give the fit.json that a study or fit wrote") from None


def _no_constant(text: str) -> NoReturn:
    raise InputError(f"holds {text}, which is no number; every number must be finite")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise InputError(f"the key {next(n for n in names if names.count(n) > 1)[:80]!r} occurs twice")
    return found


# ---- writing ----------------------------------------------------------------------------------------------------


def as_text(value: Any, depth: int = 0) -> str:
    """JSON that a person can read: objects and lists of lists take a line an entry, lists of numbers one line.

    Raises:
        ValueError: a number is not finite.
    """
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, Mapping) and value:
        rows = [f"{inner}{json.dumps(str(k), ensure_ascii=False)}: {as_text(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    if isinstance(value, list | tuple) and any(isinstance(v, Mapping | list | tuple) for v in value):
        return "[\n" + ",\n".join(inner + as_text(v, depth + 1) for v in value) + f"\n{outer}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def model_content(model: Model) -> dict[str, Any]:
    """What fit.json holds: dicts, lists, texts and numbers only."""
    cost = {} if model.cost_settings is None else {"cost": cost_content(model.cost_settings)}
    return {
        "schema": SCHEMA,
        "version": 2 if cost else 1,
        **cost,
        "table": model.table,
        "synthetic": model.synthetic,
        "data_hash": model.data_hash,
        "encoder": None if model.encoder is None else [float(v) for v in model.encoder],
        "form": form_content(model.form),
        "levels": {factor: values.tolist() for factor, values in model.levels.items()},
        "targets": {name: _target_content(target, model.form) for name, target in model.targets.items()},
    }


def cost_content(cost: CostSettings) -> dict[str, Any]:
    """Cost settings so that they can be rebuilt; limits by kind and amount."""
    found = {name: getattr(cost, name) for name in ("kind", "model", "gpu", "profile", "price", "batch", "text_tokens",
                                                   "output_tokens")}
    return {**found, "limits": [{"kind": limit.kind, "value": limit.value} for limit in cost.limits],
            "encoder": None if cost.encoder is None else list(cost.encoder)}


def form_content(form: Posynomial) -> dict[str, Any]:
    """A form so that it can be rebuilt."""
    return {
        "name": form.name,
        "factors": list(form.factors),
        "terms": [{"coefficient": term.coefficient, "exponents": {f: _text(e) for f, e in term.exponents.items()}}
                  for term in form.terms],
        "bounds": {name: [float(low), float(high)] for name, (low, high) in form.bounds.items()},
        "source": form.source,
        "note": form.note,
    }


def _target_content(target: TargetModel, form: Posynomial) -> dict[str, Any]:
    return {
        "parameters": {name: float(value) for name, value in target.parameters.items()},
        "chance": None if target.chance is None else float(target.chance),
        "noise": {name: value if value is None or kind is bool else float(value)
                  for name, kind in _noise_fields().items() for value in (getattr(target.noise, name),)},
        "law": _laws_content(target.law, form),
        "noise_draws": _laws_content(target.noise_laws, form),
        "run_draws": _laws_content(target.run_laws, form),
    }


def _laws_content(laws: Laws, form: Posynomial) -> dict[str, Any]:
    columns = _columns(form)
    logs = [[None if v == -np.inf else v for v in row] for row in laws.log_coefficients.tolist()]
    powers = np.stack([laws.exponents[:, j, k] for j, k in (cells[0] for cells in columns.values())], axis=1) \
        if columns else np.zeros((len(laws), 0))
    return {"log_coefficients": logs, "exponents": powers.tolist(), "columns": list(columns)}


def _text(exponent: Exponent) -> str:
    """An exponent with all digits of its multiple, as `Exponent.parse` reads it."""
    if exponent.parameter is None:
        return repr(float(exponent.scale))
    if abs(exponent.scale) == 1:
        return f"{'-' if exponent.scale < 0 else ''}{exponent.parameter}"
    return f"{float(exponent.scale)!r}*{exponent.parameter}"


def _columns(form: Posynomial) -> dict[str, list[tuple[int, int]]]:
    """The distinct fitted exponents, as text → the (term, factor) cells each fills."""
    found: dict[str, list[tuple[int, int]]] = {}
    for j, term in enumerate(form.terms):
        for factor, exponent in term.exponents.items():
            if exponent.parameter is not None:
                found.setdefault(_text(exponent), []).append((j, form.factors.index(factor)))
    return found


# ---- reading ----------------------------------------------------------------------------------------------------


def content_model(content: Any) -> Model:
    """A model from what fit.json holds.

    Raises:
        InputError: as for `load_model`.
    """
    top = checked_object(content, "the file")
    if top.get("schema") != SCHEMA:
        raise InputError(f'is no vidscale fit: "schema" is {short(top.get("schema"))}, not "{SCHEMA}"')
    version = top.get("version")
    if type(version) is not int or version < 1:
        raise InputError(f'"version" is {short(version)}; this vidscale reads versions 1 to {VERSION}')
    if version > VERSION:
        raise InputError(f"is version {short(version)}; this vidscale reads up to version {VERSION}: update vidscale")
    only(top, KEYS if version == 1 else (*KEYS, "cost"), "the file")
    form = _form(top["form"])
    levels = _levels(top["levels"], form)
    entries = checked_object(top["targets"], "targets")
    if not 1 <= len(entries) <= MAX_TARGETS:
        raise InputError(f"targets has {len(entries)} entries; allowed are 1 to {MAX_TARGETS}")
    corners = _corners(form, levels)
    targets = {string(name, "a target's name"): _target(entry, f"target {short(name)}", form, corners)
               for name, entry in entries.items()}
    return Model(table=string(top["table"], "table"), synthetic=flag(top["synthetic"], "synthetic"),
                 data_hash=string(top["data_hash"], "data_hash"), form=form, targets=targets, levels=levels,
                 encoder=_encoder(top["encoder"]), cost_settings=None if version == 1 else _cost(top["cost"]))


def _cost(value: Any) -> CostSettings:
    table = checked_object(value, "cost")
    only(table, tuple(cost_content(CostSettings())), "cost")
    gpu, profile = (None if table[name] is None else string(table[name], f"cost.{name}") for name in ("gpu", "profile"))
    limits = []
    for entry in checked_list(table["limits"], "cost.limits", 100):
        entry = checked_object(entry, "cost.limits")
        only(entry, ("kind", "value"), "cost.limits")
        limits.append(Limit(kind=string(entry["kind"], "cost.limits: kind"),
                            value=number(entry["value"], "cost.limits: value")))
    batch, text, output = (_whole(table[name], f"cost.{name}") for name in ("batch", "text_tokens", "output_tokens"))
    price = None if table["price"] is None else number(table["price"], "cost.price")
    return CostSettings(kind=string(table["kind"], "cost.kind"), model=string(table["model"], "cost.model"), gpu=gpu,
                        profile=profile, price=price, batch=batch, text_tokens=text, output_tokens=output,
                        limits=tuple(limits), encoder=_encoder(table["encoder"]))


def _encoder(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    pair = numbers(value, "encoder", 2)
    if min(pair) <= 0:
        raise InputError(f"encoder is {short(value)}; allowed are two positive numbers, or null")
    return pair[0], pair[1]


def _whole(value: Any, where: str) -> int:
    found = number(value, where)
    if found != int(found):
        raise InputError(f"{where} is {short(value)}; a whole number is expected")
    return int(found)


def _form(value: Any) -> Posynomial:
    table = checked_object(value, "form")
    only(table, ("name", "factors", "terms", "bounds", "source", "note"), "form")
    names = checked_list(table["factors"], "form.factors", len(FACTORS_AND_DATA))
    factors = tuple(string(f, "form.factors") for f in names)
    unknown = [f for f in factors if f not in FACTORS_AND_DATA]
    if unknown or not factors:
        raise InputError(f"form.factors are {short(table['factors'])}; allowed are {', '.join(FACTORS_AND_DATA)}")
    terms = []
    for place, entry in enumerate(checked_list(table["terms"], "form.terms", MAX_TERMS), start=1):
        where = f"form, term {place}"
        entry = checked_object(entry, where)
        only(entry, ("coefficient", "exponents"), where)
        exponents = {f: Exponent.parse(string(e, f"{where}: exponent"))
                     for f, e in checked_object(entry["exponents"], f"{where}: exponents").items()}
        terms.append(Term(coefficient=string(entry["coefficient"], f"{where}: coefficient"), exponents=exponents))
    bounds = {}
    for name, pair in checked_object(table["bounds"], "form.bounds").items():
        low, high = numbers(pair, f"form.bounds of {short(name)}", 2)
        bounds[name] = (low, high)
    return Posynomial(name=string(table["name"], "form.name"), factors=factors, terms=tuple(terms), bounds=bounds,
                      source=string(table["source"], "form.source"), note=string(table["note"], "form.note"))


def _levels(value: Any, form: Posynomial) -> dict[str, Floats]:
    table = checked_object(value, "levels")
    levels = {}
    for factor in FACTORS_AND_DATA:
        if factor not in table:
            continue
        values = np.array(numbers(table[factor], f"levels.{factor}", None), dtype=np.float64)
        if not values.size or values[0] <= 0 or np.any(np.diff(values) <= 0):
            raise InputError(f"levels.{factor} are not one or more positive, rising numbers")
        levels[factor] = values
    unknown = sorted(set(table) - set(FACTORS_AND_DATA))
    if unknown:
        raise InputError(f"levels has the unknown factor {short(unknown[0])}; "
                         f"allowed are {', '.join(FACTORS_AND_DATA)}")
    for factor in form.factors:
        if factor not in levels or levels[factor].size < 2:
            raise InputError(f"the form depends on {factor}, but levels has fewer than two values of it")
    return levels


def _corners(form: Posynomial, levels: Mapping[str, Floats]) -> Floats:
    """The corners of the measured domain, where a posynomial is largest."""
    return np.array(list(product(*((levels[f][0], levels[f][-1]) for f in form.factors))))


def _target(value: Any, where: str, form: Posynomial, corners: Floats) -> TargetModel:
    table = checked_object(value, where)
    only(table, ("parameters", "chance", "noise", "law", "noise_draws", "run_draws"), where)
    parameters = checked_object(table["parameters"], f"{where}: parameters")
    only(parameters, form.parameters, f"{where}: parameters")
    chance = None if table["chance"] is None else number(table["chance"], f"{where}: chance")
    if chance is not None and not 0 <= chance < 1:
        raise InputError(f"{where}: chance is {chance!r}; allowed is at least 0 and less than 1")
    return TargetModel(
        parameters={name: number(parameters[name], f"{where}: {name}") for name in form.parameters},
        law=_laws(table["law"], f"{where}: law", form, corners, 1),
        noise_laws=_laws(table["noise_draws"], f"{where}: noise_draws", form, corners, None),
        run_laws=_laws(table["run_draws"], f"{where}: run_draws", form, corners, None),
        noise=_noise(table["noise"], f"{where}: noise"), chance=chance)


def _noise_fields() -> dict[str, Any]:
    return {field.name: field.type for field in fields(Noise)}


def _noise(value: Any, where: str) -> Noise:
    table = checked_object(value, where)
    only(table, tuple(_noise_fields()), where)
    found: dict[str, Any] = {}
    for name, kind in _noise_fields().items():
        if kind is bool:
            found[name] = flag(table[name], f"{where}: {name}")
        elif table[name] is None and kind is not float:
            found[name] = None
        else:
            found[name] = number(table[name], f"{where}: {name}")
            if not 0 <= found[name] < MAX_COUNT or (found[name] == 0 and name in ("freedom", "n_eval")):
                raise InputError(f"{where}: {name} is {found[name]:g}; allowed are positive numbers below "
                                 f"{MAX_COUNT:g}")
    return Noise(**found)


def _laws(value: Any, where: str, form: Posynomial, corners: Floats, count: int | None) -> Laws:
    table = checked_object(value, where)
    only(table, ("log_coefficients", "exponents", "columns"), where)
    columns = _columns(form)
    if table["columns"] != list(columns):
        raise InputError(f"{where}: columns are {short(table['columns'])}; "
                         f"the form's exponents are {', '.join(columns)}")
    logs = _table(table["log_coefficients"], f"{where}: log_coefficients", len(form.terms), gone=True)
    powers = _table(table["exponents"], f"{where}: exponents", len(columns))
    if len(logs) != len(powers) or len(logs) == 0 or (count is not None and len(logs) != count):
        wanted = "one" if count == 1 else "at least one, and as many in both"
        raise InputError(f"{where}: {len(logs)} rows of log_coefficients and {len(powers)} of exponents; "
                         f"allowed is {wanted}")
    matrix = np.repeat(form.exponent_matrix(dict.fromkeys(form.exponent_names, 0.0))[None], len(logs), axis=0)
    for column, cells in enumerate(columns.values()):
        for j, k in cells:
            matrix[:, j, k] = powers[:, column]
    laws = Laws(factors=form.factors, log_coefficients=logs, exponents=matrix)
    with np.errstate(all="ignore"):
        extreme = np.abs(laws.log_error(corners))
    usable = (extreme < MAX_LOG_ERROR).all(axis=1)
    if not usable.all():
        raise InputError(f"{where}: row {int(np.argmin(usable))} gives no usable error within the measured domain")
    return laws


def _table(value: Any, where: str, width: int, gone: bool = False) -> Floats:
    rows = checked_list(value, where, MAX_DRAWS)
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise InputError(f"{where}: row {place} is not a list of {width} numbers")
        for cell in row:
            if not (gone and cell is None):
                number(cell, f"{where}: row {place}")
    return np.array([[-np.inf if cell is None else float(cell) for cell in row] for row in rows],
                    dtype=np.float64).reshape(len(rows), width)
