"""One training run from a recipe: sets the stage, runs the epochs of ``loop.py``, keeps the run folder true."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

import hierattn
from hierattn.data.folds import check_leaks, split
from hierattn.data.packed import PackedSet
from hierattn.errors import DataError, TrainingError, UsageError
from hierattn.lesions import CODES
from hierattn.models.checkpoint import Checkpoint, count_parameters, save_checkpoint
from hierattn.models.registry import create_model
from hierattn.models.transfer import load_source, transfer_weights
from hierattn.training import seed as seeds
from hierattn.training.averaging import WeightAverage
from hierattn.training.loop import Progress, TrainingImages, epoch_row, steps_per_epoch, train_epoch, validate
from hierattn.training.optimiser import create_optimiser
from hierattn.training.progress import Listener, Silent
from hierattn.training.recipe import Recipe
from hierattn.training.run_folder import RunFolder, commit
from hierattn.training.transfer_warmup import set_frozen


@dataclass(frozen=True)
class FitResult:
    """How a run ended: ``best_epoch`` counts from 0; ``best`` is the validation figure that chose it."""

    run: Path
    epochs: int
    best_epoch: int
    best: float
    interrupted: bool


class Run:
    """A run in progress: everything that an epoch needs, and what a checkpoint holds."""

    def __init__(self, recipe: Recipe, folder: RunFolder, data: PackedSet, fabric: Fabric, listener: Listener) -> None:
        self.recipe, self.folder, self.packed, self.fabric, self.listener = recipe, folder, data, fabric, listener
        check_leaks(data.records)
        parts = split(data.records, recipe.data.fold)
        present = {record.label for record in data.records}
        self.classes = tuple(code for code in CODES if code in present)
        labels = np.array([self.classes.index(record.label) for record in data.records], dtype=np.int64)
        self.training = TrainingImages(_resident(data.images, fabric), parts.train, labels[parts.train])
        self.inner, self.inner_labels = parts.validation, labels[parts.validation]
        self._check_sizes()
        self._build()

    def _check_sizes(self) -> None:
        draws = self.recipe.data.epoch_images or len(self.training.labels)
        if draws < self.recipe.optimiser.batch_size:
            raise UsageError(
                f"an epoch of {draws} images is less than optimiser.batch_size "
                f"{self.recipe.optimiser.batch_size}: set optimiser.batch_size={max(draws // 2, 2)} or smaller"
            )
        missing = [code for i, code in enumerate(self.classes) if i not in set(self.training.labels.tolist())]
        if missing:
            raise DataError(f"no training image of {', '.join(missing)} outside folds: prepare with fewer --folds")

    def _build(self) -> None:
        recipe = self.recipe
        torch.manual_seed(seeds.derive(recipe.seed, "weights"))
        model = create_model(recipe.model.name, num_classes=len(self.classes), **recipe.model.options)
        self.transferred: frozenset[str] = frozenset()
        if recipe.transfer.checkpoint:
            report = transfer_weights(model, load_source(Path(recipe.transfer.checkpoint)))
            self.transferred = frozenset(report.transferred)
            report.save(self.folder.path / "transfer.txt")
            self.listener.note(f"transferred {len(report.transferred)} tensors; the list is in transfer.txt")
        model = model.to(memory_format=torch.channels_last)
        self.model: nn.Module
        self.model, self.optimiser = self.fabric.setup(model, create_optimiser(model, recipe.optimiser))
        decay = recipe.optimiser.averaging
        self.average = WeightAverage(self.plain_model, decay) if decay else None
        self.progress = Progress()

    @property
    def plain_model(self) -> nn.Module:
        """The model without Fabric's wrapper."""
        return self.model.get_submodule("module")

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs; the generators are not in it because steps derive theirs."""
        return {
            "progress": {key: value for key, value in asdict(self.progress).items() if key != "interrupted"},
            "model": self.plain_model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.progress = Progress(**state["progress"])
        self.plain_model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def finish_epoch(self) -> None:
        """Validate, log, keep the best, and step to the next epoch."""
        with self._averaged() as model:
            scores = validate(
                model, self.packed.images, self.inner, self.inner_labels, self.packed.image_spec, self.fabric.device
            )
            row = epoch_row(self.progress, self.recipe, scores)
            score = scores[f"validation_{self.recipe.choose_by}"]
            better = score > self.progress.best
            if better:
                self.progress.best, self.progress.best_epoch = score, self.progress.epoch
                save_checkpoint(self.folder.best, self._checkpoint(model, row))
        self.folder.append_log(row)
        self.listener.epoch(row, better)
        best, best_epoch = self.progress.best, self.progress.best_epoch
        self.progress = Progress(epoch=self.progress.epoch + 1, best=best, best_epoch=best_epoch)
        self.row = row

    @contextmanager
    def _averaged(self) -> Iterator[nn.Module]:
        """The model that counts: the averaged weights where there are any, for the time of the block."""
        model = self.plain_model
        if self.average is None:
            yield model
            return
        present = {name: value.clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.average.tensors)
        try:
            yield model
        finally:
            model.load_state_dict(present)

    def _checkpoint(self, model: nn.Module, row: Mapping[str, float]) -> Checkpoint:
        info = self.packed.info
        return Checkpoint(
            model=self.recipe.model.name,
            options=dict(self.recipe.model.options),
            classes=self.classes,
            image_spec=self.packed.image_spec,
            state_dict=model.state_dict(),
            recipe=self.recipe.to_dict(),
            provenance={
                "hierattn": hierattn.__version__,
                "commit": commit(),
                "parameters": count_parameters(model),
                "source": info.get("source", ""),
                "licence": info.get("licence", ""),
                "citation": info.get("citation", ""),
                "manifest_sha256": self.packed.manifest_sha256,
                "training_images": len(self.training.labels),
                "epoch": int(row["epoch"]),
                "validation": {key: value for key, value in row.items() if key.startswith("validation_")},
            },
        )


def fit(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    device: str = "auto",
    listener: Listener | None = None,
    save_every: int = 0,
) -> FitResult:
    """Train as ``recipe`` says and leave the run folder ``out``.

    Parameters
    ----------
    recipe
        With ``data.prepared`` set.
    out
        The run folder; it must not hold a run yet, unless ``resume``.
    resume
        Continue the run in ``out``, with the same recipe and data, at the step at which it stopped. The result is,
        bit for bit on one machine's CPU, that of a run that was never stopped.
    device
        ``auto``, ``cpu`` or ``cuda``.
    listener
        Hears of steps and epochs; :class:`~hierattn.training.progress.Bar` shows them.
    save_every
        Write the state also every so many steps within an epoch; 0 is only at an epoch's end and when stopped.

    Returns
    -------
    FitResult
        ``interrupted`` where Ctrl-C or SIGTERM ended the run early; what was learnt is in ``last.ckpt``.

    Raises
    ------
    UsageError, DataError, CheckpointError, TrainingError
        Where the recipe, the prepared set, a checkpoint or the optimisation does not allow to go on.
    """
    if not recipe.data.prepared:
        raise UsageError("the recipe names no prepared set: add --data FOLDER or data.prepared=FOLDER")
    listener = listener or Silent()
    packed = PackedSet.open(Path(recipe.data.prepared))
    folder = RunFolder(out)
    if resume:
        folder.check_same_run(recipe, packed.manifest_sha256)
    else:
        folder.create(recipe, packed.manifest_sha256)
    fabric = _fabric(device, recipe.precision)
    run = Run(recipe, folder, packed, fabric, listener)
    if resume and (folder.last.exists() or folder.previous.exists()):
        run.restore(folder.load_state(listener.note))
    try:
        return _run_epochs(run, save_every)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainingError(
            f"the disk of {out} is full: free some space and continue with --resume; the last whole state is kept"
        ) from None
    except torch.cuda.OutOfMemoryError:
        half = max(recipe.optimiser.batch_size // 2, 2)
        raise TrainingError(
            f"the device's memory does not hold a batch of {recipe.optimiser.batch_size}: "
            f"try optimiser.batch_size={half}"
        ) from None
    finally:
        listener.stop()


def _run_epochs(run: Run, save_every: int) -> FitResult:
    from torch.utils.tensorboard import SummaryWriter

    recipe, folder = run.recipe, run.folder
    steps = steps_per_epoch(recipe, len(run.training.labels))
    folder.start_log(run.progress.epoch)
    run.listener.start(steps * recipe.optimiser.epochs, steps * run.progress.epoch + run.progress.step)
    with (
        _stop_requested(run.listener) as stop,
        SummaryWriter(str(folder.events), purge_step=run.progress.epoch) as events,
    ):
        while run.progress.epoch < recipe.optimiser.epochs:
            set_frozen(run.plain_model, run.transferred, run.progress.epoch < recipe.transfer.frozen_epochs)
            _train_epoch_saving(run, steps, save_every, stop)
            if run.progress.interrupted:
                folder.save_state(run.state())
                return _result(run, interrupted=True)
            run.finish_epoch()
            for name, value in run.row.items():
                events.add_scalar(name, value, int(run.row["epoch"]))
            folder.save_state(run.state())
    return _result(run, interrupted=False)


def _train_epoch_saving(run: Run, steps: int, save_every: int, stop: threading.Event) -> None:
    """Train to the end of the epoch, or to ``stop``, writing the state every ``save_every`` steps."""

    def pause() -> bool:
        return stop.is_set() or bool(save_every and run.progress.step % save_every == 0)

    while run.progress.step < steps:
        run.progress.interrupted = False
        train_epoch(
            run.fabric,
            run.model,
            run.optimiser,
            run.average,
            run.training,
            run.packed.image_spec,
            run.recipe,
            run.progress,
            run.listener,
            pause,
        )
        if stop.is_set():
            run.progress.interrupted = True
            return
        if run.progress.interrupted:
            run.folder.save_state(run.state())
    run.progress.interrupted = False


def _result(run: Run, interrupted: bool) -> FitResult:
    progress = run.progress
    return FitResult(run.folder.path, progress.epoch, progress.best_epoch, progress.best, interrupted)


def _fabric(device: str, precision: str) -> Fabric:
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {device!r}: wanted auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch finds no such device here; use --device cpu")
    return Fabric(accelerator=device, devices=1, precision=precision)  # type: ignore[arg-type]


def _resident(images: np.ndarray, fabric: Fabric) -> np.ndarray | torch.Tensor:
    """The packed images on the device where they take less than half of its free memory; else where they are."""
    if fabric.device.type != "cuda":
        return images
    free, _ = torch.cuda.mem_get_info(fabric.device)
    if images.nbytes > free // 2:
        return images
    return torch.from_numpy(np.array(images)).to(fabric.device)


@contextmanager
def _stop_requested(listener: Listener) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C stops at once. Only the main thread hears signals."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def request(number: int, _frame: FrameType | None) -> None:
        if event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()
        listener.note("stopping after this step, keeping what was learnt (Ctrl-C again: at once)")

    former = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
