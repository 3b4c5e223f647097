"""Declare a form in a few lines of TOML.

    name = "add-joint"
    factors = ["lm_params", "frames", "tokens_per_frame", "data_size"]

    [[terms]]
    coefficient = "gamma"
    exponents = { frames = "-g_T", tokens_per_frame = "-g_V" }

    [[terms]]
    coefficient = "epsilon"

    [bounds]
    g_T = [0, 2]

`factors` may be left out: it defaults to the four factors of the measurements table that the terms use.
"""

import tomllib
from pathlib import Path
from typing import Any

from vidscale.errors import InputError
from vidscale.forms.catalogue import CATALOGUE, form
from vidscale.forms.posynomial import Exponent, Posynomial, Term
from vidscale.space import FACTORS_AND_DATA

_KEYS = {"name", "factors", "terms", "bounds", "source", "note", "extends"}


def load_form(source: str | Path) -> Posynomial:
    """A form from the catalogue by name, or from a TOML file by path.

    Raises:
        InputError: unknown name, unreadable file, or a declaration that is not a form.
    """
    text = str(source)
    if text in CATALOGUE or not text.endswith(".toml"):
        return form(text)
    path = Path(text)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"form file {text}: {problem.strerror or problem}; give the path of a .toml file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"form file {text} is not valid TOML: {problem}") from None
    try:
        return parse_form(content)
    except InputError as problem:
        raise InputError(f"form file {text}: {problem}") from None


def parse_form(content: dict[str, Any]) -> Posynomial:
    """A form from the content of a declaration.

    `extends = "add-interact"` starts from the terms of a catalogue form and adds the declared ones; its bounds and its
    note stay unless the declaration has its own.

    Raises:
        InputError: a key is missing, unknown, or of the wrong kind.
    """
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise InputError(f"unknown key {unknown[0]!r}; allowed are {', '.join(sorted(_KEYS))}")
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(f"name is {name!r}; give the form a name")
    tables = content.get("terms")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError("terms are missing; declare at least one [[terms]] with a coefficient")
    terms = tuple(_term(number, table) for number, table in enumerate(tables, start=1))
    bounds = _bounds(content.get("bounds", {}))
    note = ""
    if "extends" in content:
        base = form(str(content["extends"]))
        terms = base.terms + terms
        bounds, note = {**base.bounds, **bounds}, base.note
    used = {factor for term in terms for factor in term.exponents}
    factors = content.get("factors", [f for f in FACTORS_AND_DATA if f in used])
    if not isinstance(factors, list) or not all(isinstance(f, str) for f in factors):
        raise InputError(f"factors are {factors!r}; give a list of names")
    return Posynomial(name=name, factors=tuple(factors), terms=terms, bounds=bounds,
                      source=str(content.get("source", "declared by the user")), note=str(content.get("note", note)))


def _term(number: int, table: dict[str, Any]) -> Term:
    unknown = sorted(set(table) - {"coefficient", "exponents"})
    if unknown:
        raise InputError(f"term {number}: unknown key {unknown[0]!r}; allowed are coefficient and exponents")
    coefficient = table.get("coefficient")
    if not isinstance(coefficient, str):
        raise InputError(f"term {number}: coefficient is {coefficient!r}; give it a name")
    exponents = table.get("exponents", {})
    if not isinstance(exponents, dict):
        raise InputError(f'term {number}: exponents are {exponents!r}; write {{ frames = "-a_T" }}')
    return Term(coefficient=coefficient, exponents={f: Exponent.parse(e) for f, e in exponents.items()})


def _bounds(table: Any) -> dict[str, tuple[float, float]]:
    if not isinstance(table, dict):
        raise InputError(f"bounds are {table!r}; write a [bounds] table with lines such as g_T = [0, 2]")
    bounds = {}
    for name, pair in table.items():
        ok = isinstance(pair, list) and len(pair) == 2 and all(isinstance(v, int | float) for v in pair)
        if not ok:
            raise InputError(f"bounds of {name} are {pair!r}; write two numbers, [lower, upper]")
        bounds[name] = (float(pair[0]), float(pair[1]))
    return bounds
