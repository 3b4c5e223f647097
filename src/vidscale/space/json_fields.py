"""Reading a config.json field by field: every complaint says where it is and what was seen there."""

import json
from collections.abc import Mapping
from pathlib import Path

from vidscale.bounded import read_json
from vidscale.errors import InputError

#: A config.json holds some kilobytes; anything larger is some other file.
MAX_BYTES = 1_000_000
#: No dimension of a model is larger; a vocabulary of 10 million tokens does not exist.
MAX_SIZE = 10_000_000
#: Names of architectures and of options are short.
MAX_TEXT = 200


class Fields:
    """One JSON object of the file; every read says where it was and what it saw."""

    def __init__(self, source: str, values: object, defaults: Mapping[str, int] | None = None) -> None:
        if not isinstance(values, dict):
            raise InputError(f"{source} is {shown(values)}; a configuration is a JSON object")
        self.source, self.values, self.defaults = source, values, defaults or {}

    def get(self, name: str) -> object:
        """The value, its default where the file does not mention it, or None."""
        found = self.values.get(name)
        return self.defaults.get(name) if found is None and name not in self.values else found

    def under(self, name: str, defaults: Mapping[str, Mapping[str, int]], *, otherwise: str = "") -> "Fields":
        """A nested object, with the defaults of the model_type that it states."""
        nested = Fields(f"{self.source}: {name}", self.values.get(name, {} if otherwise else None))
        kind = nested.text("model_type", otherwise)
        if kind not in defaults:
            raise InputError(f"{nested.source} has model_type {kind!r}; supported here are {', '.join(defaults)}")
        nested.values = {**nested.values, "model_type": kind}
        nested.defaults = defaults[kind]
        return nested

    def integer(self, name: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number."""
        value = self.get(name)
        value = default if value is None else value
        if type(value) is not int or not least <= value <= MAX_SIZE:
            seen = "is missing" if value is None else f"is {shown(value)}"
            raise InputError(f"{self.source}: {name} {seen}; needed is a whole number from {least} to {MAX_SIZE}")
        return value

    def side(self, name: str, default: int | None = None) -> int:
        """A size that may be written as [height, width]; only squares are supported."""
        value = self.get(name)
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            value = value[0]
        return Fields(self.source, {name: value}, self.defaults).integer(name, default)

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.get(name)
        value = default if value is None else value
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise InputError(f"{self.source}: {name} is {shown(value)}; needed is a text of at most {MAX_TEXT} "
                             "characters")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise InputError(f"{self.source}: {name} is {shown(value)}; needed is true or false")
        return value


def load(file: Path) -> object:
    """What a JSON file of modest size holds; raises InputError where it cannot be read."""
    return read_json(file, MAX_BYTES, "the model's config.json")


def shown(value: object) -> str:
    """A value as the file writes it, cut where it is long."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
