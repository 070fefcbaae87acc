"""Every public module has its place in the reference: a page names a room, and all modules of that room follow.

``<!-- modules of hierattn.data.sets -->`` in a page is replaced by the modules of that package, in the order of their
names. A module that the page names itself, with ``:::``, comes where it is named and not again.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "src"
_ROOM = re.compile(r"^<!-- modules of ([\w.]+) -->$", flags=re.M)
_NAMED = re.compile(r"^::: ([\w.]+)$", flags=re.M)


def modules_of(package: str) -> list[str]:
    """The public modules of a package, without those of the packages inside it.

    A package whose own file defines functions or classes counts as a module.

    >>> modules_of("hierattn.preprocessing")[0]
    'hierattn.preprocessing.adaptive_crop'
    """
    room = SOURCE.joinpath(*package.split("."))
    files = [path for path in room.glob("*.py") if not path.name.startswith("_")]
    files += [path for path in room.glob("*/__init__.py") if _defines(path)]
    places = (path.parent if path.name == "__init__.py" else path.with_suffix("") for path in files)
    return sorted(".".join(place.relative_to(SOURCE).parts) for place in places)


def _defines(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body)


def with_modules(markdown: str) -> str:
    """Put the modules of each room that a page names in its place."""
    named = set(_NAMED.findall(markdown))

    def modules(room: re.Match[str]) -> str:
        return "\n\n".join(f"::: {name}" for name in modules_of(room[1]) if name not in named)

    return _ROOM.sub(modules, markdown)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in the rooms that the page names."""
    return with_modules(markdown)
