"""The package's own surface: every promised name exists, and importing it is light."""

import subprocess
import sys

import pytest

import vidscale


def test_every_promised_name_exists():
    for name in vidscale.__all__:
        assert getattr(vidscale, name) is not None
    assert set(vidscale.__all__) == set(vidscale._OWNER)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vidscale.nonsense


def test_import_is_light():
    """Nothing heavy is loaded before it is used."""
    code = ("import sys, vidscale; "
            "print([m for m in ('numpy', 'pandas', 'numba', 'scipy', 'matplotlib') if m in sys.modules])")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
