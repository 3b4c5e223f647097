"""From a language-model size to a whole video VLM: the rungs of one family, and stand-ins between them.

A results table states only how large a language model is. Its exact cost depends on layers, widths and heads, so a size
is matched to a published model of the family, or to a shape interpolated between two of them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidscale.errors import InputError
from vidscale.space.architecture import LanguageModel, VideoVLM
from vidscale.space.catalogue import VIDEO_VLMS
from vidscale.space.distinct import distinct

Ints = NDArray[np.int64]

#: A stated size within 4 % of a model's x_N means that model: tables round 0.973e9 to 1e9. A wider range would give a
#: search over dense sizes parameters for nothing: the error law sees the stated size, the cost the model's.
TOLERANCE = 0.04
#: A family of one model has no neighbours to interpolate between, so it takes sizes that are stated more freely: total
#: parameters instead of x_N, or "8B" for 7.5e9.
TOLERANCE_OF_ONE = 0.12
#: A stated size further than this from the model's own is mentioned.
MENTIONED = 0.005
#: Sizes that are scaled together where a shape is interpolated; head_dim is not, it hardly varies between models.
_SCALED = ("layers", "hidden", "heads", "kv_heads", "mlp")


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Models of one family by size of their language model.

    A stated size means a rung if it lies within 4 % of the rung's x_N (parameters less input embeddings). Any other
    size gets a stand-in. A ladder of one model has none, and takes sizes within 12 % of x_N or up to all parameters.

    Attributes:
        name: such as "llava-llama3".
        vlms: the rungs, sorted by x_N.

    Raises:
        InputError: no rungs.
    """

    name: str
    vlms: tuple[VideoVLM, ...]

    def __post_init__(self) -> None:
        if not self.vlms:
            raise InputError(f"ladder {self.name!r} has no models; give at least one")
        object.__setattr__(self, "vlms", tuple(sorted(self.vlms, key=lambda vlm: vlm.lm.scaling_params)))

    def vlm(self, lm_params: float) -> VideoVLM:
        """The model that a size means, or a stand-in with a language model of exactly that x_N.

        Raises:
            InputError: no positive finite size, or a size other than its own for a ladder of one model.
        """
        if not 0 < lm_params < math.inf:
            raise InputError(f"lm_params is {lm_params!r}; allowed is a positive finite number")
        known = [vlm for vlm in self.vlms if _means(vlm.lm, lm_params, alone=len(self.vlms) == 1)]
        if known:
            return min(known, key=lambda vlm: abs(math.log(vlm.lm.scaling_params / lm_params)))
        if len(self.vlms) == 1:
            raise InputError(f"lm_params is {lm_params:g}, but {self.name} has one size, {_sizes(self.vlms)}; use that "
                             "size, or a ladder of several models")
        below, above = self._neighbours(lm_params)
        nearest = min((below, above), key=lambda vlm: abs(math.log(vlm.lm.scaling_params / lm_params)))
        lm = _between(below.lm, above.lm, lm_params)
        return replace(nearest, name=f"{self.name}-{lm_params / 1e9:.3g}b", lm=lm)

    def group(self, lm_params: ArrayLike) -> list[tuple[VideoVLM, Ints]]:
        """The models that an array of sizes means, each with the rows that mean it."""
        rows = np.asarray(lm_params, dtype=np.float64).ravel()
        values, inverse = distinct(rows)
        found = [self.vlm(value) for value in values.tolist()]
        # Several stated sizes may mean one model: rows are numbered by model.
        number = {vlm: k for k, vlm in enumerate(dict.fromkeys(found))}
        # In 16 bits, where there are no more models, the sort is by radix: one pass and not twenty.
        model = np.array([number[vlm] for vlm in found], dtype=np.min_scalar_type(len(number)))[inverse]
        order = np.argsort(model, kind="stable")
        ends = np.cumsum(np.bincount(model, minlength=len(number)))
        return list(zip(number, np.split(order, ends[:-1]), strict=True))

    def notes(self, lm_params: ArrayLike) -> str:
        """Which sizes are costed as another size's model or as a stand-in; empty where all are published models."""
        values = np.unique(np.asarray(lm_params, dtype=np.float64)).tolist()
        found = [(value, self.vlm(value)) for value in values]
        odd = [value for value, vlm in found if vlm.lm.interpolated]
        other = [f"{value:.4g} is costed as {vlm.name} ({vlm.lm.scaling_params:.4g})" for value, vlm in found
                 if not vlm.lm.interpolated and abs(value / vlm.lm.scaling_params - 1) > MENTIONED]
        said = [f"lm_params {_few(other)}"] if other else []
        ends = (self.vlms[0].lm.scaling_params, self.vlms[-1].lm.scaling_params)
        between = [f"{value:.3g}" for value in odd if ends[0] <= value <= ends[1]]
        beyond = [f"{value:.3g}" for value in odd if not ends[0] <= value <= ends[1]]
        if between:
            said.append(f"no model of {self.name} has lm_params {_few(between)}: shapes are interpolated between "
                        f"{_sizes(self.vlms)}")
        if beyond:
            said.append(f"no model of {self.name} has lm_params {_few(beyond)}: shapes are extrapolated, a guess, from "
                        f"{_sizes(self.vlms)}")
        return "; ".join(said)

    def _neighbours(self, lm_params: float) -> tuple[VideoVLM, VideoVLM]:
        """The rungs on either side; beyond the ends the end rung twice, whose aspect ratio is then kept."""
        below = [vlm for vlm in self.vlms if vlm.lm.scaling_params <= lm_params]
        above = [vlm for vlm in self.vlms if vlm.lm.scaling_params > lm_params]
        return (below or above)[-1 if below else 0], (above or below)[0 if above else -1]


