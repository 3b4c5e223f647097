"""Split rules select runs, and say why when they cannot."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidscale.errors import InputError
from vidscale.measurements import Clause, parse_rule, select

COLUMNS = pd.DataFrame({
    "data_size": [0.25e6, 1e6, 2e6, 2e6],
    "lm_params": [1e9, 7.5e9, 1e9, 7.5e9],
    "sweep": ["star", "star", "isoflop", "iso flop"],
    "seed": [0, 1, 0, 1],
})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("sweep=star", "1100"),
        ("sweep == star", "1100"),
        ("sweep!=star", "0011"),
        ("sweep='iso flop'", "0001"),
        ("data_size<=1e6", "1100"),
        ("data_size < 1000000", "1000"),
        ("data_size>=1e6 and lm_params>2e9", "0101"),
        ("data_size=2e6 AND seed=0", "0010"),
        ("seed != 0", "0101"),
        ("lm_params>1e9", "0101"),
    ],
)
def test_a_rule_selects(rule: str, expected: str) -> None:
    assert select(rule, COLUMNS).tolist() == [c == "1" for c in expected]


@pytest.mark.parametrize(
    "text", ["", "sweep", "=star", "sweep=", "sweep star", "sweep=star and", "a=<b", "__import__('os')"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="COLUMN OPERATOR VALUE"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("budget=3", "'budget'; the columns it can name are data_size, lm_params, sweep, seed"),
        ("data_size=many", "'many'"),
        ("data_size<nan", "'nan'"),
        ("sweep<star", "holds text"),
        ("sweep=grid", "no run.*sweep is one of iso flop, isoflop, star"),
        ("data_size>0", "every run.*data_size is one of 250000, 1e"),
    ],
)
def test_what_cannot_be_used_is_refused(rule: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        select(rule, COLUMNS)


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_an_input_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except InputError:
        return
    assert all(isinstance(clause, Clause) and clause.value for clause in rule.clauses)


@given(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), st.sampled_from([0.5e6, 1e6, 1.5e6]))
def test_opposite_rules_share_the_runs_between_them(sign: str, bound: float) -> None:
    opposite = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "!=": "="}[sign]
    try:
        one = select(f"data_size{sign}{bound!r}", COLUMNS)
    except InputError:
        return
    np.testing.assert_array_equal(one, ~select(f"data_size{opposite}{bound!r}", COLUMNS))
