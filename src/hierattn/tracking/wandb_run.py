"""A run in Weights & Biases: offline in ``RUN/wandb``, for ``wandb sync``; online with ``WANDB_MODE=online``.

Its logger for Fabric needs all of ``lightning`` and warns of every version since 2.1.3: the client's own calls do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hierattn.run_folder import RunFolder
from hierattn.tracking.results import Results

if TYPE_CHECKING:
    import wandb

_EXIT_CODES = {"finished": 0, "stopped": 255, "failed": 1}


class WandbRun:
    """One run of Weights & Biases, begun or continued."""

    def __init__(self, folder: RunFolder, recipe: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> None:
        recorded = folder.read_trackers().get("wandb")
        asked = recorded or {"id": None, "project": os.environ.get("WANDB_PROJECT") or "hierattn"}
        config = {**recipe, "environment": folder.read_environment()}
        self._run = _init(folder, asked, group=recipe["name"], config=config)
        if recorded is None:
            folder.record_tracker("wandb", {**asked, "id": self._run.id})
            for row in rows:
                self.log(row)

    def log(self, row: Mapping[str, float]) -> None:
        """Write the row's figures at its epoch."""
        self._run.log(dict(row), step=int(row["epoch"]))

    def close(self, ending: str) -> None:
        """Say how the run stands, and wait until all is written or sent."""
        self._run.finish(exit_code=_EXIT_CODES[ending])

    @staticmethod
    def attach(folder: RunFolder, recorded: Mapping[str, Any], results: Results) -> str:
        """Attach the results of an evaluation, and say so. Pages and figures are shown; other files are left out."""
        import wandb

        name, run = results.name, _init(folder, recorded)
        pages = [path for path in results.files if path.suffix == ".html"]
        shown: dict[str, Any] = {f"{name}/{path.stem}": wandb.Html(str(path), inject=False) for path in pages}
        shown |= {f"{name}/{path.stem}": wandb.Image(str(path)) for path in results.pictures}
        run.log(shown, step=len(folder.read_log()))
        run.summary.update({f"{name}/{key}": value for key, value in results.figures.items()})
        run.finish()
        return f"Attached to the run {recorded['id']} of Weights & Biases."


def _init(folder: RunFolder, recorded: Mapping[str, Any], **about: Any) -> wandb.Run:
    """Open the run. No code, no console output and no state of a git checkout goes with it."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    while any((folder.path / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{recorded['id']}")):
        time.sleep(0.1)  # a start is filed under its second: another of the same second would write over it
    return wandb.init(
        project=recorded["project"],
        id=recorded["id"],
        name=folder.path.resolve().name,
        resume="allow",
        dir=str(folder.path),
        mode=os.environ.get("WANDB_MODE") or "offline",  # type: ignore[arg-type]  # it says itself what it takes
        settings=wandb.Settings(console="off", disable_git=True, save_code=False, silent=True),
        **about,
    )
