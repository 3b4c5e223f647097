"""vidscale: inference compute-optimal video vision-language models."""

__version__ = "0.1.0"
