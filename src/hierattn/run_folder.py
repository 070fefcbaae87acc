"""The run folder: what a training run leaves behind. The one place that knows its names, versions and forms. No torch.

===================== =========================================================================================
``recipe.toml``       the resolved recipe
``manifest.sha256``   of the prepared set that it was trained on: its manifest's digest, and its pixels'
``trained_on.csv``    which photographs the weights have seen
``transfer.txt``      which tensor came from which of the starting weights
``environment.json``  this folder's format version; versions of packages, machine, commit, command line
``log.csv``           one row an epoch, :data:`LOG_COLUMNS`
``events/``           TensorBoard's
``trackers.json``     which runs of MLflow and Weights & Biases are this run
``mlflow/``           MLflow's, unless a server keeps it; ``wandb/`` is that of Weights & Biases
``last.ckpt``         the state to resume from; ``previous.ckpt``, the one before, should the last be damaged
``best.safetensors``  the weights of the best epoch: what every later stage reads
``starts.jsonl``      when, where and at which step the run was started or resumed
``finished.json``     written at its end
``worker.log``        what a fold's own process printed (cross-validation)
``evaluation/``       what ``hierattn evaluate`` made of it
``shift/``            what ``hierattn shift`` made of it
===================== =========================================================================================

A cross-validation leaves one such folder a fold, ``fold-0``, ``fold-1``, ..., and ``summary.csv`` beside them
(:class:`FoldsFolder`).

Version 1 called ``trained_on.csv`` ``learnt_from.csv``, wrote no version, and spelt the recipe keys of
:data:`RENAMED_KEYS` in their former way. It is still read and resumed.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hierattn.errors import CheckpointError, RecipeError, UsageError
from hierattn.files import is_temporary, lock, tidy, write_json, write_text

FORMAT_VERSION = 2
"""Of the run folder, in its ``environment.json``. Readers must reject higher versions."""

RENAMED_KEYS: Mapping[str, str] = MappingProxyType(
    {"optimiser.post_hoc_adjustment": "optimiser.post_hoc_logit_adjustment"}
)
"""Recipe keys of earlier versions -> what they are called today, with the same meaning."""

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


def epoch_number(epoch: int) -> int:
    """The number of an epoch as people read it: logs and checkpoints count from 0, pages, figures and terminals from 1.

    >>> epoch_number(0)
    1
    """
    return epoch + 1


def current_keys(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe, as nested plain values, with every key under today's name.

    Raises
    ------
    RecipeError
        Where a key stands there under both names.

    >>> current_keys({"seed": 3, "optimiser": {"post_hoc_adjustment": 0.25}})
    {'seed': 3, 'optimiser': {'post_hoc_logit_adjustment': 0.25}}
    """
    values = dict(recipe)
    for former, present in RENAMED_KEYS.items():
        table, _, old = former.partition(".")
        new = present.partition(".")[2]
        keys = values.get(table)
        if not isinstance(keys, Mapping) or old not in keys:
            continue
        if new in keys:
            raise RecipeError(f"recipe keys {former} and {present} are one key: leave {former}, its former name, out")
        values[table] = {new if key == old else key: value for key, value in keys.items()}
    return values


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run, and the ways to read and write them. Nothing is read before it is asked for.

    >>> RunFolder(Path("runs/xs")).best.name
    'best.safetensors'
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def manifest(self) -> Path:
        """The checksum of the prepared set's manifest."""
        return self.path / "manifest.sha256"

    @property
    def log(self) -> Path:
        """One row an epoch, in the columns of :data:`LOG_COLUMNS`."""
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
    def trained_on(self) -> Path:
        """The photographs that the weights have seen, those of their teachers and starting weights included."""
        return self.path / "trained_on.csv"

    @property
    def transfer(self) -> Path:
        """Which tensor came from which of the starting weights, and which stayed fresh."""
        return self.path / "transfer.txt"

    @property
    def environment(self) -> Path:
        """What the run was made with, and the folder's format version."""
        return self.path / "environment.json"

    @property
    def events(self) -> Path:
        """TensorBoard's."""
        return self.path / "events"

    @property
    def trackers(self) -> Path:
        """Tracker -> its name for this run."""
        return self.path / "trackers.json"

    @property
    def mlflow(self) -> Path:
        """MLflow's, where no server keeps the run."""
        return self.path / "mlflow"

    @property
    def starts(self) -> Path:
        """One line for every start and resumption."""
        return self.path / "starts.jsonl"

    @property
    def finished(self) -> Path:
        """There once the run has ended."""
        return self.path / "finished.json"

    @property
    def worker_log(self) -> Path:
        """What the process that trained it as a fold has printed."""
        return self.path / "worker.log"

    @property
    def evaluation(self) -> Path:
        """The folder of the run's evaluation on its own outer fold."""
        return self.path / "evaluation"

    def evaluation_on(self, name: str) -> Path:
        """The folder of an evaluation on an external set of that name."""
        return self.path / f"evaluation-{name}"

    def looks_at(self, manifest_sha256: str) -> Path:
        """The run's looks at a set whose own log could not be written."""
        return self.path / f"looks-{manifest_sha256[:12]}.json"

    @property
    def shift(self) -> Path:
        """The folder of the measurements under a change of source."""
        return self.path / "shift"

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.recipe.exists() or self.last.exists()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the folder to this process; the system lets go of it however the process ends.

        Raises
        ------
        UsageError
            Where another process trains in it.
        """
        made = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with lock(self.path / ".lock", f"{self.path} is being trained"):
                for once in (self.recipe, self.manifest, self.environment, self.trackers, self.best, self.last):
                    tidy(once)
                yield
        finally:
            if made:
                with suppress(OSError):  # there is a run in it
                    self.path.rmdir()

    def create(self, manifest_sha256: str, environment: Mapping[str, Any], *, images_sha256: str = "") -> None:
        """Make the folder for a new run; the caller then writes :attr:`recipe`, which makes it one.

        Raises
        ------
        UsageError
            Where a run is there already, or anything else.
        """
        if self.exists():
            raise UsageError(f"{self.path} already holds a run: continue it with --resume or choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        begun = (self.manifest.name, self.environment.name, self.transfer.name, self.worker_log.name)
        for path in sorted(self.path.iterdir()):
            if path.name not in begun and not is_temporary(path):
                raise UsageError(
                    f"{self.path} holds {path.name}, which is not part of a run that was begun: nothing in it is "
                    "touched; choose another --out"
                )
        write_text(self.manifest, f"{manifest_sha256}\n{images_sha256}\n")
        write_json(self.environment, {"format_version": FORMAT_VERSION, **environment})

    def abandon(self) -> None:
        """Remove a run that was created and could not begin, so that its folder is free for another."""
        for path in (self.recipe, self.manifest, self.environment, self.transfer):
            path.unlink(missing_ok=True)

    def check_version(self) -> None:
        """Refuse a folder of a newer format; every reader asks.

        Raises
        ------
        CheckpointError
            Where it is newer than this version reads.
        """
        version = self.read_environment().get("format_version", 1)
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise CheckpointError(
                f"{self.path} has format {version}, this hierattn reads {FORMAT_VERSION}; update hierattn"
            )

    def check_same_run(
        self, former: Mapping[str, Any], recipe: Mapping[str, Any], digests: Sequence[str], same: Iterable[str] = ()
    ) -> None:
        """Refuse to resume a run with another recipe or other data: its result would belong to neither.

        Parameters
        ----------
        former, recipe
            The folder's own recipe and that of the resumed run, both resolved, as nested plain values.
        digests
            Of the set of the resumed run: its manifest's and its pixels'. A set that has moved is the same set.
        same
            Keys of other files that are the same under another path.

        Raises
        ------
        UsageError
            Where they differ; it names the keys.
        """
        recorded = self._digests()
        if recorded != list(digests)[: len(recorded)]:
            raise UsageError(f"cannot resume {self.path}: the prepared set has changed; choose another --out")
        moved = {*same, *(("data.prepared",) if len(recorded) > 1 else ())}
        differences = [difference for difference in _differences(former, recipe) if difference[0] not in moved]
        if changed := [f"{key} ({before!r}, now {now!r})" for key, before, now in differences]:
            raise UsageError(
                f"cannot resume {self.path}: the recipe differs in {', '.join(changed)}; choose another --out"
            )

    def manifest_sha256(self) -> str:
        """The checksum of the manifest of the set that the run was trained on.

        Raises
        ------
        CheckpointError
            Where it is missing or empty, or the folder's format is newer.
        """
        return self._digests()[0]

    def _digests(self) -> list[str]:
        """The manifest's and, in runs of this version, the pixels'."""
        self.check_version()
        words = self.manifest.read_text(encoding="utf-8").split() if self.manifest.is_file() else []
        if not words:
            raise CheckpointError(
                f"{self.manifest} is missing or empty: wanted the manifest's checksum; train or copy the run again"
            )
        return words

    def read_recipe(self) -> dict[str, Any]:
        """The resolved recipe as nested plain values, under today's keys.

        Raises
        ------
        UsageError
            Where there is none, or it is damaged.
        CheckpointError
            Where the folder's format is newer.
        """
        self.check_version()
        if not self.recipe.is_file():
            raise UsageError(f"{self.path} holds no {self.recipe.name}: wanted a run folder of 'hierattn train'")
        try:
            return current_keys(tomllib.loads(self.recipe.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.recipe} is damaged ({error}): copy the run again") from None

    def read_environment(self) -> dict[str, Any]:
        """What the run was made with; empty where it was not recorded."""
        try:
            values = json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def read_trackers(self) -> dict[str, dict[str, Any]]:
        """Tracker -> how it knows this run; empty where none follows it.

        Raises
        ------
        CheckpointError
            Where ``trackers.json`` is damaged.
        """
        if not self.trackers.exists():
            return {}
        try:
            values = json.loads(self.trackers.read_text(encoding="utf-8"))
            return {name: dict(values[name]) for name in values}
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{self.trackers} is damaged ({error}): move it away, and the run is tracked as a new one"
            ) from None

    def record_tracker(self, name: str, values: Mapping[str, Any]) -> None:
        """Record how a tracker knows this run."""
        write_json(self.trackers, {**self.read_trackers(), name: dict(values)})

    def record_trained_on(self, uses: Iterable[tuple[int, str]]) -> None:
        """Write ``trained_on.csv``: the first eight bytes of each photograph's SHA-256, and what it was used for."""
        rows = [f"{digest:016x},{use}" for digest, use in uses]
        write_text(self.trained_on, "\n".join(["sha256,use", *rows]) + "\n")
        (self.path / "learnt_from.csv").unlink(missing_ok=True)  # what version 1 called it

    def record_start(self, epoch: int, step: int, environment: Mapping[str, Any]) -> None:
        """Add a line to ``starts.jsonl``: a run may be resumed elsewhere, with other versions."""
        line = {"at": _now(), "epoch": epoch, "step": step, "process": os.getpid(), "host": platform.node()}
        with self.starts.open("a+", encoding="utf-8") as file:
            file.seek(0)
            cut = file.read()[-1:] not in ("", "\n")  # by a kill: its line must not swallow this one
            file.write("\n" * cut + json.dumps({**line, **environment}) + "\n")

    def read_starts(self) -> list[dict[str, Any]]:
        """The starts so far, oldest first; a line that was cut short by a kill is left out."""
        if not self.starts.exists():
            return []
        starts = []
        for line in self.starts.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                starts.append(json.loads(line))
        return starts

    def record_end(self, epochs: int, best_epoch: int, best: float) -> None:
        """Record that the run has ended."""
        write_json(self.finished, {"at": _now(), "epochs": epochs, "best_epoch": best_epoch, "best": best})

    def start_log(self, epoch: int) -> None:
        """Keep the log's rows before ``epoch`` and drop the others, so that no epoch is logged twice.

        Raises
        ------
        CheckpointError
            Where rows before it are missing.
        """
        rows = [row for row in self.read_log() if int(row["epoch"]) < epoch] if self.log.exists() else []
        if len(rows) < epoch and self.log.exists():
            raise CheckpointError(f"{self.log} lacks epochs before {epoch_number(epoch)}: it was changed; train anew")
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


