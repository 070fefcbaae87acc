"""The run folder: what a training run leaves behind, and what a resumed one starts from.

``recipe.toml`` (resolved), ``manifest.sha256``, ``learnt_from.csv`` (which photographs the weights see),
``environment.json``, ``log.csv`` (a row an epoch), ``events/`` (TensorBoard), ``last.ckpt`` and ``previous.ckpt``
(resume), ``best.safetensors`` (what later stages read), ``starts.jsonl`` (when, where and at which step the run was
started or resumed), ``finished.json`` (at its end).
"""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import torch

import hierattn
from hierattn.errors import CheckpointError, UsageError
from hierattn.models.learnt_from import LearntFrom
from hierattn.training.recipe import Recipe

LOG_COLUMNS: tuple[str, ...] = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_top1",
    "validation_loss",
    "validation_top1",
    "validation_balanced_accuracy",
    "validation_macro_auc",
    "validation_balanced_loss",
    "images_per_second",
    "seconds",
)


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run, and the ways to read and write them."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def log(self) -> Path:
        """A row an epoch, in the columns of ``LOG_COLUMNS``."""
        return self.path / "log.csv"

    @property
    def last(self) -> Path:
        """The newest state to resume from."""
        return self.path / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The state before it, should the newest be damaged."""
        return self.path / "previous.ckpt"

    @property
    def best(self) -> Path:
        """The weights of the best epoch, with all that is needed to use them."""
        return self.path / "best.safetensors"

    @property
    def learnt_from(self) -> Path:
        """The photographs that the weights see, what they started from and were taught by included."""
        return self.path / "learnt_from.csv"

    @property
    def events(self) -> Path:
        """TensorBoard's."""
        return self.path / "events"

    @property
    def starts(self) -> Path:
        """A line for every start and resumption."""
        return self.path / "starts.jsonl"

    @property
    def finished(self) -> Path:
        """There once the run has come to its end."""
        return self.path / "finished.json"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the folder to this process; the system lets go of it however the process ends.

        Raises
        ------
        UsageError
            Where another process trains in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a+", encoding="utf-8") as file:
            if not _try_lock(file):
                file.seek(0)
                raise UsageError(f"{self.path} is being trained by process {file.read().strip() or 'unknown'}: wait")
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()} on {platform.node()}")
            file.flush()
            yield

    def record_start(self, epoch: int, step: int) -> None:
        """Add a line to ``starts.jsonl``: a resumed run may go on elsewhere, with other versions."""
        line = {"at": _now(), "epoch": epoch, "step": step, "process": os.getpid(), "host": platform.node()}
        with self.starts.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, **environment()}) + "\n")

    def record_learnt_from(self, seen: LearntFrom) -> None:
        """Write ``learnt_from.csv``: the first 16 digits of each photograph's SHA-256, and what it was used for."""
        rows = [f"{digest:016x},{use}" for use in ("trained", "chosen") for digest in getattr(seen, use).tolist()]
        write_text(self.learnt_from, "\n".join(["sha256,use", *rows]) + "\n")

    def read_starts(self) -> list[dict[str, Any]]:
        """The starts so far, oldest first; a line that was cut short by a kill is left out."""
        if not self.starts.exists():
            return []
        found = []
        for line in self.starts.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def record_end(self, epochs: int, best_epoch: int, best: float) -> None:
        """Say that the run has come to its end."""
        values = {"at": _now(), "epochs": epochs, "best_epoch": best_epoch, "best": best}
        write_text(self.finished, json.dumps(values, indent=2) + "\n")

    def create(self, recipe: Recipe, manifest_digest: str) -> None:
        """Make the folder for a new run.

        Raises
        ------
        UsageError
            Where a run is there already.
        """
        if self.recipe.exists() or self.last.exists():
            raise UsageError(f"{self.path} already holds a run: continue it with --resume or choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "manifest.sha256", manifest_digest + "\n")
        write_text(self.path / "environment.json", json.dumps(environment(), indent=2) + "\n")
        recipe.save(self.recipe)

    def check_same_run(self, recipe: Recipe, manifest_digest: str) -> None:
        """Refuse to resume a run with another recipe or other data: its result would belong to neither."""
        if not self.recipe.exists():
            raise UsageError(f"nothing to resume in {self.path}: it holds no recipe.toml; train without --resume")
        former = Recipe.load(self.recipe).to_dict()
        changed = list(_differences(former, recipe.to_dict()))
        if changed:
            raise UsageError(
                f"cannot resume {self.path}: the recipe differs in {', '.join(changed)}; choose another --out"
            )
        if (self.path / "manifest.sha256").read_text().strip() != manifest_digest:
            raise UsageError(f"cannot resume {self.path}: the prepared set has changed; choose another --out")

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write ``last.ckpt`` whole or not at all; what it held becomes ``previous.ckpt``."""
        temporary = self.last.with_name("last.ckpt.part")
        try:
            with temporary.open("wb") as file:
                torch.save(dict(state), file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if self.last.exists():
            os.replace(self.last, self.previous)
        os.replace(temporary, self.last)

    def load_state(self, warn: Any = print) -> dict[str, Any]:
        """The newest whole state; a damaged one is named through ``warn`` and the one before it is used."""
        for path in (self.last, self.previous):
            if not path.exists():
                continue
            try:
                return _read_state(path)
            except (RuntimeError, OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
                warn(f"{path} is damaged ({str(error).splitlines()[0][:120]}); trying the state before it")
        raise CheckpointError(f"no whole state in {self.path}: wanted last.ckpt or previous.ckpt; train anew")

    def start_log(self, epoch: int) -> None:
        """Keep the log's rows before ``epoch`` and drop the others, so that no epoch stands there twice."""
        rows = [row for row in self.read_log() if int(row["epoch"]) < epoch] if self.log.exists() else []
        if len(rows) < epoch and self.log.exists():
            raise CheckpointError(f"{self.log} lacks epochs before {epoch + 1}: it was changed; train anew")
        lines = [",".join(LOG_COLUMNS)] + [",".join(row[column] for column in LOG_COLUMNS) for row in rows]
        write_text(self.log, "\n".join(lines) + "\n")

    def append_log(self, row: Mapping[str, float]) -> None:
        """Add one epoch's row."""
        with self.log.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow([f"{row[column]:.6g}" for column in LOG_COLUMNS])

    def read_log(self) -> list[dict[str, str]]:
        """All rows, as text, without one that a kill cut short; a column that is newer than the log is ``nan``."""
        with self.log.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            whole = [row for row in reader if all(row.get(column) for column in reader.fieldnames or ())]
        return [{column: row.get(column, "nan") for column in LOG_COLUMNS} for row in whole]


def _try_lock(file: TextIO) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: without a lock
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_state(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()  # torch.load itself does not compare the checksums
    if broken is not None:
        raise ValueError(f"checksum of {broken}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _differences(former: Mapping[str, Any], latter: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted(set(former) | set(latter)):
        one, other = former.get(key), latter.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key} ({one!r}, now {other!r})")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a small text file under a temporary name first."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


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
