"""The packed set: every image decoded, cropped and resized once, in one memory-mapped array.

Training reads an epoch hundreds of times; decoding a photograph each time would take longer than the network does.
This is the one place that names the files of a prepared folder::

    taxonomy.toml   the classes; a folder of before has none, and the paper's eight
    manifest.csv    one row an image (manifest.py); row i belongs to images[i]
    images.npy      uint8, (images, size, size, 3), RGB
    prepared.json   where they come from, the ImageSpec, the crop rule, folds, counts, checksums
    audit.csv       every image of the source, kept or not and why
    splits.csv      image, group and fold: for others to reuse (splits.py)
    near_duplicates.csv     the near-duplicate pairs (search.py)
    hardness.csv, copies.csv    of a balanced set: every image's hardness, and the parent of each copy
    pictures/       to look at
    looks.json      not of the set: the looks at its outer folds (looks.py)
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

import hierattn
from hierattn.data.prepared_set.looks import LOOKS
from hierattn.data.prepared_set.manifest import Record, manifest_sha256, read_manifest
from hierattn.errors import DataError, UsageError
from hierattn.files import CONTENTS, FolderKind, check_replaceable, file_sha256, write_json
from hierattn.image_spec import ImageSpec
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import Taxonomy
from hierattn.taxonomy.toml_file import read_taxonomy, write_taxonomy

MANIFEST, IMAGES, INFO, AUDIT = "manifest.csv", "images.npy", "prepared.json", "audit.csv"
TAXONOMY = "taxonomy.toml"
SPLITS, NEAR_DUPLICATES = "splits.csv", "near_duplicates.csv"
HARDNESS, COPIES = "hardness.csv", "copies.csv"
PICTURES = "pictures"
CLEANING, CROPPED, PAIRS = (f"{PICTURES}/{name}.jpg" for name in ("cleaning", "cropped", "near_duplicates"))
DISTRIBUTION, UNDERSAMPLING = f"{PICTURES}/distribution.svg", f"{PICTURES}/undersampling.png"
OVERSAMPLING = f"{PICTURES}/oversampling.png"

PREPARED_SET = FolderKind(
    "a prepared set",
    mark=INFO,
    older=(
        *(TAXONOMY, MANIFEST, IMAGES, AUDIT, SPLITS, NEAR_DUPLICATES, HARDNESS, COPIES),
        *(CLEANING, CROPPED, PAIRS, DISTRIBUTION, UNDERSAMPLING, OVERSAMPLING),
    ),
)

FORMAT = 1
"""Version of the folder's form; a folder of another version is refused."""

_AGAIN = "prepare the set again"


@dataclass(frozen=True)
class PackedSet:
    """A prepared folder, opened.

    Attributes
    ----------
    folder
        Where it lies.
    images
        uint8, (images, size, size, 3), RGB, read-only, memory-mapped: a row is read from disk when it is asked for.
    records
        The manifest's rows, in the order of ``images``.
    image_spec
        What the images went through, and what a network trained on them expects.
    info
        The contents of ``prepared.json``.
    manifest_sha256
        Of ``manifest.csv``; a run keeps it, and refuses to resume with another.
    taxonomy
        The classes that its labels are of.
    """

    folder: Path
    images: np.ndarray
    records: list[Record]
    image_spec: ImageSpec
    info: Mapping[str, Any]
    manifest_sha256: str
    taxonomy: Taxonomy = EIGHT

    @classmethod
    def open(cls, folder: Path) -> PackedSet:
        """Open a prepared folder and check that its files belong together.

        Costs milliseconds: sizes, the manifest's checksum and the numbers of rows are compared, pixels are not read
        (:meth:`verify` reads them).

        Raises
        ------
        DataError
            Where a file is missing, damaged, cut short, changed since, or of another version.
        """
        info = _read_info(folder)
        digest = _sha256_of_manifest(folder)
        if info["manifest_sha256"] != digest:
            raise DataError(f"{folder / MANIFEST} was changed after it was prepared: wanted the one written; {_AGAIN}")
        taxonomy = _read_taxonomy(folder, info)
        records = read_manifest(folder / MANIFEST, taxonomy)
        spec = ImageSpec.from_dict(info["image_spec"])
        images = _map_images(folder / IMAGES, (len(records), spec.size, spec.size, spec.channels))
        return cls(folder, images, records, spec, info, digest, taxonomy)

    def verify(self) -> None:
        """Read every pixel and compare it with the checksum of when it was written.

        Raises
        ------
        DataError
            Where a byte differs.
        """
        digest = hashlib.sha256()
        for start in range(0, len(self.images), 256):
            digest.update(self.images[start : start + 256].tobytes())
        if digest.hexdigest() != self.info["images_sha256"]:
            raise DataError(f"{self.folder / IMAGES} is damaged: its pixels are not those written; {_AGAIN}")

    @property
    def digests(self) -> tuple[str, str]:
        """The manifest's and the pixels': what tells whether two folders hold the same set, wherever they lie."""
        return self.manifest_sha256, str(self.info["images_sha256"])

    def __len__(self) -> int:
        return len(self.records)


