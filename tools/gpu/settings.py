"""The settings: a TOML file whose tables may inherit from the one that ``base`` names, and ``--set`` changes."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hierattn.errors import UsageError

Settings = dict[str, Any]

DEFAULT = Path(__file__).resolve().parents[2] / "reproduce" / "gpu_quarter_hour.toml"


def load_settings(path: Path = DEFAULT, changes: Sequence[str] = ()) -> Settings:
    """Read ``path`` and apply ``changes`` (``table.key=value``); inherited values are filled in last.

    Raises
    ------
    UsageError
        Where the file is not TOML, or a change names no value of it.

    >>> load_settings(changes=["student.size=64"])["paper"]["seed"]
    0
    >>> load_settings(changes=["student.size=64"])["teacher"]["mixing"]["mixup"]
    0.3
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as settings: {error}") from None
    known = {name: _inherited(values, name) for name in values}
    parsed = [_parse(change) for change in changes]
    for keys, _ in parsed:
        _refuse_unknown(path, known, keys)
    for keys, value in parsed:
        _put(values, keys, value)
    return {name: _inherited(values, name) for name in values}


def _parse(change: str) -> tuple[list[str], Any]:
    key, equals, text = change.partition("=")
    if not equals or "." not in key:
        raise UsageError(f"--set {change!r}: wanted table.key=value, e.g. student.size=192")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return key.split("."), value


def _put(values: Settings, keys: Sequence[str], value: Any) -> None:
    *path, last = keys
    for part in path:
        values = values.setdefault(part, {})
    values[last] = value


def _refuse_unknown(path: Path, known: Any, keys: Sequence[str]) -> None:
    for part in keys:
        if isinstance(known, dict) and not known:
            return  # an open table, such as options
        if not isinstance(known, dict) or part not in known:
            raise UsageError(f"--set {'.'.join(keys)}: {path.name} has no such value")
        known = known[part]


def _inherited(values: Settings, name: str) -> Settings:
    table = dict(values[name])
    base = table.pop("base", "")
    return _merged(_inherited(values, base), table) if base else table


def _merged(below: Settings, above: Settings) -> Settings:
    merged = dict(below)
    for key, value in above.items():
        former = merged.get(key)
        tables = isinstance(former, dict) and isinstance(value, dict) and key != "options"
        merged[key] = _merged(former, value) if tables else value  # type: ignore[arg-type]
    return merged
