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


def distinct_codes(codes: Ints, most: int) -> tuple[Ints, Ints]:
    """(the distinct codes, increasing, where each code finds its own), for whole numbers from 0 and below `most`."""
    if most > MARKED:
        used, index = np.unique(codes, return_inverse=True)
        return used, index.reshape(-1)
    seen = np.zeros(most, dtype=bool)
    seen[codes] = True
    used = np.flatnonzero(seen)
    place = np.empty(most, dtype=np.int64)
    place[used] = np.arange(used.size)
    return used, place[codes]
