"""One training run from a recipe: opens the run folder, runs the epochs of ``loop.py``, and records them there."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import HierAttnError, TrainingError, UsageError
from hierattn.files import is_no_space
from hierattn.run_folder import RunFolder
from hierattn.tracking.trackers import Ending, check_installed, open_trackers
from hierattn.training.devices import any_process, create_fabric, precision_on
from hierattn.training.listener import Listener, Silent
from hierattn.training.loop import steps_per_epoch
from hierattn.training.memory import is_out_of_memory, roomy_batch
from hierattn.training.optimisation.transfer_warmup import set_frozen
from hierattn.training.recipe import Recipe
from hierattn.training.run import Run
from hierattn.training.run_state import check_same_run, create_run, environment, load_state
from hierattn.training.stop_signal import stop_requested
from hierattn.training.validation import figure_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class FitResult:
    """How a run ended: ``best_epoch`` counts from 0; ``best`` is the validation figure that selected it."""

    run: Path
    epochs: int
    best_epoch: int
    best: float
    interrupted: bool


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
        Resume the run in ``out``, with the same recipe and data, at the step at which it stopped. The result is,
        bit for bit on one machine's CPU, that of a run that was never stopped.
    device
        ``auto``, ``cpu`` or ``cuda``. Under ``torchrun`` all its processes train the one run.
    listener
        Is told of steps and epochs; :class:`~hierattn.training.listener.Bar` shows them.
    save_every
        Write the state also every so many steps within an epoch; 0 is only at an epoch's end and when stopped.

    Returns
    -------
    FitResult
        ``interrupted`` where Ctrl-C or SIGTERM ended the run early; its state is saved.

    Raises
    ------
    UsageError, DataError, CheckpointError, TrainingError
        Where the recipe, the prepared set, a checkpoint, a tracker or the optimisation does not allow to go on.
    MissingPackageError
        Where the library of a tracker is not installed; nothing was made.
    """
    recipe = recipe.with_fold(recipe.data.fold)
    packed = open_prepared(recipe)
    fabric = create_fabric(device, recipe)
    listener = (listener if fabric.is_global_zero else None) or Silent()
    precision = precision_on(device, recipe.precision)
    if precision != recipe.precision:
        listener.note(f"precision {recipe.precision}: slow without AVX-512, so {precision} in its place")
    folder = RunFolder(out)
    if fabric.is_global_zero:
        check_installed(recipe.trackers)
    with stop_requested(listener.note) as stop, _opened(folder, recipe, packed, resume, fabric):
        with explained(recipe, folder, packed, fabric):
            try:
                run = Run(recipe, folder, packed, fabric, listener)
            except HierAttnError:
                if fabric.is_global_zero and not resume:
                    folder.abandon()
                raise
            if resume and (folder.last.exists() or folder.previous.exists()):
                run.restore(load_state(folder, listener.note))
        if fabric.is_global_zero:
            folder.record_trained_on(run.trained_on.uses())
            folder.record_start(run.position.epoch, run.position.step, {**environment(), "precision": precision})
        try:
            with explained(recipe, folder, packed, fabric):
                return _run_epochs(run, save_every, stop)
        finally:
            listener.stop()


def open_prepared(recipe: Recipe) -> PackedSet:
    """The prepared set that ``recipe`` names.

    Raises
    ------
    UsageError, DataError
        Where it names none, or the folder is not one.
    """
    if not recipe.data.prepared:
        raise UsageError("the recipe names no prepared set: add --data FOLDER or data.prepared=FOLDER")
    return PackedSet.open(Path(recipe.data.prepared))


@contextmanager
def _opened(folder: RunFolder, recipe: Recipe, packed: PackedSet, resume: bool, fabric: Fabric) -> Iterator[None]:
    """The run folder, checked or made, and locked by the first of all processes."""
    if not fabric.is_global_zero:
        fabric.barrier()
        yield
        return
    with folder.lock():
        if resume:
            check_same_run(folder, recipe, packed.digests)
            if folder.read_recipe() != recipe.to_dict():  # what has moved is found at its new place from now on
                recipe.save(folder.recipe)
        else:
            create_run(folder, recipe, packed.digests)
        fabric.barrier()
        yield


