"""Files that come back: each whole at any second, and no others beside them. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from hierattn.errors import DataError
from hierattn.files import atomic_file

STATUS, LOG, ANSWERS = "status.json", "log.jsonl", "answers.npz"


def names_of(parts: list[str], teachers: int) -> list[str]:
    """The files that these parts leave behind, ``teachers`` of them fine-tuned."""
    names = [STATUS, LOG]
    for part in parts:
        if part in ("student", "paper"):
            names += [f"{part}{end}.safetensors" for end in ("", "-state", "-moments")]
    if len(names) > 2:
        names.append(ANSWERS)
    if "student" in parts:
        names += [f"teacher-{number}.safetensors" for number in range(teachers)]
    return names


def publish(made: Path, target: Path, largest: int) -> None:
    """Move a whole file to where it comes back from, in one step.

    Raises
    ------
    DataError
        Where it is larger than ``largest`` bytes, and so would not come back.
    """
    size = made.stat().st_size
    if size > largest:
        raise DataError(f"{target.name} has {size / 1e6:.1f} MB, of which {largest / 1e6:.1f} come back")
    try:
        os.replace(made, target)
    except OSError:  # another file system
        with atomic_file(target) as part:
            part.write_bytes(made.read_bytes())
        made.unlink()
