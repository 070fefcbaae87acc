"""TensorBoard's events of a run, in ``RUN/events``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hierattn.run_folder import RunFolder


class TensorBoardEvents:
    """One scalar a column of the log."""

    def __init__(self, folder: RunFolder, rows: Sequence[Mapping[str, float]], epoch: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        fresh = not folder.events.is_dir()
        self._writer = SummaryWriter(str(folder.events), purge_step=0 if fresh else epoch)
        for row in rows if fresh else ():
            self.log(row)

    def log(self, row: Mapping[str, float]) -> None:
        """Write the row's figures at its epoch."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, int(row["epoch"]))

    def close(self, ending: str) -> None:  # noqa: ARG002
        """Write what is left; events know no ending."""
        self._writer.close()
