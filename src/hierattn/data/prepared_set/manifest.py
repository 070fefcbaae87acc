r"""The manifest: one row an image, the table that every later stage reads.

``manifest.csv`` has the columns of :class:`Record`, in its order, UTF-8, ``\\n`` line ends, empty where unknown.
Those of :data:`LATER` are there only where a row has a value: a set of several sources, or answers to questions.
Row ``i`` belongs to image ``i`` of the packed set beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hierattn.data.prepared_set.record_table import columns_of, read_records, write_records
from hierattn.errors import TableError
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy

Role = Literal["original", "augmented"]
Use = Literal["", "train", "test"]
"""What a source is for: everything, training only, or testing only."""
Domain = Literal["dermoscopic", "clinical", "unknown"]
"""How a photograph was taken: through a dermatoscope, or by a camera or phone alone."""


RENDERED = "synthetic"
"""The source of rendered lesions."""


@dataclass(frozen=True)
class Record:
    """One image of a prepared set.

    Attributes
    ----------
    image
        Path of the image file, relative to the manifest's folder, with forward slashes.
    label
        The class's code, of the set's taxonomy.
    lesion, patient
        Identifiers as the data set gives them, prefixed with nothing; empty where the set does not say.
    group
        Joins whatever must not cross folds: lesion, patient, near-duplicates.
    fold
        0 ... folds - 1; -1 before folds are made.
    role
        ``original``, or ``augmented`` for a copy, which names its ``parent`` and shares its group and fold.
    parent
        ``image`` of the original that a copy came from; empty for an original.
    source, licence
        The data set's name (``isic2019``, ``ham10000``, ``pad-ufes-20``, ``folder``, ``synthetic``) and its licence.
    age, sex, site, skin_type
        As the set says, sex as ``male`` / ``female``, skin type as Fitzpatrick's ``1`` ... ``6``; empty if unknown.
    width, height
        Pixels of the original file, after its EXIF rotation, before any crop.
    sha256
        Of the original file's bytes.
    own_label
        The source's own label, which :attr:`label` was mapped from.
    collection
        Whose identifiers ``lesion``, ``patient`` and the file's name are, where several sources share them: parts of
        one published set, or :data:`SHARED_IDS`. Empty: they count within ``source``.
    domain
        Of :data:`Domain`; empty in a set of one source and one domain.
    use
        ``train``: never in a test or an inner fold. ``test``: never in training or an inner fold, and in every test.
    itch, grew, hurt, changed, bleed, elevation
        What the patient said, ``yes`` or ``no``; empty if unknown. The words are in
        :mod:`hierattn.taxonomy.questions`, which reads :attr:`age`, :attr:`sex`, :attr:`site` and :attr:`skin_type`
        as answers, too.
    diameter_mm
        The largest, in millimetres.
    biopsied
        Whether tissue was taken, ``yes`` or ``no``: never asked, for it follows the suspicion, but figures are split
        by it.
    """

    image: str
    label: str
    lesion: str = ""
    patient: str = ""
    group: str = ""
    fold: int = -1
    role: Role = "original"
    parent: str = ""
    source: str = ""
    licence: str = ""
    age: str = ""
    sex: str = ""
    site: str = ""
    skin_type: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    own_label: str = ""
    collection: str = ""
    domain: str = ""
    use: Use = ""
    itch: str = ""
    grew: str = ""
    hurt: str = ""
    changed: str = ""
    bleed: str = ""
    elevation: str = ""
    diameter_mm: str = ""
    biopsied: str = ""


SHARED_IDS = "shared"
"""The collection of several sources of one's own: they share lesions and patients, but files may be called anything."""
CLINICAL = ("itch", "grew", "hurt", "changed", "bleed", "elevation", "diameter_mm", "biopsied")
"""Columns that only a set has whose source asked patients."""
LATER = ("own_label", "collection", "domain", "use", *CLINICAL)
"""Columns that are there only where a row has a value."""
COLUMNS: tuple[str, ...] = tuple(name for name in columns_of(Record) if name not in LATER)


def write_manifest(path: Path, records: Sequence[Record]) -> None:
    """Write ``records`` to ``path``, whole or not at all."""
    write_records(path, Record, records, later=LATER)


def read_manifest(path: Path, taxonomy: Taxonomy = EIGHT) -> list[Record]:
    """Read a manifest, of the paper's eight classes or of those that the set says.

    Raises
    ------
    TableError
        Where the file is missing, too large or no table, a column is missing, a number is none, or a label is unknown.
    """
    if not path.is_file():
        raise TableError(f"no manifest at {path}: wanted a folder made by 'hierattn prepare'; run that first")
    records = []
    for where, record in read_records(path, Record, again="prepare the set again", later=LATER):
        if record.use not in get_args(Use):
            raise TableError(f"{where}: use is {record.use!r}, wanted train, test or nothing; prepare the set again")
        if record.label not in taxonomy.by_code:
            raise TableError(f"{where}: unknown label {record.label!r}, wanted one of {', '.join(taxonomy.codes[:20])}")
        records.append(record)
    return records


def manifest_sha256(path: Path) -> str:
    """The SHA-256 of a manifest's bytes: what ``manifest.sha256`` of a run folder holds."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
