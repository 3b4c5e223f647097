"""Finding repeats without sorting: lattices repeat few values many times, and costs are worked out once for each."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Codes up to this are found by marking them in an array; larger ones by sorting.
MARKED = 2**24


def distinct(values: Floats) -> tuple[Floats, Ints]:
    """(the distinct values in order of appearance, where each value finds its own); ten times as quick as a sort."""
    import pandas as pd  # here, so that planning and pricing a run need numpy only

    index, levels = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(levels), index.astype(np.int64, copy=False)


def distinct_pairs(first: Floats, second: Floats) -> tuple[tuple[Floats, Floats], Ints]:
    """((the distinct pairs' first values, their second ones), where each row finds its pair)."""
    (a, i), (b, j) = distinct(first), distinct(second)
    codes, most = i * b.size + j, a.size * b.size
    if most > MARKED:
        used, place = np.unique(codes, return_inverse=True)
        return (a[used // b.size], b[used % b.size]), place.reshape(-1)
    seen = np.zeros(most, dtype=bool)
    seen[codes] = True
    used = np.flatnonzero(seen)
    place = np.empty(most, dtype=np.int64)
    place[used] = np.arange(used.size)
    return (a[used // b.size], b[used % b.size]), place[codes]
