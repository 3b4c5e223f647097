"""What benchmarks/serve_load.py recorded (`python benchmarks/serve_load.py --out tests/recorded/serve_load.json`)."""

import json
from pathlib import Path

RECORD = json.loads((Path(__file__).parents[1] / "recorded" / "serve_load.json").read_text())


def test_fifty_thousand_requests_gave_no_error_and_flat_memory():
    assert RECORD["serve_requests"] == 50_000
    assert RECORD["serve_errors"] == 0
    memory = RECORD["serve_memory_mib"]
    assert list(memory) == [str(5000 * k) for k in range(1, 11)]
    assert memory["50000"] < 1.03 * memory["10000"]
