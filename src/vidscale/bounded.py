"""Reading strangers' files: never more than a bound, never anything but data."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidscale.errors import InputError

#: Entries of a folder tree that are looked at, and how deep; results lie two levels below.
MAX_ENTRIES, MAX_DEPTH = 200_000, 8


def read_bounded(path: Path, most: int, what: str) -> bytes:
    """The bytes of a regular file of at most `most` bytes.

    Raises:
        InputError: it cannot be read, is no regular file, or is larger.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file; give {what}")
        with path.open("rb") as stream:
            found = stream.read(most + 1)
    except (OSError, ValueError) as problem:
        if isinstance(problem, InputError):
            raise
        reason = getattr(problem, "strerror", None) or problem
        raise InputError(f"cannot read {str(path)[:200]}: {reason}; give {what}") from None
    if len(found) > most:
        raise InputError(f"{path} is larger than {most} bytes, so it is not {what}; give another file")
    return found


def read_json(path: Path, most: int, what: str) -> Any:
    """What a JSON file of at most `most` bytes holds.

    Raises:
        InputError: it cannot be read or is no JSON.
    """
    raw = read_bounded(path, most, what)
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        said = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise InputError(f"{path} is no valid JSON ({said}); give {what}") from None


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """(folder, folders in it, files in it) of a tree, sorted; links to folders are not followed.

    Whoever clears the list of folders is spared what is in them.

    Raises:
        InputError: the tree is too large.
    """
    seen = 0
    for here, folders, names in os.walk(root, followlinks=False):
        seen += len(folders) + len(names)
        if seen > MAX_ENTRIES:
            raise InputError(f"{root} holds more than {MAX_ENTRIES} files; give the folder of the results alone")
        folders.sort()
        if len(Path(here).relative_to(root).parts) >= MAX_DEPTH:
            folders.clear()
        yield Path(here), folders, sorted(names)
