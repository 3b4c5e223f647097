"""What a verb needs beyond the core, said before anything is done."""

from importlib.util import find_spec

from vidscale.errors import InputError


def train_extra() -> None:
    """Raise InputError unless the libraries for training are installed."""
    missing = [name for name in ("torch", "transformers", "av", "safetensors") if find_spec(name) is None]
    if missing:
        raise InputError(f"training needs {', '.join(missing)}; install them with: pip install 'vidscale[train]'")


def serve_extra() -> None:
    """Raise InputError unless the libraries of the server are installed."""
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(f"serving needs {', '.join(missing)}; install them with: pip install 'vidscale[serve]'")
