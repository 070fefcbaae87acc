"""What is published says nothing of a machine's folders: its paths are cut to their last two parts."""

from __future__ import annotations

import re
from typing import Any


def without_machine_paths(text: str) -> str:
    """Absolute paths, and those that lead out of the working folder, cut to their last two parts.

    >>> without_machine_paths("train x transfer.checkpoint=/home/a/weights/net.npz --out runs/x")
    'train x transfer.checkpoint=weights/net.npz --out runs/x'
    >>> without_machine_paths("train x --data ../sets/out/ham")
    'train x --data out/ham'
    """
    path = r"(?<![^\s\"'=(\[,])(?:\.\.)?(?:/[\w.+@~-]+)+"
    return re.sub(path, lambda match: "/".join(match[0].split("/")[1:][-2:]), text)


def plain_values(value: Any) -> Any:
    """The same nested plain values with every text through :func:`without_machine_paths`; web addresses stay."""
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    return without_machine_paths(value) if isinstance(value, str) and not value.startswith("http") else value
