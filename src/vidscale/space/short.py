"""Counts in short, for sentences."""


def short(value: float) -> str:
    """A count with four significant digits.

    Example:
        >>> short(7.5e9), short(250_000), short(64)
        ('7.5B', '250k', '64')
    """
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale * (1 - 1e-12):
            return f"{value / scale:.4g}{letter}"
    return f"{value:.4g}"
