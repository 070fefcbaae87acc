"""The sums of an epoch (loss, correct answers), kept on the device and read without making it wait."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from hierattn.errors import TrainingError
from hierattn.run_folder import epoch_number

if TYPE_CHECKING:
    from lightning_fabric import Fabric

GLANCE_EVERY = 20
"""Steps between two glances at a GPU's sums."""


class RunningSums:
    """Sums over the images of an epoch so far.

    Parameters
    ----------
    fabric
        Its processes share the sums.
    loss_sum, correct
        What earlier steps of the epoch gave, over all processes.
    """

    def __init__(self, fabric: Fabric, loss_sum: float, correct: int) -> None:
        self.fabric = fabric
        start = [loss_sum, float(correct)] if fabric.is_global_zero else [0.0, 0.0]
        self.sums = torch.tensor(start, dtype=torch.float64, device=fabric.device)
        self.on_gpu = fabric.device.type == "cuda"
        self.copy = torch.zeros(2, dtype=torch.float64, pin_memory=self.on_gpu)
        self.copied: torch.cuda.Event | None = None
        self.copied_at = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in a step: the mean ``loss`` of ``logits`` (batch, classes) with ``labels`` (batch,)."""
        correct = (logits.detach().argmax(1) == labels).sum()
        self.sums += torch.stack([loss.detach() * len(labels), correct])

    def glance(self, epoch: int, step: int, images_a_step: int) -> float | None:
        """The mean loss so far, after ``step`` steps, where it can be had without waiting; else None.

        On a GPU, a copy is started now and then, and read by a later call, once it has arrived.

        Raises
        ------
        TrainingError
            Where it is not finite.
        """
        if not self.on_gpu:
            return refuse_divergence(float(self.sums[0]), epoch, step) / (step * images_a_step)
        if self.copied is None:
            if step % GLANCE_EVERY == 0:
                self.copy.copy_(self.sums, non_blocking=True)
                self.copied, self.copied_at = torch.cuda.Event(), step
                self.copied.record()
            return None
        if not self.copied.query():
            return None
        self.copied = None
        return refuse_divergence(float(self.copy[0]), epoch, step) / (self.copied_at * images_a_step)

    def read(self, epoch: int, step: int) -> tuple[float, int]:
        """Loss sum and correct answers over all processes; waits for the device.

        Raises
        ------
        TrainingError
            Where the loss is not finite.
        """
        total = self.sums.clone()
        if self.fabric.world_size > 1:
            total = cast(Tensor, self.fabric.all_reduce(total, reduce_op="sum"))
        loss_sum, correct = total.tolist()
        return refuse_divergence(loss_sum, epoch, step), int(correct)


def refuse_divergence(loss_sum: float, epoch: int, step: int) -> float:
    """``loss_sum`` if it is finite.

    Raises
    ------
    TrainingError
        Where it is not; says what to try.
    """
    if not math.isfinite(loss_sum):
        raise TrainingError(
            f"the loss became {loss_sum} in epoch {epoch_number(epoch)}, by step {step}: lower "
            "optimiser.learning_rate, set optimiser.gradient_clip=1, or use precision='32-true'"
        )
    return loss_sum
