"""Schemas of answers, made from the dataclasses that they are, with the sentences of their docstrings."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model


@cache
def document(kind: type) -> type[BaseModel]:
    """The schema of a frozen dataclass as the API writes it.

    Names, types and meanings are those of the dataclass, so that neither can say what the other does not.
    """
    hints, told = get_type_hints(kind), sentences(kind)
    made: dict[str, Any] = {}
    for field in fields(kind):
        made[field.name] = (_typed(hints[field.name]), Field(description=told.get(field.name)))
    doc = (kind.__doc__ or kind.__name__).strip().splitlines()[0]
    return create_model(kind.__name__, __config__=ConfigDict(extra="forbid"), __doc__=doc, **made)


def sentences(kind: type) -> dict[str, str]:
    """Attribute → what the docstring says of it, from its "Attributes:" or "Args:" section."""
    found: dict[str, str] = {}
    inside, name = False, ""
    for line in (kind.__doc__ or "").splitlines():
        text = line.strip()
        if text in ("Attributes:", "Args:"):
            inside = True
            continue
        if inside and not text:
            inside = False
        if not inside:
            continue
        start = re.match(r"([a-z_, ]+): (.+)", text)
        if start and line.startswith("        ") and not line.startswith("         "):
            name = start[1]
            for each in name.split(", "):
                found[each] = start[2]
        elif name:
            for each in name.split(", "):
                found[each] += f" {text}"
    return {each: sentence[:1].upper() + sentence[1:] for each, sentence in found.items()}


def _typed(hint: Any) -> Any:
    """A type as JSON has it: dataclasses become schemas, tuples lists."""
    if isinstance(hint, type) and is_dataclass(hint):
        return document(hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = tuple(_typed(each) if each is not NoneType else None for each in inner)
        return Union[kinds]  # noqa: UP007 - made at run time
    if origin is tuple:
        return list[_typed(inner[0])]
    if origin is not None and issubclass(origin, Mapping):
        return dict[inner[0], _typed(inner[1])]
    return hint
