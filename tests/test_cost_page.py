"""docs/cost.md says what the package and the recorded measurements say."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "cost.md").read_text("utf-8")


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("make_cost_tables", DOCS / "make_cost_tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_on_the_page(tables):
    assert sorted(re.findall(r"<!-- table: (\w+) -->", PAGE)) == sorted(tables.TABLES)


def test_the_tables_are_as_they_come_out_now(tables):
    assert tables.filled(PAGE, without=tables.FITTED) == PAGE


@pytest.mark.slow
def test_the_frontier_by_latency_is_as_it_comes_out_now(tables):
    """Fits a form: half a minute where nothing is compiled yet."""
    assert tables.filled(PAGE) == PAGE
