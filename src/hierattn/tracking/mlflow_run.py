"""A run in MLflow: in ``RUN/mlflow``, or on the server that ``MLFLOW_TRACKING_URI`` names.

Only MLflow's client is needed (mlflow-skinny), with SQLAlchemy for the local store: its store of plain files is being
given up. The client sends statistics of use to its makers unless ``MLFLOW_DISABLE_TELEMETRY`` is set; here it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hierattn.errors import UsageError
from hierattn.run_folder import RunFolder
from hierattn.tracking.results import Results

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SERVER = "MLFLOW_TRACKING_URI"
_STATES = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
_LONGEST_VALUE = 500
"""Characters of a parameter, which every version of MLflow's servers takes."""
_BATCH = 100
"""Parameters that MLflow takes at once."""


class MlflowRun:
    """One MLflow run, created or continued; it is given the epochs of the log that it lacks."""

    def __init__(self, folder: RunFolder, recipe: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> None:
        recorded = folder.read_trackers().get("mlflow")
        if recorded is None:
            recorded = {"run_id": "", "local": not os.environ.get(_SERVER)}
        self._client = _client(folder, recorded)
        if recorded["run_id"]:
            self._id = recorded["run_id"]
            self._client.update_run(self._id, status="RUNNING")
        else:
            self._id = self._create(folder, recipe, local=recorded["local"])
            folder.record_tracker("mlflow", {**recorded, "run_id": self._id})
        known = {metric.step for metric in self._client.get_metric_history(self._id, "epoch")}
        for row in rows:
            if int(row["epoch"]) not in known:
                self.log(row)

    def _create(self, folder: RunFolder, recipe: Mapping[str, Any], *, local: bool) -> str:
        from mlflow.entities import Param

        client, name = self._client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or "hierattn"
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            number = experiment.experiment_id
        else:
            place = (folder.mlflow / "artifacts").resolve().as_uri() if local else None
            number = client.create_experiment(name, artifact_location=place)
        made_with = folder.read_environment()
        tags = {key: str(made_with.get(key, "")) for key in ("hierattn", "commit", "python", "platform", "cuda")}
        run: str = client.create_run(number, tags=tags, run_name=folder.path.resolve().name).info.run_id
        params = [Param(key, str(value)[:_LONGEST_VALUE]) for key, value in _flat(recipe).items()]
        for start in range(0, len(params), _BATCH):
            client.log_batch(run, params=params[start : start + _BATCH])
        for path in (folder.recipe, folder.environment):
            client.log_artifact(run, str(path))
        return run

    def log(self, row: Mapping[str, float]) -> None:
        """Write the row's figures at its epoch."""
        _log(self._client, self._id, row, int(row["epoch"]))

    def close(self, ending: str) -> None:
        """Say how the run stands."""
        self._client.set_terminated(self._id, status=_STATES[ending])

    @staticmethod
    def attach(folder: RunFolder, recorded: Mapping[str, Any], results: Results) -> str:
        """Attach the results of an evaluation, and say so.

        Raises
        ------
        UsageError
            Where the tracked run cannot be reached from here.
        """
        client, run = _client(folder, recorded), recorded["run_id"]
        place = client.get_run(run).info.artifact_uri
        if recorded["local"] and not place.startswith(folder.mlflow.resolve().as_uri()):
            raise UsageError(f"the run folder was moved, MLflow keeps the files of its runs in {place}")
        _log(client, run, {f"{results.name}/{key}": value for key, value in results.figures.items()}, 0)
        for path in results.files:
            client.log_artifact(run, str(path), results.name)
        for path in results.pictures:
            client.log_artifact(run, str(path), f"{results.name}/figures")
        return f"Attached to MLflow's run {run}."


def _client(folder: RunFolder, recorded: Mapping[str, Any]) -> MlflowClient:
    """The client of the run's store.

    Raises
    ------
    UsageError
        Where the run is tracked by a server, and no variable names it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # else it tells of every table that it creates
    from mlflow.tracking import MlflowClient

    if recorded["local"]:
        folder.mlflow.mkdir(exist_ok=True)
        return MlflowClient(f"sqlite:///{(folder.mlflow / 'mlflow.db').resolve().as_posix()}")
    server = os.environ.get(_SERVER)  # never recorded: it may hold a password
    if not server:
        raise UsageError(f"{folder.path} is tracked by a server: wanted its address in {_SERVER}")
    return MlflowClient(server)


def _log(client: MlflowClient, run: str, figures: Mapping[str, float], step: int) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(run, metrics=[Metric(key, float(value), now, step) for key, value in figures.items()])


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested values under dotted keys, as they are written on the command line."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat
