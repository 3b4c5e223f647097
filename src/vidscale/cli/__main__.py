"""`python -m vidscale.cli`, the same as `vidscale`."""

import sys

from vidscale.cli.app import main

sys.exit(main())
