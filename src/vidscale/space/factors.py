"""The scaling factors of a video VLM: what a deployer chooses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vidscale.errors import InputError

LM_PARAMS = "lm_params"
FRAMES = "frames"
TOKENS_PER_FRAME = "tokens_per_frame"
DATA_SIZE = "data_size"

#: x_N, x_T, x_V in the order every array of this package uses.
FACTORS: tuple[str, str, str] = (LM_PARAMS, FRAMES, TOKENS_PER_FRAME)

#: x_N, x_T, x_V, n: the factors of an error form.
FACTORS_AND_DATA: tuple[str, str, str, str] = (*FACTORS, DATA_SIZE)

#: Symbols as the paper prints them (Wang et al., ACL 2025, section 3).
SYMBOLS: dict[str, str] = {LM_PARAMS: "x_N", FRAMES: "x_T", TOKENS_PER_FRAME: "x_V", DATA_SIZE: "n"}

#: The one-letter suffix the paper gives each factor's parameters (a_N, a_T, a_V; d for data).
SUFFIXES: dict[str, str] = {LM_PARAMS: "N", FRAMES: "T", TOKENS_PER_FRAME: "V", DATA_SIZE: "D"}


@dataclass(frozen=True, kw_only=True)
class ScalingFactors:
    """One configuration of a video VLM: language-model size, frames, visual tokens per frame.

    Args:
        lm_params: parameters of the language model (7.5e9, not 7.5); symbol x_N.
        frames: frames taken from a video; symbol x_T.
        tokens_per_frame: visual tokens per frame after pooling, k² for a k×k grid; symbol x_V.

    Raises:
        InputError: a factor is not a positive finite number.

    Example:
        >>> ScalingFactors(lm_params=7.5e9, frames=32, tokens_per_frame=196)
        ScalingFactors(lm_params=7500000000.0, frames=32, tokens_per_frame=196)
    """

    lm_params: float
    frames: float
    tokens_per_frame: float

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not (0 < value < float("inf")):
                raise InputError(f"{name} is {value!r}; a scaling factor is a positive finite number")

    def as_dict(self) -> dict[str, float]:
        """The three factors by name, in the package's order."""
        return {LM_PARAMS: self.lm_params, FRAMES: self.frames, TOKENS_PER_FRAME: self.tokens_per_frame}

    def __iter__(self) -> Iterator[float]:
        return iter((self.lm_params, self.frames, self.tokens_per_frame))

    @classmethod
    def of(cls, values: Any) -> "ScalingFactors":
        """Make one from any (lm_params, frames, tokens_per_frame) sequence."""
        n, t, v = (float(value) for value in values)
        return cls(lm_params=n, frames=_whole(t), tokens_per_frame=_whole(v))


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
