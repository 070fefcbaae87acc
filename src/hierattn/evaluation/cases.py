"""``cases.csv``: what is known of each image beside its diagnosis, a row for each row of ``predictions.csv``.

Sex, age, body site and skin type as the data set says, the source, and the photograph's size. With it every figure of
a subgroup can be computed again, and two runs can be compared on the same photographs wherever their sets lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.record_table import columns_of, read_records, write_records
from hierattn.errors import TableError


@dataclass(frozen=True)
class Case:
    """One image. Fields as in :class:`hierattn.data.prepared_set.manifest.Record`; empty or 0 where unknown."""

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


COLUMNS = columns_of(Case)


def case_of(record: Record) -> Case:
    """What a manifest's row says of its image."""
    return Case(**{name: getattr(record, name) for name in COLUMNS})


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write ``cases.csv``, whole or not at all."""
    write_records(path, Case, cases)


def read_cases(path: Path) -> tuple[Case, ...]:
    """Read ``cases.csv``.

    Raises
    ------
    TableError
        Where the file is missing, too large or damaged; names the line.
    """
    if not path.is_file():
        raise TableError(f"no cases at {path}: wanted a table from 'hierattn evaluate'; run that again")
    return tuple(case for _, case in read_records(path, Case, again="evaluate again", exact=True))
