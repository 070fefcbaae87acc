"""The family of errors. Each carries ONE line: what came, what was wanted, what to do.

::

    HierAttnError                 anything we can explain                       exit 1
    ├── UsageError                the call is wrong, nothing was touched        exit 2
    │   └── RecipeError           a recipe's key or value
    ├── DataError                 what was read does not fit
    │   ├── ImageError            one image: truncated, empty, not an image, too large
    │   ├── NoSpaceError          a disk is full
    │   ├── TableError            a data set's table or our manifest
    │   ├── TaxonomyError         a list of classes, or a class that has no place in one
    │   └── LeakError             a lesion, patient or near-duplicate in two folds
    ├── CheckpointError           a checkpoint or foreign weights
    ├── BundleError               an exported bundle
    │   └── ParityError           an export whose numbers differ from PyTorch's
    ├── HubError                  the Hugging Face Hub, or what was found there
    ├── TrainingError             divergence, out of memory
    ├── MissingPackageError       an optional package; says how to install it
    └── StoppedError              Ctrl-C or SIGTERM; says what is kept

The command line prints the line and leaves with the code above; a library user catches ``HierAttnError``.
"""

from __future__ import annotations

import importlib
import json
from types import ModuleType


class HierAttnError(Exception):
    """Anything this package can explain. ``str(error)`` is one clear line."""

    exit_code = 1


class UsageError(HierAttnError):
    """The call itself is wrong: an option, a name, a combination. Nothing was touched."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe has an unknown key, a wrong type or a value out of range. Names the key."""


class DataError(HierAttnError):
    """Data on disk do not have the form that their layout promises."""


class ImageError(DataError):
    """One image cannot be used: truncated, empty, not an image, or larger than the limit."""


class NoSpaceError(DataError):
    """A disk is full, or a quota is used up. What was there is as it was."""


class TableError(DataError):
    """A table (a data set's own, or our manifest) misses a column, a file or a known label."""


class TaxonomyError(DataError):
    """A list of classes is not allowed as it is, or a class has no place in another list."""


class LeakError(DataError):
    """A lesion, a patient or near-duplicates would stand in two folds."""


class CheckpointError(HierAttnError):
    """A checkpoint or a file of foreign weights does not fit the model."""


class BundleError(HierAttnError):
    """An exported bundle is damaged, foreign or of another format version."""


class ParityError(BundleError):
    """An export gives other numbers than PyTorch. The exported file was removed."""


class HubError(HierAttnError):
    """The Hugging Face Hub cannot be reached, refuses, or holds something else than was asked for. Holds no token."""


class TrainingError(HierAttnError):
    """Training cannot go on: the loss is not finite, or memory is out."""


class MissingPackageError(HierAttnError):
    """An optional package is needed and not installed. Says which extra brings it."""


class StoppedError(HierAttnError):
    """The user or the system stopped the command. Says what is kept, and how to go on."""

    def __str__(self) -> str:
        return f"stopped; {super().__str__()}"


def require(module: str, extra: str) -> ModuleType:
    """Import ``module`` or say which extra of hierattn installs it.

    Raises
    ------
    MissingPackageError
        Where the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing_package(module, extra) from error


def missing_package(module: str, extra: str) -> MissingPackageError:
    """The error to raise where ``module``, which ``extra`` of hierattn installs, is missing.

    >>> str(missing_package("h5py", "hdf5")).partition(":")[0]
    'h5py is not installed, and this step needs it'
    """
    return MissingPackageError(f"{module} is not installed, and this step needs it: {install_line(extra)}")


def install_line(extra: str = "") -> str:
    """The line that installs an extra from where hierattn itself came: an index, or a clone or wheel by its address.

    An index may not have hierattn, or another package of that name. Without an extra, the line brings the light
    install up to date.
    """
    from importlib import metadata  # of the start of a command it would take a tenth

    try:
        origin = json.loads(metadata.distribution("hierattn").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:  # run from its sources
        origin = {}
    what = (f"hierattn[{extra}]" if extra else "hierattn") + (f" @ {origin['url']}" if "url" in origin else "")
    return f"pip install '{what}'" if extra else f"pip install --upgrade '{what}'"
