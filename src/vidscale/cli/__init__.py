"""The command line: one file per verb, the same verbs as the library."""

from vidscale.cli.app import main

__all__ = ["main"]
