"""A model's place on the Hugging Face Hub: ``hf-hub:OWNER/NAME``, the files there, and how one is fetched.

The client is huggingface_hub (extra ``hub``): its cache, its offline mode (``HF_HUB_OFFLINE=1``), its tokens. This
package takes no token, stores none and prints none. What is fetched is as untrusted as any file: its size is bounded
before and after, and only readers that execute nothing see it.
"""

from __future__ import annotations

import re
from pathlib import Path

from hierattn.errors import HubError, UsageError, require

PREFIX = "hf-hub:"
"""Before a repository's name, as timm has it."""

WEIGHTS, BUNDLE, CONFIG = "model.safetensors", "model.onnx", "config.json"
"""The checkpoint, the bundle, and timm's description of the network."""
CARD, DATA_CARD, CROISSANT = "README.md", "dataset.md", "croissant.json"
"""The model card; and of the training data, without one of its photographs, a card and a record in Croissant's form."""

PUSHED: tuple[str, ...] = (WEIGHTS, BUNDLE, CONFIG, CARD, DATA_CARD, CROISSANT)
"""All that is ever pushed."""

_PLACE, _REVISION = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII), re.compile(r"[\w./-]*", re.ASCII)
_TOKEN = re.compile(r"hf_\w+|Bearer\s+\S+", re.IGNORECASE)


def is_on_hub(reference: str) -> bool:
    """Whether a model is named by its place on the hub.

    >>> is_on_hub("hf-hub:owner/name"), is_on_hub("model.onnx")
    (True, False)
    """
    return reference.startswith(PREFIX)


def repository(reference: str) -> tuple[str, str]:
    """The repository and the revision, "main" where none is named.

    >>> repository("hf-hub:owner/name"), repository("hf-hub:owner/name@v1")
    (('owner/name', 'main'), ('owner/name', 'v1'))

    Raises
    ------
    UsageError
        For anything but ``OWNER/NAME`` or ``OWNER/NAME@REVISION``.
    """
    name, _, revision = reference.removeprefix(PREFIX).partition("@")
    if not _PLACE.fullmatch(name) or len(name) > 96 or ".." in reference or not _REVISION.fullmatch(revision):
        raise UsageError(f"{reference}: wanted {PREFIX}OWNER/NAME, or {PREFIX}OWNER/NAME@REVISION")
    return name, revision or "main"


def hub_file(reference: str, name: str, most_bytes: int) -> Path:
    """A file of a repository, in the hub client's own cache; fetched where the cache does not have it.

    Parameters
    ----------
    reference
        ``hf-hub:OWNER/NAME``, with ``@REVISION`` where another than the newest is wanted.
    name
        The file's name there.
    most_bytes
        A larger one is refused: by what the hub says before it is fetched, and by its size after.

    Raises
    ------
    UsageError
        Where the reference is none.
    MissingPackageError
        Where huggingface_hub is not installed.
    HubError
        Where there is no such file, it is too large, the hub refuses, or cannot be reached and the cache has none.
    """
    place, revision = repository(reference)
    require("huggingface_hub", "hub")
    from huggingface_hub import hf_hub_download

    try:
        announced = hf_hub_download(place, name, revision=revision, dry_run=True)
        _check_size(reference, name, announced.file_size, most_bytes)
        # By the same revision, not by the commit: the cache keeps a branch's name only so, and offline it is looked up.
        path = Path(hf_hub_download(place, name, revision=revision))
    except HubError:
        raise
    except Exception as error:  # its errors share no base: HTTP, offline, gated, missing, broken answers
        raise HubError(explain(error, f"{name} of {reference}")) from None
    _check_size(reference, name, path.stat().st_size, most_bytes)
    return path


def _check_size(reference: str, name: str, size: int | None, most: int) -> None:
    if size is None or size > most:
        said = "unknown size" if size is None else f"{size:,} bytes"
        raise HubError(f"{name} of {reference} has {said}: wanted at most {most:,}; is this a model of hierattn's?")


def explain(error: BaseException, what: str) -> str:
    """What went wrong with the hub, in one line without a token.

    Parameters
    ----------
    error
        The client's.
    what
        Was asked for.
    """
    from huggingface_hub import errors

    reasons = {
        errors.GatedRepoError: "its owner must grant access first: ask on its page, then 'hf auth login'",
        errors.RepositoryNotFoundError: "no such repository, or a private one: check the name, or 'hf auth login'",
        errors.RevisionNotFoundError: "no such revision: check what stands after the @",
        errors.LocalEntryNotFoundError: "the hub cannot be reached and the cache has no copy: go online once",
        errors.EntryNotFoundError: "the repository has no such file: is it a model that 'hierattn push' made?",
        errors.LocalTokenNotFoundError: "a token is wanted: 'hf auth login'",
    }
    reason = next((text for kind, text in reasons.items() if isinstance(error, kind)), "")
    said = _TOKEN.sub("(token)", " ".join(str(error).split()))[:200]
    return f"{what}: {reason}" if reason else f"{what}: the hub's client failed ({type(error).__name__}: {said})"
