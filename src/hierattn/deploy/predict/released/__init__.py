"""The released bundles: models that come with the package, at least one for each way of taking a photograph.

Beside this file lie ``<name>.onnx``, its model card ``<name>.md``, ``release.json`` (commands, commit, recipe,
figures), ``LICENCE.md`` (non-commercial: the data's licence, not the code's) and ``SHA256SUMS``, which
``sha256sum -c`` reads too. All of it is written by ``tools/release/publish_release.py``, never by hand; a package
without bundles (``tools/release/code_wheel.py``) works, and says that it has none.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from hierattn.errors import BundleError, UsageError

Domain = Literal["dermoscopy", "phone"]
"""``dermoscopy``: taken through a dermatoscope. ``phone``: a phone's or camera's photograph without one."""

DOMAINS: tuple[Domain, ...] = get_args(Domain)

DEFAULT_DOMAIN: Domain = "dermoscopy"

DOMAIN_OF: dict[str, Domain] = {"dermoscopy": "dermoscopy", "dermoscopy-large": "dermoscopy", "phone": "phone"}
"""Released name -> its domain. ``--domain`` takes the bundle that is called as the domain, small enough for a phone or
a page; another of the same domain is asked for by its name."""

NAMES: tuple[str, ...] = tuple(DOMAIN_OF)

MAX_RELEASED_BYTES = 4_500_000
"""Largest released bundle: it lives in the repository and in every wheel."""

SUMS, RELEASE, LICENCE = "SHA256SUMS", "release.json", "LICENCE.md"
"""The files that are not named after a bundle."""

USE = "for non-commercial use only: trained on photographs under CC BY-NC 4.0 (ISIC 2019)"
"""What a command says when it takes a released bundle by default; also true of ``phone``, whose starting weights
were those."""

_MOST_SUMS = 1 << 16
_AGAIN = "install hierattn again, or give a bundle of your own with --model"


def released_folder() -> Path:
    """Where the released bundles lie, whether there are any or not."""
    return Path(str(resources.files(__name__)))


def is_released(name: str) -> bool:
    """Whether the bundle called ``name`` came with this package."""
    return name in NAMES and (released_folder() / f"{name}.onnx").is_file()


def released_bundle(name: str = DEFAULT_DOMAIN) -> Path:
    """The released bundle of a name, with its checksum verified.

    Parameters
    ----------
    name
        One of :data:`NAMES`.

    Raises
    ------
    UsageError
        For another name, or where this package came without that bundle.
    BundleError
        Where the file is not the one that was released: damaged, cut short, replaced, or a stand-in for a large file.
    """
    if name not in NAMES:
        raise UsageError(f"no released model is called {name!r}: wanted one of {', '.join(NAMES)}")
    path = released_folder() / f"{name}.onnx"
    if not path.is_file():
        raise UsageError(
            f"no model called {name} came with this hierattn: give a bundle of your own (--model model.onnx; 'hierattn "
            "export RUN model.onnx' makes one), or install the package with its models, for non-commercial use: pip "
            "install --force-reinstall --no-deps hierattn"
        )
    wanted, digest = _listed(path), hashlib.sha256(_content(path)).hexdigest()
    if wanted != digest:
        raise BundleError(f"{path} has SHA-256 {digest[:12]}…, wanted {wanted[:12]}…: it is not as released; {_AGAIN}")
    return path


def _listed(path: Path) -> str:
    """The digest that the list beside a bundle has for it."""
    sums = path.with_name(SUMS)
    try:
        with sums.open(encoding="ascii") as file:
            lines = file.read(_MOST_SUMS).splitlines()
    except (OSError, ValueError) as error:
        raise BundleError(f"{sums} cannot be read ({error}): wanted the released checksums; {_AGAIN}") from None
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if path.name not in digests:
        raise BundleError(f"{sums} does not list {path.name}: wanted its checksum; {_AGAIN}")
    return digests[path.name]


def _content(path: Path) -> bytes:
    """A bundle's bytes, which are never read where they are too many."""
    size = path.stat().st_size
    if size > MAX_RELEASED_BYTES:
        raise BundleError(f"{path} has {size:,} bytes, a released one at most {MAX_RELEASED_BYTES:,}; {_AGAIN}")
    return path.read_bytes()