@contextmanager
def explained(recipe: Recipe, folder: RunFolder, packed: PackedSet, fabric: Fabric) -> Iterator[None]:
    """Turn a full disk and a full memory into errors that say what to do.

    Raises
    ------
    TrainingError
        In the place of what a full memory or a full disk raised, with what to do.
    """
    try:
        with _quiet_threads():
            yield
    except Exception as error:
        if is_no_space(error):
            raise TrainingError(
                f"the disk of {folder.path} is full: free some space and continue with --resume; the last whole "
                "state is there"
            ) from None
        if not is_out_of_memory(error):
            raise
        asked = re.search(r"Tried to allocate ([\d.]+ [KMG]iB)", str(error))  # as CUDA says it
        traceback.clear_frames(error.__traceback__)  # they hold the tensors that filled the memory
    else:
        return
    batch = recipe.optimiser.batch_size
    fits = roomy_batch(recipe, folder, packed, fabric)
    known = f"a batch of {fits} fits: optimiser.batch_size={fits}, and another run folder"
    advice = known if fits else f"try optimiser.batch_size={max(batch // 4, 2)}; what else runs here takes memory too"
    more = f" ({asked[1]} more were asked for)" if asked else ""
    raise TrainingError(f"the memory does not hold this training with a batch of {batch}{more}: {advice}")


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """TensorBoard's thread tells the main one of a full disk; it need not print it as well."""
    former = threading.excepthook
    threading.excepthook = lambda failed: None if failed.exc_value and is_no_space(failed.exc_value) else former(failed)
    try:
        yield
    finally:
        threading.excepthook = former


def _run_epochs(run: Run, save_every: int, stop: threading.Event) -> FitResult:
    recipe, folder = run.recipe, run.folder
    steps = steps_per_epoch(recipe, len(run.training.labels))
    first = run.fabric.is_global_zero
    if first:
        folder.start_log(run.position.epoch)
    run.listener.start(steps * recipe.optimiser.epochs, steps * run.position.epoch + run.position.step)
    names = recipe.trackers if first else ()
    trackers = open_trackers(names, folder, recipe.to_dict(), run.position.epoch, run.listener.note)
    ending: Ending = "failed"
    try:
        while run.position.epoch < recipe.optimiser.epochs and not run.exhausted:
            set_frozen(run.network, run.transferred, run.position.epoch < recipe.transfer.frozen_epochs)
            _train_epoch_saving(run, steps, save_every, stop)
            if run.position.interrupted:
                run.save()
                ending = "stopped"
                return _result(run, interrupted=True)
            run.finish_epoch()
            trackers.log(run.row)
            run.save()
        ending = "finished"
    finally:
        trackers.close(ending)
    result = _result(run, interrupted=False)
    if first:
        folder.record_end(result.epochs, result.best_epoch, result.best)
    return result


def _train_epoch_saving(run: Run, steps: int, save_every: int, stop: threading.Event) -> None:
    """Train to the end of the epoch, or to ``stop``, writing the state every ``save_every`` steps."""
    stopping = False

    def pause() -> bool:
        nonlocal stopping
        stopping = any_process(run.fabric, stop.is_set(), run.position.step, steps)
        return stopping or bool(save_every and run.position.step % save_every == 0)

    while run.position.step < steps:
        run.position.interrupted = False
        run.train(pause)
        if stopping:
            run.position.interrupted = True
            return
        if run.position.interrupted:
            run.save()
    run.position.interrupted = False


def _result(run: Run, interrupted: bool) -> FitResult:
    position = run.position
    best = figure_of(position.best, run.recipe.choose_by)
    return FitResult(run.folder.path, position.epoch, position.best_epoch, best, interrupted)
