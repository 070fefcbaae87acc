"""``cases.csv``: what is known of each image beside its diagnosis, a row for each row of ``predictions.csv``.

Sex, age, body site and skin type as the data set says, the source, and the photograph's size. With it every figure of
a subgroup can be computed again, and two runs can be compared on the same photographs wherever their sets lie.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from hierattn.data.manifest import Record
from hierattn.errors import TableError
from hierattn.evaluation.predictions import MAX_BYTES


@dataclass(frozen=True)
class Case:
    """One image. Fields as in :class:`hierattn.data.manifest.Record`; empty or 0 where unknown."""

    image: str
    sha256: str = ""
    source: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""
    width: int = 0
    height: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """The photograph wherever its set lies: its file's name and the checksum of its bytes."""
        return self.image.rsplit("/", 1)[-1], self.sha256


COLUMNS = tuple(field.name for field in fields(Case))
_WHOLE = ("width", "height")


def case_of(record: Record) -> Case:
    """What a manifest's row says of its image."""
    return Case(**{name: getattr(record, name) for name in COLUMNS})


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write ``cases.csv``, under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(case, name) for name in COLUMNS] for case in cases)
    temporary.replace(path)


def read_cases(path: Path) -> tuple[Case, ...]:
    """Read ``cases.csv``.

    Raises
    ------
    TableError
        Where the file is missing, too large or damaged; names the line.
    """
    if not path.is_file():
        raise TableError(f"no cases at {path}: wanted a table from 'hierattn evaluate'; run that again")
    if path.stat().st_size > MAX_BYTES:
        raise TableError(f"{path} is larger than {MAX_BYTES >> 30} GiB: wanted a row an image; evaluate again")
    cases = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise TableError(f"{path} has other columns than {', '.join(COLUMNS)}; evaluate again")
            for row in reader:
                if None in row or None in row.values():
                    raise TableError(f"{path}:{reader.line_num}: wanted {len(COLUMNS)} values; evaluate again")
                texts = {name: row[name] for name in COLUMNS if name not in _WHOLE}
                cases.append(Case(**texts, width=int(row["width"]), height=int(row["height"])))
    except (ValueError, csv.Error) as error:
        raise TableError(f"{path} is not a table of cases ({error}); evaluate again") from None
    return tuple(cases)
