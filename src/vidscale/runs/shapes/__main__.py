"""`python -m vidscale.runs.shapes`."""

import sys

from vidscale.runs.shapes.commands import main

if __name__ == "__main__":
    sys.exit(main())
