"""How a declaration about a table is written, on the command line and in Python: messages ask for both at once."""

#: Option → the argument of `read_measurements` that says the same.
_ARGUMENTS = {"map": "mapping", "unit": "units", "chance": "chance"}


def declaration(option: str, name: str, value: str | float) -> str:
    """One declaration by name: --map, --unit or --chance.

    Example:
        >>> declaration("unit", "lm_params", "B")
        "--unit lm_params=B (in Python units={'lm_params': 'B'})"
    """
    shown = f"{value:g}" if isinstance(value, float) else value
    quoted = shown if isinstance(value, float) else repr(value)
    return f"--{option} {name}={shown} (in Python {_ARGUMENTS[option]}={{{name!r}: {quoted}}})"


def metric_declaration(metric: str) -> str:
    """What the measured column is declared to hold.

    Example:
        >>> metric_declaration("score")
        "--metric score (in Python metric='score')"
    """
    return f"--metric {metric} (in Python metric={metric!r})"
