"""Frozen records as plain values for JSON, and back. The record is the form of the file, so no key is spelled twice.

- A field that is ``None`` or ``()`` by default is left out of the file where it has that value.
- JSON has no nan: a ``float`` that is undefined is ``null`` in the file and nan in the record.
- A taxonomy has the form of its own :meth:`~hierattn.taxonomy.records.Taxonomy.to_dict`.
- A field marked by :func:`rest` holds all keys that have no field of their own.
- Unknown keys of other records are ignored: a later version may add some without raising its format version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from hierattn.taxonomy.records import Taxonomy

T = TypeVar("T")


def rest() -> Any:
    """The field of a record for all keys that have no field of their own."""
    return field(default_factory=dict, metadata={"rest": True})


def defined(value: float) -> float | None:
    """A number, or None where it is nan or infinite."""
    return float(value) if math.isfinite(value) else None


def to_plain(value: Any) -> Any:
    """Nested values as JSON can hold them: records as objects, tuples as lists, nan as None.

    >>> to_plain({"share": (np.float64(0.5), float("nan"))})
    {'share': [0.5, None]}
    """
    if isinstance(value, Taxonomy):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        plain: dict[str, Any] = {}
        for each in fields(value):
            item = getattr(value, each.name)
            if each.metadata.get("rest"):
                plain |= to_plain(item)
            elif each.default not in (None, ()) or item != each.default:
                plain[each.name] = to_plain(item)
        return plain
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_plain(kind: type[T], plain: Any) -> T:
    """The record of type ``kind`` that :func:`to_plain` made ``plain`` of.

    Raises
    ------
    ValueError
        Where a key is missing or a value is of another type; names it.
    """
    return cast(T, _read(kind, plain, ""))


def _read(kind: Any, plain: Any, path: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return plain
    if origin in (Union, UnionType):
        (inner,) = (part for part in parts if part is not NoneType)
        return None if plain is None else _read(inner, plain, path)
    if kind is Taxonomy:
        return Taxonomy.from_dict(plain)
    if is_dataclass(kind):
        return _read_record(kind, plain, path)
    if origin is tuple:
        return _read_tuple(parts, plain, path)
    if origin is Mapping:
        _check(isinstance(plain, Mapping), plain, path, "an object")
        return {str(key): _read(parts[1], item, f"{path}.{key}") for key, item in plain.items()}
    if kind is float and plain is None:
        return math.nan
    if kind in (int, float):
        _check(isinstance(plain, int | kind) and not isinstance(plain, bool), plain, path, "a number")
        return kind(plain)
    _check(isinstance(plain, kind), plain, path, {str: "a text", bool: "true or false"}.get(kind, kind.__name__))
    return plain


def _read_record(kind: Any, plain: Any, path: str) -> Any:
    _check(isinstance(plain, Mapping), plain, path, "an object")
    types = _types_of(kind)
    values: dict[str, Any] = {}
    for each in fields(kind):
        if each.metadata.get("rest"):
            values[each.name] = {key: item for key, item in plain.items() if key not in types}
        elif each.name in plain:
            values[each.name] = _read(types[each.name], plain[each.name], f"{path}.{each.name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{f'{path}.{each.name}'.lstrip('.')} is missing")
    return kind(**values)


def _read_tuple(parts: tuple[Any, ...], plain: Any, path: str) -> tuple[Any, ...]:
    _check(isinstance(plain, list | tuple), plain, path, "a list")
    if parts[-1] is Ellipsis:
        parts = parts[:1] * len(plain)
    _check(len(parts) == len(plain), plain, path, f"{len(parts)} values")
    return tuple(
        _read(part, item, f"{path}[{place}]") for place, (part, item) in enumerate(zip(parts, plain, strict=True))
    )


def _check(right: bool, plain: Any, path: str, wanted: str) -> None:
    if not right:
        raise ValueError(f"{path.lstrip('.') or 'it'} is {str(plain)[:60]!r}, wanted {wanted}")


@cache
def _types_of(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