def _means(lm: LanguageModel, lm_params: float, alone: bool) -> bool:
    # One range without gaps for each rung, so that a larger stated size never means a smaller model. Two per cent
    # are left for rounding where all parameters are stated.
    tolerance = TOLERANCE_OF_ONE if alone else TOLERANCE
    high = lm.scaling_params * (1 + tolerance)
    return lm.scaling_params * (1 - tolerance) <= lm_params <= (max(high, lm.params * 1.02) if alone else high)


def _few(items: list[str]) -> str:
    return ", ".join(items[:4]) + (f" and {len(items) - 4} more" if len(items) > 4 else "")


def _sizes(vlms: Iterable[VideoVLM]) -> str:
    return ", ".join(f"{vlm.lm.scaling_params:.3g} ({vlm.name})" for vlm in vlms)


def _between(below: LanguageModel, above: LanguageModel, lm_params: float) -> LanguageModel:
    """A shape between two, log-linear in log x_N, scaled so that its x_N is exactly lm_params."""
    span = math.log(above.scaling_params / below.scaling_params)
    share = math.log(lm_params / below.scaling_params) / span if span else 0.0
    nearest = above if share > 0.5 else below

    def at(name: str) -> float:
        low, high = getattr(below, name), getattr(above, name)
        # Equal sizes stay whole to the last bit: a vocabulary that is no multiple of 8 makes a slower matrix product.
        return low if low == high else low ** (1 - share) * high ** share

    shape = replace(nearest, name=f"interpolated-{lm_params:.6g}", interpolated=True,
                    tied=(1 - share) * below.tied + share * above.tied,
                    **{name: at(name) for name in (*_SCALED, "head_dim", "vocabulary")})

    def scaled(log_factor: float) -> LanguageModel:
        return replace(shape, **{name: getattr(shape, name) * math.exp(log_factor) for name in _SCALED})

    # Parameters grow at least as fast as the factor, so this bracket holds the root.
    reach = abs(math.log(lm_params / shape.scaling_params)) + 1e-6
    from scipy.optimize import brentq  # a second to import, for every command that only prices something

    factor = brentq(lambda log_factor: math.log(scaled(log_factor).scaling_params / lm_params), -reach, reach,
                    xtol=1e-15)
    return scaled(float(factor))  # pyright: ignore[reportArgumentType]


def _of_catalogue(name: str, *vlms: str) -> Ladder:
    return Ladder(name=name, vlms=tuple(VIDEO_VLMS[vlm] for vlm in vlms))


LADDERS: dict[str, Ladder] = {
    ladder.name: ladder
    for ladder in (
        _of_catalogue("llava-llama3", "llava-llama-3.2-1b", "llava-llama-3.2-3b", "llava-llama-3.1-8b"),
        _of_catalogue("qwen2-vl", "qwen2-vl-2b", "qwen2-vl-7b"),
        _of_catalogue("qwen2.5-vl", "qwen2.5-vl-3b", "qwen2.5-vl-7b"),
        _of_catalogue("internvl", "internvl3-1b", "internvl3-2b", "internvl3-8b"),
    )
}


def ladder(name: str) -> Ladder:
    """A family of published models by name; a single model's name gives a ladder of one.

    Raises:
        InputError: there is none of that name.
    """
    key = name.lower()
    if key in LADDERS:
        return LADDERS[key]
    if key in VIDEO_VLMS:
        return Ladder(name=key, vlms=(VIDEO_VLMS[key],))
    raise InputError(f"there is no ladder {name!r}; the ladders are {', '.join(LADDERS)}, and the single models "
                     f"{', '.join(VIDEO_VLMS)}")
