"""Photographs inside an HDF5 file: each a dataset of a file's bytes, as ISIC 2024 is given out on Kaggle.

Such a photograph is named as if the HDF5 file were its folder: ``train-image.hdf5/ISIC_0015670``. Whoever opens a
source's photographs does it here, wherever they lie. A photograph is read alone, and refused above
:data:`~hierattn.preprocessing.photograph.MAX_BYTES` before it is read; links to other files are not followed.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hierattn.errors import DataError, ImageError, require
from hierattn.preprocessing.photograph import MAX_BYTES, read_image_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDINGS = (".hdf5", ".h5")


def image_bytes(path: Path) -> bytes:
    """The bytes of a source's photograph, in a file of its own or in an HDF5 file.

    Raises
    ------
    ImageError
        Where it is missing, is no file's bytes, or is too large.
    MissingPackageError
        Where it lies in an HDF5 file and h5py is not installed.
    """
    return read_image_bytes(path, name=path.name) if _file_of(path) is None else _member(path)


def image_state(path: Path) -> os.stat_result:
    """When, and with which size, the file was written that holds a photograph.

    Raises
    ------
    OSError
        Where it is gone.
    """
    return (_file_of(path) or path).stat()


def names_in(file: Path) -> Sequence[str]:
    """What an HDF5 file calls its datasets.

    Raises
    ------
    DataError
        Where it is no HDF5 file.
    MissingPackageError
        Where h5py is not installed.
    """
    return list(_opened(file))


def _file_of(path: Path) -> Path | None:
    """The HDF5 file that a photograph lies in; None for one of its own."""
    file = path.parent
    return file if file.suffix.lower() in _ENDINGS and file.is_file() else None


def _opened(file: Path) -> Any:
    require("h5py", "hdf5")  # in words, before the import below fails without
    state = file.stat()
    return _open(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)  # opened once for hundreds of thousands of photographs; a changed file is opened again
def _open(file: Path, changed: int, size: int) -> Any:
    del changed, size
    import h5py

    try:
        return h5py.File(file, "r")
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file} is no HDF5 file ({reason}): copy or download it again") from None


def _member(path: Path) -> bytes:
    """The bytes of one dataset."""
    h5py = require("h5py", "hdf5")
    file, name = _opened(path.parent), path.name
    link = file.get(name, getlink=True)
    if link is None:
        raise ImageError(f"{path.parent} holds no {name}: wanted one dataset an image; download it again")
    if not isinstance(link, h5py.HardLink):
        raise ImageError(f"{name} in {path.parent} is a link to elsewhere: it is not followed")
    try:
        dataset = file[name]
        is_bytes = isinstance(dataset, h5py.Dataset) and (
            (dataset.dtype.kind in "SV" and dataset.size == 1) or (dataset.dtype == np.uint8 and dataset.ndim == 1)
        )
        if not is_bytes or dataset.external:
            raise ImageError(f"{name} in {path.parent} is no file's bytes: wanted those of a JPEG or PNG")
        if dataset.nbytes > MAX_BYTES:
            raise ImageError(f"{name} in {path.parent} has {dataset.nbytes:,} bytes: wanted at most {MAX_BYTES:,}")
        content = np.empty(dataset.shape, dataset.dtype)
        dataset.read_direct(content)
    except (OSError, RuntimeError, KeyError) as error:
        raise ImageError(f"{name} in {path.parent} is damaged ({error}): download it again") from None
    return content.tobytes()
