"""The trackers of a run: told of every epoch, and of its evaluations. ``log.csv`` stays the record of the run.

Nothing leaves the machine unless the user says so by the libraries' own variables: ``MLFLOW_TRACKING_URI`` for a
server, ``WANDB_MODE=online`` for Weights & Biases. Otherwise all of it lies in the run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from hierattn.errors import HierAttnError, TrainingError, missing_package
from hierattn.run_folder import RunFolder
from hierattn.tracking.mlflow_run import MlflowRun
from hierattn.tracking.results import Results
from hierattn.tracking.tensorboard_events import TensorBoardEvents
from hierattn.tracking.wandb_run import WandbRun

TrackerName = Literal["tensorboard", "mlflow", "wandb"]
Ending = Literal["finished", "stopped", "failed"]

_TITLES: dict[str, str] = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}
_NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    "tensorboard": (("tensorboard",), "train"),
    "mlflow": (("mlflow", "sqlalchemy", "alembic"), "mlflow"),
    "wandb": (("wandb",), "wandb"),
}


class Tracker(Protocol):
    """One tracker's view of the run."""

    def log(self, row: Mapping[str, float]) -> None:
        """Take one row of the run's log."""

    def close(self, ending: Ending) -> None:
        """The process lets go of the run."""


class Trackers:
    """Those of one run in progress. One that fails is given up with a note: no run is lost to its tracker.

    Attributes
    ----------
    note
        Is told of what a person should know.
    """

    def __init__(self, opened: Mapping[str, Tracker], note: Callable[[str], None]) -> None:
        self._open = dict(opened)
        self.note = note

    def log(self, row: Mapping[str, float]) -> None:
        """Tell each of an epoch."""
        self._each(lambda tracker: tracker.log(row))

    def close(self, ending: Ending) -> None:
        """Let go of the run: ``stopped`` is a run that can be resumed."""
        self._each(lambda tracker: tracker.close(ending))

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                tell(tracker)
            except Exception as error:  # of a library, a server or a network: each has its own family
                if name == "tensorboard":
                    raise  # it writes beside the log: where it cannot, the log cannot
                del self._open[name]
                self.note(f"{_TITLES[name]} failed and is left out from here on: {_first_line(error)}")


def check_installed(names: Iterable[str]) -> None:
    """Refuse, before anything is trained, a tracker whose library is missing.

    Raises
    ------
    MissingPackageError
        Naming the extra that brings it.
    """
    for name in names:
        modules, extra = _NEEDS[name]
        for module in modules:
            if find_spec(module) is None:  # not imported: MLflow reads its variables as it is
                raise missing_package(module, extra)


def open_trackers(
    names: Sequence[str],
    folder: RunFolder,
    recipe: Mapping[str, Any],
    epoch: int,
    note: Callable[[str], None],
) -> Trackers:
    """Begin to track a run, or continue the tracked runs that ``trackers.json`` names.

    Parameters
    ----------
    names
        The recipe's ``trackers``.
    folder
        Its log holds the epochs before ``epoch``; a tracker is given those that it lacks.
    recipe
        Resolved, as nested plain values.
    epoch
        The first to come, counted from 0.
    note
        Is told of what a person should know.

    Raises
    ------
    TrainingError
        Where a tracker refuses: a server that does not answer, a missing login.
    """
    log = folder.read_log() if names else []
    rows = [{column: float(value) for column, value in row.items()} for row in log]
    opened: dict[str, Tracker] = {}
    for name in names:
        try:
            opened[name] = _open(name, folder, recipe, rows, epoch)
        except HierAttnError:
            Trackers(opened, note).close("failed")
            raise
        except Exception as error:
            Trackers(opened, note).close("failed")
            raise TrainingError(
                f"{_TITLES[name]} refuses to track {folder.path} ({_first_line(error)}): mend that or leave {name} out "
                "of the recipe key trackers, and continue with --resume"
            ) from error
    return Trackers(opened, note)


def attach_results(folder: RunFolder, results: Results) -> tuple[str, ...]:
    """Attach an evaluation to the tracked runs that ``trackers.json`` names; what was done, a sentence each.

    A tracker that fails takes nothing from the evaluation: the sentence says why.
    """
    said = []
    for name, attach in (("mlflow", MlflowRun.attach), ("wandb", WandbRun.attach)):
        recorded = folder.read_trackers().get(name)
        if recorded is None:
            continue
        try:
            check_installed([name])
            said.append(attach(folder, recorded, results))
        except Exception as error:
            said.append(f"{_TITLES[name]}: the report is not attached ({_first_line(error)})")
    return tuple(said)


def _open(
    name: str, folder: RunFolder, recipe: Mapping[str, Any], rows: Sequence[Mapping[str, float]], epoch: int
) -> Tracker:
    if name == "tensorboard":
        return TensorBoardEvents(folder, rows, epoch)
    if name == "mlflow":
        return MlflowRun(folder, recipe, rows)
    return WandbRun(folder, recipe, rows)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
