"""Reading recipe files: strict TOML, a ``base`` to inherit from, ``key=value`` overrides; types and limits checked.

A file may begin with ``base = "../isic2019/hierattn_s.toml"``, a path from the file's own folder: it then holds only
what differs. Tables are merged key by key; ``name`` is never inherited. The run folder keeps the resolved recipe.
Overrides use dotted names: ``data.fold=3``, ``optimiser.learning_rate=0.001``.
"""

from __future__ import annotations

import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hierattn.errors import RecipeError
from hierattn.run_folder import current_keys

LONGEST_CHAIN = 5
LARGEST_FILE = 1024**2


@dataclass(frozen=True)
class Limits:
    """The range of a record's field, beside its type: ``epochs: Annotated[int, Limits("1 or more", least=1)]``.

    Attributes
    ----------
    wanted
        The range in words, for the error message.
    least, most
        The ends of the range, which belong to it.
    above, below
        The same, where they do not.
    """

    wanted: str
    least: float = -inf
    most: float = inf
    above: float = -inf
    below: float = inf

    def accept(self, value: float) -> bool:
        """Whether ``value`` lies within.

        >>> Limits("0 to below 1", least=0, below=1).accept(1)
        False
        """
        return self.least <= value <= self.most and self.above < value < self.below


Probability = Annotated[float, Limits("a probability, 0 to 1", least=0, most=1)]


def _limits(kind: type[Any]) -> dict[str, Limits]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: limits
        for name, hint in hints.items()
        for limits in getattr(hint, "__metadata__", ())
        if isinstance(limits, Limits)
    }


def check_limits(record: Any, prefix: str = "") -> None:
    """Check every field of a record, and of the records in it, against its limits.

    Raises
    ------
    RecipeError
        For the first value out of range; the message names the key, beginning with ``prefix``.
    """
    limits = _limits(type(record))
    for entry in fields(record):
        value, key = getattr(record, entry.name), f"{prefix}{entry.name}"
        if is_dataclass(value):
            check_limits(value, f"{key}.")
        elif entry.name in limits and not limits[entry.name].accept(value):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted {limits[entry.name].wanted}")


def read_recipe_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Nested plain values of a recipe file, its bases and the overrides, in this order; not yet checked.

    Raises
    ------
    RecipeError
        Where a file is missing or not TOML, bases run in a circle, or an override is none.
    """
    values = _with_base(path, ())
    values.setdefault("name", path.stem)
    for override in overrides:
        _apply_override(values, override)
    return values


def _with_base(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    values = _read(path)
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or not base.endswith(".toml"):
        raise RecipeError(f"{path}: base is {base!r}: wanted the path of a .toml file, from this file's folder")
    below = (path.parent / base).resolve()
    if below in chain or below == path.resolve() or len(chain) >= LONGEST_CHAIN:
        raise RecipeError(f"{path}: its base {base} leads back to itself, or over more than {LONGEST_CHAIN} files")
    inherited = _with_base(below, (*chain, path.resolve()))
    inherited.pop("name", None)
    return _merge(inherited, values)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RecipeError(f"no recipe at {path}: wanted a .toml file; 'hierattn recipes' lists the package's own")
    if path.stat().st_size > LARGEST_FILE:
        raise RecipeError(f"{path} has {path.stat().st_size} bytes: wanted a recipe, which has a few hundred")
    try:
        return current_keys(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``, table by table."""
    merged = dict(below)
    for key, value in above.items():
        former = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(former, Mapping)
        merged[key] = _merge(former, value) if both else value  # type: ignore[arg-type]
    return merged


def build_record(kind: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """A frozen dataclass of type ``kind`` from nested plain values; what is absent keeps its default.

    Raises
    ------
    RecipeError
        For an unknown key or a wrong type; the message names the key, beginning with ``prefix``.
    """
    known = {entry.name for entry in fields(kind)}
    for key in values:
        if key not in known:
            raise RecipeError(f"unknown recipe key {prefix}{key}: wanted one of {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    built = {key: _convert(hints[key], value, f"{prefix}{key}") for key, value in values.items()}
    return kind(**built)


def _convert(hint: Any, value: Any, key: str) -> Any:
    """Check ``value`` against the annotation ``hint`` and give it that type, without guessing."""
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted a table [{key}]")
        return build_record(hint, value, prefix=f"{key}.")
    if origin is Literal:
        if value not in get_args(hint):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted one of {', '.join(map(repr, get_args(hint)))}")
        return value
    if origin is tuple and get_args(hint)[1:] == (...,):  # any number of them; one may stand without brackets
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted one value or a list")
        return tuple(_convert(get_args(hint)[0], item, key) for item in items if item != "")
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) != len(get_args(hint)):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted {len(get_args(hint))} values")
        return tuple(_convert(part, item, key) for part, item in zip(get_args(hint), value, strict=True))
    if origin in (Union, types.UnionType):
        raise AssertionError(f"{key}: recipes have no optional fields")
    if origin is not None:  # Mapping[str, Any]
        if not isinstance(value, Mapping):
            raise RecipeError(f"recipe key {key} is {value!r}: wanted a table")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind: type = hint if isinstance(hint, type) else object
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RecipeError(f"recipe key {key} is {value!r}: wanted {kind.__name__}")
    return value


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r}: wanted key=value, e.g. optimiser.epochs=20")
    *path, last = key.split(".")
    table = values
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f"override {override!r}: {part} is a value, not a table")
    table[last] = _parse(text)


def _parse(text: str) -> Any:
    """A TOML value where the text is one; else the text itself, so that paths need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
