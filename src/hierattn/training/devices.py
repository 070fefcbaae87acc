"""Devices and processes: one, or many through Lightning Fabric's DDP, started by ``torchrun``.

A batch is the recipe's whatever the number of processes: each takes an equal share of it. Augmentation is drawn for
the whole batch and batch normalisation uses the statistics of the whole batch, so that the learning curve is one
process's, but for rounding and for dropout and stochastic depth, whose draws differ.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.distributed.nn import functional as collective

from hierattn.errors import UsageError
from hierattn.processes import keep_freed_memory
from hierattn.training.recipe import Precision, Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

AGREE_EVERY = 20
"""Steps between two checks, over all processes, of whether one was asked to stop."""


def precision_on(device: str, asked: Precision) -> Precision:
    """The precision that a run takes on ``device``: ``asked``, or float32 where bfloat16 would only be imitated.

    An x86 processor without AVX-512 has no products in bfloat16: a training step takes 6 (HierAttn_xs) to 12 times
    (MobileNetV2) as long as in float32.
    """
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    imitated = on_cpu and x86 and torch.backends.cpu.get_cpu_capability() != "AVX512"
    return "32-true" if imitated else asked


def create_fabric(device: str, recipe: Recipe) -> Fabric:
    """Fabric for ``device`` (``auto``, ``cpu`` or ``cuda``): one process, or those that ``torchrun`` started.

    It computes in the recipe's precision, as :func:`precision_on` allows. On a CPU the process then
    :func:`keeps <hierattn.processes.keep_freed_memory>` the memory that it frees.

    Raises
    ------
    UsageError
        For an unknown device, one that is not available, or a batch that the processes cannot share equally.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {device!r}: wanted auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch finds no such device here; use --device cpu")
    with _without_torchmetrics():
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
        from lightning_fabric.strategies.ddp import DDPStrategy
    precision = precision_on(device, recipe.precision)
    if not torch.cuda.is_available() or device == "cpu":
        keep_freed_memory()
    if not TorchElasticEnvironment.detect():
        plugins = [LightningEnvironment()]
        return Fabric(accelerator=device, devices=1, precision=precision, plugins=plugins)  # type: ignore[arg-type]
    processes, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    batch = recipe.optimiser.batch_size
    if batch % processes:
        raise UsageError(f"optimiser.batch_size {batch} for {processes} processes: wanted a multiple of {processes}")
    # Frozen layers get no gradient at first, and DDP would wait for it.
    strategy = DDPStrategy(find_unused_parameters=recipe.transfer.frozen_epochs > 0)
    fabric = Fabric(
        accelerator=device,
        devices=local,
        num_nodes=processes // local,
        strategy=strategy if processes > 1 else "auto",
        precision=precision,
        plugins=[TorchElasticEnvironment()],
    )
    fabric.launch()
    return fabric


@contextmanager
def _without_torchmetrics() -> Iterator[None]:
    """Hide torchmetrics while Fabric is imported.

    Fabric asks for its version by importing it where it is installed, and with it torchvision, SciPy and Matplotlib:
    half of the time before the first step. Only Fabric's detector of loss spikes, which is not used here, needs it.
    """
    name = "torchmetrics"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # the documented way to say that a module cannot be imported
    try:
        yield
    finally:
        del sys.modules[name]


def my_share(fabric: Fabric, batch_size: int) -> slice:
    """Which part of a batch this process takes."""
    share = batch_size // fabric.world_size
    return slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)


def any_process(fabric: Fabric, flag: bool, step: int, steps: int) -> bool:
    """Whether any process raises ``flag`` after ``step`` of an epoch's ``steps``.

    Several processes communicate every ``AGREE_EVERY`` steps and at the end of an epoch; in between, it is False.
    """
    if fabric.world_size == 1:
        return flag
    if step % AGREE_EVERY and step != steps:
        return False
    raised = torch.tensor(float(flag), device=fabric.device)
    return bool(fabric.all_reduce(raised, reduce_op="max"))


def synchronise_batch_norm(model: nn.Module, fabric: Fabric) -> nn.Module:
    """Let every batch normalisation use the whole batch; names and values of ``model`` do not change."""
    if fabric.world_size == 1:
        return model
    if fabric.device.type == "cuda":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return synchronised
    for part in model.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm2d
    return model


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes: torch's own ``SyncBatchNorm`` asks for a GPU.

    (batch, C, h, w) -> the same shape, as ``nn.BatchNorm2d`` of the joined batch would give this process's part.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in training with the mean and variance of all processes' images."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        count = x.numel() / x.shape[1] * torch.distributed.get_world_size()
        mean = _sum_over_processes(x.sum((0, 2, 3))) / count
        centred = x - mean[None, :, None, None]
        variance = _sum_over_processes(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * (count / (count - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[None, :, None, None] + self.bias[None, :, None, None]


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = collective.all_reduce(values)
    return total
