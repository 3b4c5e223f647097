"""The scaling factors of a video VLM: what a deployer chooses."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidscale.errors import InputError
from vidscale.given import number_given, shortly

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
            if not 0 < number_given(value, name, _WRITE[name]) < math.inf:
                raise InputError(f"{name} is {value!r}; a scaling factor is a positive finite number")

    def as_dict(self) -> dict[str, float]:
        """The three factors by name, in the package's order."""
        return {LM_PARAMS: self.lm_params, FRAMES: self.frames, TOKENS_PER_FRAME: self.tokens_per_frame}

    def __iter__(self) -> Iterator[float]:
        return iter((self.lm_params, self.frames, self.tokens_per_frame))

    @classmethod
    def of(cls, values: Any) -> "ScalingFactors":
        """Make one from three numbers in the package's order, a mapping of the three factors, or what has all three.

        A configuration of a recommendation, or one read from its JSON, names its language model too (lm_name); that
        name is left out.

        Raises:
            InputError: it is none of these, a factor is missing or unknown, or one is not a positive finite number.

        Example:
            >>> ScalingFactors.of({"lm_params": 7.5e9, "frames": 32, "tokens_per_frame": 196}).frames
            32
        """
        if isinstance(values, Mapping):
            odd = [name for name in values if name not in (*FACTORS, "lm_name")]
            missing = [name for name in FACTORS if name not in values]
            if odd or missing:
                seen = f"{odd[0]!r} is no factor" if odd else f"{', '.join(missing)} is missing"
                raise InputError(f"a configuration: {seen}; give {', '.join(FACTORS)}, such as {_SUCH_AS}")
            values = [values[name] for name in FACTORS]
        elif all(hasattr(values, name) for name in FACTORS):
            values = [getattr(values, name) for name in FACTORS]
        try:
            n, t, v = values
        except (TypeError, ValueError):
            raise InputError(f"a configuration is {shortly(values)}; give its three factors, such as {_SUCH_AS}"
                             ) from None
        n, t, v = (number_given(value, name, _WRITE[name]) for name, value in zip(FACTORS, (n, t, v), strict=True))
        return cls(lm_params=n, frames=_whole(t), tokens_per_frame=_whole(v))


def _whole(value: float) -> float:
    return int(value) if math.isfinite(value) and value == int(value) else value


#: How messages write a configuration and each of its factors.
_SUCH_AS = "{'lm_params': 7.5e9, 'frames': 32, 'tokens_per_frame': 196}"
_WRITE = {LM_PARAMS: "it is a number of parameters, such as 7.5e9", FRAMES: "it is a number of frames, such as 32",
          TOKENS_PER_FRAME: "it is a number of visual tokens per frame, such as 196"}
