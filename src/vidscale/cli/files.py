"""Files written whole or not at all: everything is made under a temporary name beside its place, then moved.

Whether a place can be written is found out before the work starts, not after it.
"""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from vidscale.errors import InputError

#: What this run has put in place; an interruption afterwards says so.
written: list[Path] = []

#: Hidden folders in use; whoever ends the run has to `clear` them.
temporary: list[Path] = []

_holds: list[bool] = []
_waiting: list[int] = []

#: Names that mark a folder as one that vidscale wrote.
MARKERS = ("study.json", "fit.json")


def check_file(path: Path, source: str | None = None) -> None:
    """Raise InputError unless a file can be written at this path without destroying the input `source`."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if source is not None and os.path.exists(source) and path.exists() and os.path.samefile(path, source):
        raise InputError(f"{path} is the table itself; write somewhere else")
    _probe(path)


def write_file(path: Path, content: str | bytes) -> None:
    """Write one file, whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    put_file(path, lambda place: place.write_bytes(data))


def put_file(path: Path, fill: Callable[[Path], object]) -> None:
    """Have `fill` write a file of the same name elsewhere, and move it into place."""
    try:
        with _workplace(path) as made:
            fill(made / path.name)
            with _uninterrupted():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(made / path.name, path)
                written.append(path)
    except OSError as problem:
        raise InputError(f"cannot write {path}: {problem.strerror or problem}") from None


def check_folder(folder: Path, force: bool = False) -> None:
    """Raise InputError unless a folder of results can be put at this path.

    A folder that vidscale wrote is replaced, an empty one is filled, any other needs `force`.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder with --out")
    if folder.is_dir():
        here, place = Path.cwd(), folder.resolve()
        if place == here or place in here.parents:
            raise InputError(f"{folder} holds the folder you are in; name a folder inside it with --out")
        if any(folder.iterdir()) and not ours(folder) and not force:
            raise InputError(f"{folder} holds files that are not a vidscale study; name another folder with --out, or "
                             "add --force to put the study among them")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"cannot write in {folder}: Permission denied; name another folder with --out")
    _probe(folder)


def ours(folder: Path) -> bool:
    """Whether vidscale wrote a folder: it holds a result that says so."""
    for name in MARKERS:
        try:
            found = json.loads((folder / name).read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and str(found.get("schema", "")).startswith("vidscale"):
            return True
    return False


def write_folder(folder: Path, fill: Callable[[Path], list[Path]], known: Collection[str] = ()) -> list[Path]:
    """Put a folder of results in place at once.

    Args:
        folder: where; see `check_folder`. Files of other people in it stay.
        fill: writes everything into an existing empty folder and returns what it wrote.
        known: names that earlier results may have left there, which go.

    Returns:
        The files, at their final place.
    """
    folder = folder.resolve()
    try:
        with _workplace(folder) as made:
            place = made / folder.name
            place.mkdir()
            files = [path.relative_to(place) for path in fill(place)]
            with _uninterrupted():
                _swap(place, folder, known)
                written.append(folder)
    except OSError as problem:
        raise InputError(f"cannot write {folder}: {problem.strerror or problem}") from None
    return [folder / file for file in files]


def _swap(made: Path, folder: Path, known: Collection[str]) -> None:
    """Exchange a folder for a new one; what earlier results left goes, what somebody else put there stays."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made, folder)
        return
    gone = made.parent / "replaced"
    os.replace(folder, gone)
    try:
        os.replace(made, folder)
    except OSError:
        os.replace(gone, folder)
        raise
    for entry in sorted(gone.rglob("*")):
        name = entry.relative_to(gone)
        if (entry.is_dir() and not entry.is_symlink()) or name.as_posix() in known or (folder / name).exists():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(entry, folder / name)


def _probe(path: Path) -> None:
    """Find out whether something can be created beside this path."""
    base = _existing_parent(path)
    if not base.is_dir():
        raise InputError(f"cannot write {path}: {base} is a file; choose another place with --out")
    try:
        with _workplace(path):
            pass
    except OSError as problem:
        reason = problem.strerror or problem
        raise InputError(f"cannot write {path}: {reason}; choose another place with --out") from None


def _existing_parent(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(parent for parent in path.resolve().parents if parent.exists())


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """A hidden folder beside a path, gone afterwards; missing folders of the path are made last of all."""
    with _uninterrupted():
        made = Path(tempfile.mkdtemp(dir=_existing_parent(path), prefix=f".{path.name[:64]}."))
        temporary.append(made)
    try:
        yield made
    finally:
        with _uninterrupted():
            shutil.rmtree(made, ignore_errors=True)
            temporary.remove(made)


def clear() -> None:
    """Remove everything temporary, for a run that ends without unwinding."""
    for made in temporary:
        shutil.rmtree(made, ignore_errors=True)


def postpone(number: int) -> bool:
    """Whether a signal has to wait because something is being put in place; it is raised again afterwards."""
    if _holds:
        _waiting.append(number)
    return bool(_holds)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let the few renames that put a result in place finish, whatever is pressed meanwhile.

    Blocking the signals would not do: another thread of the process would take them.
    """
    _holds.append(True)
    try:
        yield
    finally:
        _holds.pop()
        if _waiting and not _holds:
            signal.raise_signal(_waiting.pop())