def check_out(out: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse an ``out`` in which no prepared set may be made; to be called before any work.

    Parameters
    ----------
    out
        The folder to make.
    overwrite
        Whether a prepared set that is there may be replaced. One to which somebody added a file never is.
    inputs
        What is read: none of it may lie in ``out``.

    Raises
    ------
    UsageError
        Where it must not be made or replaced.
    """
    if (out / LOOKS).exists():
        raise UsageError(
            f"{out} holds {LOOKS}, the record of looks at its outer folds, which must not be lost: choose another "
            "folder, or move this one away"
        )
    check_replaceable(out, PREPARED_SET, inputs=inputs)
    if not overwrite and ((out / INFO).exists() or (out / CONTENTS).exists()):
        raise UsageError(f"{out} is a prepared set already: choose another folder, or replace it with --overwrite")


def is_prepared(folder: Path) -> bool:
    """Whether a folder is a prepared set, whole or damaged."""
    try:
        return "manifest_sha256" in json.loads((folder / INFO).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def write_info(folder: Path, values: Mapping[str, Any], images_sha256: str, taxonomy: Taxonomy) -> None:
    """Write ``taxonomy.toml`` and ``prepared.json``: ``values``, this version, and the checksums of the manifest that
    is there, of the taxonomy and of all pixels.
    """
    write_taxonomy(folder / TAXONOMY, taxonomy)
    checksums = {
        "taxonomy_sha256": file_sha256(folder / TAXONOMY),
        "manifest_sha256": manifest_sha256(folder / MANIFEST),
        "images_sha256": images_sha256,
    }
    write_json(folder / INFO, {**values, "format": FORMAT, "hierattn": hierattn.__version__, **checksums})


def _read_info(folder: Path) -> dict[str, Any]:
    path = folder / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        version, needed = info["format"], (info["manifest_sha256"], info["images_sha256"], info["image_spec"])
    except FileNotFoundError:
        raise DataError(f"no prepared set at {folder} ({INFO} is missing): run 'hierattn prepare' first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}): {_AGAIN}") from None
    if version != FORMAT or not all(needed):
        raise DataError(f"{path} is of format {version}: wanted {FORMAT}, this version's; {_AGAIN}")
    return info


def _read_taxonomy(folder: Path, info: Mapping[str, Any]) -> Taxonomy:
    """The set's own classes; the paper's eight where it was prepared before sets said theirs."""
    path = folder / TAXONOMY
    if "taxonomy_sha256" not in info:
        return EIGHT
    if not path.is_file() or file_sha256(path) != info["taxonomy_sha256"]:
        raise DataError(
            f"{path} is missing or was changed after the set was prepared: wanted the one written; to change classes, "
            "edit a copy and prepare again with --taxonomy"
        )
    return read_taxonomy(path)


def _sha256_of_manifest(folder: Path) -> str:
    try:
        return manifest_sha256(folder / MANIFEST)
    except OSError:
        raise DataError(f"{folder / MANIFEST} is missing or unreadable: {_AGAIN}") from None


def _map_images(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        images = np.lib.format.open_memmap(path, mode="r")  # np.load would open an archive, too
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {_AGAIN}") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged or cut short ({str(error).splitlines()[0]}): {_AGAIN}") from None
    if images.shape != shape or images.dtype != np.uint8:
        raise DataError(f"{path} holds {images.dtype} {images.shape}, the manifest wants uint8 {shape}: {_AGAIN}")
    if path.stat().st_size != images.offset + images.nbytes:
        raise DataError(f"{path} has {path.stat().st_size} bytes, wanted {images.offset + images.nbytes}: {_AGAIN}")
    return images


class PackedWriter:
    """Writes ``images.npy`` image by image, without knowing beforehand how many will turn out to be readable.

    The pixels are written as a stream, not through a memory map: on a full disk a stream raises ``OSError``, a memory
    map kills the process.

    Attributes
    ----------
    count
        Images written so far.
    sha256
        Of all pixels, once closed.
    """

    def __init__(self, path: Path, size: int, at_most: int, *, grey: bool = False) -> None:
        self.count, self.sha256 = 0, ""
        self._shape = (size, size) if grey else (size, size, 3)
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._offset = self._write_header(at_most)

    def keep(self, checksums: Sequence[int]) -> int:
        """Resume after a writer that was stopped: keep its images as far as their CRC-32 are these, and cut the rest.

        Called again, with fewer, it cuts more.

        Returns
        -------
        int
            How many were kept.
        """
        self.count, self._digest = 0, hashlib.sha256()
        self._file.seek(self._offset)
        length = math.prod(self._shape)
        for checksum in checksums:
            pixels = self._file.read(length)
            if len(pixels) < length or zlib.crc32(pixels) != checksum:
                break
            self._digest.update(pixels)
            self.count += 1
        self._file.seek(self._offset + self.count * length)
        self._file.truncate()
        return self.count

    def flush(self) -> None:
        """Hand what was appended to the operating system: from then on it outlives this process."""
        self._file.flush()

    def append(self, image: np.ndarray) -> int:
        """Write one uint8 image, (size, size, 3), or (size, size) where they are grey; returns its CRC-32."""
        assert image.dtype == np.uint8
        assert image.shape == self._shape
        pixels = image.tobytes()
        self._digest.update(pixels)
        self._file.write(pixels)
        self.count += 1
        return zlib.crc32(pixels)

    def close(self) -> None:
        """Put the true number of images into the header; numpy leaves room for it to shrink and grow."""
        self._file.truncate()
        self._file.seek(0)
        offset = self._write_header(self.count)
        assert offset == self._offset
        self._file.close()
        self.sha256 = self._digest.hexdigest()

    def _write_header(self, count: int) -> int:
        shape = (count, *self._shape)
        np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return self._file.tell()

    def __enter__(self) -> PackedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.close()
        finally:
            with suppress(OSError):  # the full disk again, while what is left of the buffer is flushed
                self._file.close()
