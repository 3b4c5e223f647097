"""`python -m vidscale` is the command `vidscale`."""

import sys

from vidscale.cli import main

if __name__ == "__main__":
    sys.exit(main())
