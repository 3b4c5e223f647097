"""Run by torchrun in test_runs_distributed: one run on several processes."""

import sys
from pathlib import Path

from vidscale.runs.run import execute

outcome = execute(Path(sys.argv[1]))
print(outcome.state, outcome.message)
sys.exit(outcome.state != "done")
