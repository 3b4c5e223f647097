"""A form as text and as LaTeX, with parameter names or with fitted values."""

from collections.abc import Mapping

from vidscale.forms.posynomial import Exponent, Posynomial
from vidscale.space import SYMBOLS

_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "xi": "ξ", "eta": "η", "kappa": "κ",
          "lambda": "λ", "mu": "μ", "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω"}


def text(form: Posynomial, values: Mapping[str, float] | None = None) -> str:
    """The formula in one line of plain text.

    Args:
        form: the form.
        values: parameters by name; with them the numbers stand in place of the names.

    Example:
        >>> from vidscale.forms import form
        >>> text(form("li"))
        'A·x_N^(-α)·x_V^(-β) + D'
    """
    parts = []
    for term in form.terms:
        head = f"{values[term.coefficient]:.4g}" if values else _plain(term.coefficient)
        powers = [f"{SYMBOLS.get(factor, factor)}^({_exponent(e, values, _plain)})"
                  for factor, e in term.exponents.items()]
        parts.append("·".join([head, *powers]))
    return " + ".join(parts)


def latex(form: Posynomial, values: Mapping[str, float] | None = None) -> str:
    r"""The formula as LaTeX mathematics, without surrounding dollars.

    Example:
        >>> from vidscale.forms import form
        >>> latex(form("li"))
        'A\\, x_N^{-\\alpha}\\, x_V^{-\\beta} + D'
    """
    parts = []
    for term in form.terms:
        head = _number(values[term.coefficient]) if values else _tex(term.coefficient)
        powers = [f"{_tex_factor(factor)}^{{{_exponent(e, values, _tex)}}}" for factor, e in term.exponents.items()]
        parts.append(r"\, ".join([head, *powers]))
    return " + ".join(parts)


def _exponent(exponent: Exponent, values: Mapping[str, float] | None, name) -> str:
    if exponent.parameter is None:
        return f"{exponent.scale:g}"
    if values:
        return f"{exponent.scale * values[exponent.parameter]:.3g}"
    sign = "-" if exponent.scale < 0 else ""
    size = "" if abs(exponent.scale) == 1 else f"{abs(exponent.scale):g}"
    return f"{sign}{size}{name(exponent.parameter)}"


def _plain(name: str) -> str:
    base, _, tail = name.partition("_")
    return _GREEK.get(base, base) + (f"_{tail}" if tail else "")


def _tex(name: str) -> str:
    base, _, tail = name.partition("_")
    head = f"\\{base}" if base in _GREEK else base
    return head + (f"_{{{tail}}}" if tail else "")


def _tex_factor(factor: str) -> str:
    return SYMBOLS[factor] if factor in SYMBOLS else r"\mathrm{" + factor.replace("_", r"\_") + "}"


def _number(value: float) -> str:
    mantissa, _, power = f"{value:.4g}".partition("e")
    return mantissa if not power else rf"{mantissa}\times 10^{{{int(power)}}}"
