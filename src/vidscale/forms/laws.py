"""Laws: forms with numbers in them, many at once.

A fit, its bootstrap draws and its tasks differ only in numbers, so whatever evaluates or minimises a law takes a
batch of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidscale.errors import InputError
from vidscale.forms.posynomial import Posynomial

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Laws:
    """A batch of posynomials over the same factors with the same number of terms.

        f_l(x) = Σ_j exp(log_coefficients[l, j] + Σ_k exponents[l, j, k] · log x_k)

    Args:
        factors: names of the columns of every x.
        log_coefficients: shape (laws, terms); −inf marks a term that is gone.
        exponents: shape (laws, terms, factors).
    """

    factors: tuple[str, ...]
    log_coefficients: Floats
    exponents: Floats

    @classmethod
    def of(cls, form: Posynomial, parameters: Sequence[Mapping[str, float]]) -> "Laws":
        """A batch from one form and several sets of parameters in natural units."""
        with np.errstate(divide="ignore"):
            logs = np.log([[values[name] for name in form.coefficients] for values in parameters])
        powers = np.array([form.exponent_matrix(values) for values in parameters])
        return cls(factors=form.factors, log_coefficients=logs, exponents=powers)

    def __len__(self) -> int:
        return self.log_coefficients.shape[0]

    def __getitem__(self, which: int | slice | NDArray[np.int64]) -> "Laws":
        """A part of the batch; a number gives a batch of one.

        Raises:
            IndexError: a number outside the batch, which also is what ends a loop over the batch.
        """
        rows = [range(len(self))[which]] if isinstance(which, int | np.integer) else which
        return Laws(factors=self.factors, log_coefficients=self.log_coefficients[rows], exponents=self.exponents[rows])

    def over(self, factors: Sequence[str]) -> "Laws":
        """The same laws as functions of more factors, on which they do not depend."""
        missing = [factor for factor in self.factors if factor not in factors]
        if missing:
            raise InputError(f"the law depends on {missing[0]}, which is not among {', '.join(factors)}")
        wide = np.zeros((*self.exponents.shape[:2], len(factors)))
        for k, factor in enumerate(self.factors):
            wide[:, :, list(factors).index(factor)] = self.exponents[:, :, k]
        return Laws(factors=tuple(factors), log_coefficients=self.log_coefficients, exponents=wide)

    def log_error(self, x: Floats) -> Floats:
        """log f of every law at every row of x (rows, factors); shape (laws, rows)."""
        log_x = np.log(np.atleast_2d(np.asarray(x, dtype=np.float64)))
        z = self.log_coefficients[:, :, None] + self.exponents @ log_x.T
        top = z.max(axis=1, keepdims=True)
        return np.log(np.exp(z - top).sum(axis=1)) + top[:, 0, :]

    def error(self, x: Floats) -> Floats:
        """f of every law at every row of x (rows, factors); shape (laws, rows)."""
        return np.exp(self.log_error(x))


def weighted_sum(laws: Sequence[Laws], weights: Sequence[float]) -> Laws:
    """The weighted sum of laws of several tasks, batch by batch: again a batch of posynomials.

    Args:
        laws: one batch per task, equally long, over the same factors.
        weights: one non-negative weight per task, not all zero; they are normalised to sum to 1.

    Raises:
        InputError: weights that are no weights, or batches that differ in length or factors.
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (len(laws),) or np.any(w < 0) or not np.all(np.isfinite(w)) or w.sum() <= 0:
        raise InputError(f"weights are {list(weights)!r}; give {len(laws)} numbers >= 0, not all zero")
    if any(batch.factors != laws[0].factors or len(batch) != len(laws[0]) for batch in laws):
        raise InputError("the laws of a weighted sum must be equally many and over the same factors; got "
                         + ", ".join(f"{len(batch)} over ({', '.join(batch.factors)})" for batch in laws))
    with np.errstate(divide="ignore"):
        logs = [batch.log_coefficients + np.log(share) for batch, share in zip(laws, w / w.sum(), strict=True)]
    return Laws(factors=laws[0].factors, log_coefficients=np.concatenate(logs, axis=1),
                exponents=np.concatenate([batch.exponents for batch in laws], axis=1))
