"""What resuming a run needs beside its folder's files: the state as torch writes it, and what made it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import hierattn
from hierattn.errors import CheckpointError, UsageError
from hierattn.files import atomic_file, file_sha256
from hierattn.run_folder import RunFolder
from hierattn.training.recipe import Recipe

_WEIGHTS_SHA256 = "weights_sha256"
WEIGHTS = ("transfer.checkpoint", "transfer.averaged_with", "distillation.teacher")
"""Recipe keys of files whose bytes take part in a run."""
IDLE = ("trackers",)
"""Recipe keys that take no part in a run's result, and may change where it is resumed."""


def create_run(folder: RunFolder, recipe: Recipe, digests: Sequence[str]) -> None:
    """Make the folder for a new run; ``digests`` are the set's, its manifest's and its pixels'.

    Raises
    ------
    UsageError
        Where a run is there already, or anything else.
    """
    manifest, images = digests
    made_with = {**environment(), _WEIGHTS_SHA256: _weights_sha256(recipe)}
    folder.create(manifest, made_with, images_sha256=images)
    recipe.save(folder.recipe)


def check_same_run(folder: RunFolder, recipe: Recipe, digests: Sequence[str]) -> None:
    """Refuse to resume a run with another recipe or other data: its result would belong to neither.

    The set and the weights that it starts or learns from are known by their bytes, wherever they lie by now.

    Raises
    ------
    UsageError
        Where they differ, or there is nothing to resume.
    """
    if not folder.recipe.is_file():
        raise UsageError(
            f"nothing to resume in {folder.path}: it holds no {folder.recipe.name}; train without --resume"
        )
    former = Recipe.from_dict(folder.read_recipe())
    recorded = folder.read_environment().get(_WEIGHTS_SHA256)
    same: list[str] = []
    if isinstance(recorded, dict):
        now = _weights_sha256(recipe)
        same = [key for key in WEIGHTS if recorded.get(key) == now.get(key)]
        if changed := [key for key in WEIGHTS if key not in same and recorded.get(key) and now.get(key)]:
            raise UsageError(
                f"cannot resume {folder.path}: other weights than before in {', '.join(changed)}; choose another --out"
            )
    folder.check_same_run(former.to_dict(), recipe.to_dict(), digests, [*same, *IDLE])


def _weights_sha256(recipe: Recipe) -> dict[str, list[str]]:
    """Recipe key -> the digests of its files, as far as they are there."""
    files = ([recipe.transfer.checkpoint], recipe.transfer.averaged_with, recipe.distillation.teacher)
    return {
        key: [file_sha256(Path(name)) for name in names if name and Path(name).is_file()]
        for key, names in zip(WEIGHTS, files, strict=True)
    }


def save_state(folder: RunFolder, state: Mapping[str, Any]) -> None:
    """Write ``last.ckpt`` whole or not at all; what it held becomes ``previous.ckpt``."""
    with atomic_file(folder.last) as part:
        with part.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the state that it follows gives up its name
        if folder.last.exists():
            os.replace(folder.last, folder.previous)


def load_state(folder: RunFolder, warn: Callable[[str], None] = print) -> dict[str, Any]:
    """The newest whole state; a damaged one is named through ``warn`` and the one before it is used.

    Raises
    ------
    CheckpointError
        Where neither is whole.
    """
    for path in (folder.last, folder.previous):
        if not path.exists():
            continue
        try:
            return _read_state(path)
        except (RuntimeError, OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            warn(f"{path} is damaged ({str(error).splitlines()[0][:120]}); trying the state before it")
    raise CheckpointError(
        f"no whole state in {folder.path}: wanted {folder.last.name} or {folder.previous.name}; train anew"
    )


def _read_state(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()  # torch.load itself does not compare the checksums
    if broken is not None:
        raise ValueError(f"checksum of {broken}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def environment() -> dict[str, Any]:
    """What a run was made with: versions, machine, threads, commit, command line."""
    packages = (
        "torch",
        "torchvision",
        "timm",
        "lightning-fabric",
        "numpy",
        "scikit-learn",
        "opencv-python-headless",
        "pillow",
    )
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    program = Path(sys.argv[0]).name
    return {
        "hierattn": hierattn.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "packages": versions,
        "command": " ".join(["hierattn" if program in ("main.py", "__main__.py") else program, *sys.argv[1:]]),
    }


@cache
def commit() -> str:
    """The commit of the checkout that this package runs from, with ``-dirty``; empty for an installed package.

    Asked once a process: the code that runs is the one that was loaded, whatever is committed meanwhile.
    """
    source = Path(hierattn.__file__).resolve().parent
    if not any((parent / ".git").exists() and (parent / "src" / "hierattn") == source for parent in source.parents):
        return ""
    try:
        run = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(run, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
