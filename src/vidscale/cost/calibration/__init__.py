"""Measuring a GPU: reference models with random weights, timed as CUDA graphs. Needs torch."""