@dataclass(frozen=True)
class FoldsFolder:
    """What a cross-validation leaves: a run folder a fold, and a summary.

    >>> FoldsFolder(Path("runs/xs")).run(3).path.name
    'fold-3'
    """

    path: Path

    def run(self, fold: int) -> RunFolder:
        """The run that holds ``fold`` out."""
        return RunFolder(self.path / f"fold-{fold}")

    def runs(self) -> dict[int, RunFolder]:
        """Fold -> its run folder, for those that are there, in their order."""
        names = [re.fullmatch(r"fold-(\d+)", path.name) for path in self.path.glob("fold-*") if path.is_dir()]
        return {fold: self.run(fold) for fold in sorted(int(name[1]) for name in names if name)}

    @property
    def summary(self) -> Path:
        """One row a fold: how it stands."""
        return self.path / "summary.csv"

    def without(self, source: str) -> RunFolder:
        """The run that leaves ``source`` out."""
        return RunFolder(self.path / f"without-{source}")

    def runs_without(self) -> dict[str, RunFolder]:
        """Source -> the run that leaves it out, for those that are there, by name."""
        names = sorted(path.name.removeprefix("without-") for path in self.path.glob("without-*") if path.is_dir())
        return {source: self.without(source) for source in names}

    @property
    def summary_of_sources(self) -> Path:
        """One row a source that was left out: how it stands."""
        return self.path / "sources.csv"

    @property
    def sources(self) -> Path:
        """The folder with the figures of all sources that were left out."""
        return self.path / "sources"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the folder to this process.

        Raises
        ------
        UsageError
            Where another process trains folds in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with lock(self.path / ".lock", f"{self.path} is being cross-validated"):
            yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _differences(former: Mapping[str, Any], latter: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Key, before, now."""
    differences = []
    for key in sorted(set(former) | set(latter)):
        before, now = former.get(key), latter.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            differences += _differences(before, now, f"{prefix}{key}.")
        elif before != now:
            differences.append((f"{prefix}{key}", before, now))
    return differences
