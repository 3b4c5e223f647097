"""A repeated row that lacks what the other states is a disagreement, whichever comes first."""

import pandas as pd
import pytest

from vidscale.errors import InputError
from vidscale.measurements import read_measurements


@pytest.mark.parametrize("counts", [[100.0, None, 100.0], [None, 100.0, 100.0]])
def test_blank_beside_a_count(counts):
    rows = pd.DataFrame({"lm_params": [1e9, 1e9, 2e9], "frames": 8, "tokens_per_frame": 16, "data_size": 1e6,
                         "error": [0.5, 0.5, 0.4], "n_eval": counts})
    with pytest.raises(InputError, match=r"n_eval (100 and blank|blank and 100)"):
        read_measurements(rows)
