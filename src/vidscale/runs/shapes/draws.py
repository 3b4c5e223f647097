"""Random numbers from counters: draw number `slot` of example number `index` needs no draw before it.

SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) is a counter under a mixing function, so any of its outputs can be had at
once. All arithmetic is on 64-bit integers that wrap around, hence equal on every device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_WORD = (1 << 64) - 1
_GAMMA, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _signed(word: int) -> int:
    """The 64 bits as torch's int64 holds them."""
    return word - (1 << 64) if word >> 63 else word


def _shifted(words: Tensor, by: int) -> Tensor:
    """Logical shift to the right; torch's own copies the sign."""
    return (words >> by) & ((1 << (64 - by)) - 1)


def mix(words: Tensor) -> Tensor:
    """SplitMix64's mixing function on int64."""
    words = (words ^ _shifted(words, 30)) * _signed(_MIX_1)
    words = (words ^ _shifted(words, 27)) * _signed(_MIX_2)
    return words ^ _shifted(words, 31)


def mix_int(word: int) -> int:
    """The same on one Python number of 64 bits."""
    word = ((word ^ (word >> 30)) * _MIX_1) & _WORD
    word = ((word ^ (word >> 27)) * _MIX_2) & _WORD
    return word ^ (word >> 31)


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """The random numbers of a batch of examples.

    Attributes:
        states: one SplitMix64 state per example, shape (examples,).
    """

    states: Tensor

    @classmethod
    def of(cls, indices: Tensor, *, seed: int, stream: int) -> "Draws":
        """The draws of these examples.

        Args:
            indices: numbers of the examples, int64, shape (examples,).
            seed: of the data set.
            stream: which use the data set has (finetuning, evaluation, ...); streams share no examples.
        """
        key = mix_int((mix_int((seed * _GAMMA + _GAMMA) & _WORD) + (stream + 1) * _MIX_1) & _WORD)
        return cls(states=mix(indices * _signed(_GAMMA) + _signed(key)))

    def words(self, slot: int, count: int = 1) -> Tensor:
        """Numbers slot … slot+count-1 of every example, all 64 bits, shape (examples, count)."""
        slots = torch.arange(slot + 1, slot + 1 + count, device=self.states.device)
        return mix(self.states[:, None] + slots * _signed(_GAMMA))

    def below(self, bound: int, slot: int, count: int = 1) -> Tensor:
        """Whole numbers from 0 to bound-1, shape (examples, count); biased by less than bound / 2³¹."""
        return _shifted(self.words(slot, count), 33) % bound

    def one_below(self, bound: int, slot: int) -> Tensor:
        """One whole number from 0 to bound-1 per example, shape (examples,)."""
        return self.below(bound, slot)[:, 0]

    def orders(self, items: int, slot: int) -> Tensor:
        """A random order of 0 … items-1 per example, shape (examples, items)."""
        return self.words(slot, items).argsort(dim=1)
