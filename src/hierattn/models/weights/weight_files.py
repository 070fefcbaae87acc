"""Read weights from a file without running anything in it, and fetch the peers' published files."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hierattn.errors import CheckpointError, UsageError

LARGEST_FILE = 2 * 1024**3
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


def published_url(name: str) -> str:
    """Where a peer's ImageNet weights are published by torchvision or, for MobileViT, by timm.

    Raises
    ------
    UsageError
        For a model that no library publishes weights of.
    """
    from hierattn.models.peers import PEERS

    if name not in PEERS:
        raise UsageError(f"no library publishes weights of {name}: wanted one of {', '.join(PEERS)}")
    peer = PEERS[name]
    if peer.library == "timm":
        return f"https://huggingface.co/timm/{peer.builder}.cvnets_in1k/resolve/main/model.safetensors"
    from torchvision.models import get_model_weights

    return str(get_model_weights(peer.builder).DEFAULT.url)


def fetch_published(name: str, folder: Path, *, url: str | None = None) -> Path:
    """Download a peer's published ImageNet weights into ``folder``; a file already there is used as it is.

    torchvision writes the start of the SHA-256 into its file names, and what arrives is checked against it.

    Parameters
    ----------
    name
        A peer, e.g. ``"mobilenet_v2"``.
    folder
        Made where missing.
    url
        Another place of the same file, e.g. a mirror.

    Raises
    ------
    CheckpointError
        Where nothing can be fetched, or something else arrives.
    """
    url = url or published_url(name)
    filename = url.rpartition("/")[2]
    target = folder / (f"{name}.safetensors" if filename == "model.safetensors" else filename)
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    digest = torch.hub.HASH_REGEX.search(filename)
    try:
        # Downloads under a temporary name in the same folder and renames it when the hash agrees.
        torch.hub.download_url_to_file(url, str(target), digest.group(1) if digest else None, progress=False)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{url} could not be fetched ({error}); download it by hand and give the file") from None
    return target
