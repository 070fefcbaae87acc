"""A pack of the small rendered set, and settings with which everything is tiny."""

from __future__ import annotations

from pathlib import Path

import pytest

TINY = [
    "pack.size=64", "limits.save_every=1", "student.size=64", "student.optimiser.batch_size=8", "teacher.size=64",
    "teacher.optimiser.batch_size=8", "paper.size=64", "paper.optimiser.batch_size=8", "bench.size=64",
    "bench.batch_size=4", "bench.rounds=1", "bench.steps=2", "bench.workers=0", "bench.images=60",
    'bench.models=["hierattn_xs"]',
]  # fmt: skip


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    return TINY


@pytest.fixture(scope="session")
def settings():
    from tools.gpu.settings import load_settings

    return load_settings(changes=TINY)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of others, under names of their own, for a network that stands for a teacher."""
    import torch

    from hierattn.models.registry import create_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "weights.pth"
    state = create_model("shufflenet_v2_1x", num_classes=1000).state_dict()
    torch.save({f"other.{name}": value for name, value in state.items()}, path)
    return path


@pytest.fixture(scope="session")
def pack(prepared: Path, start: Path, settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tools.gpu.pack import PackOptions, write_pack

    out = tmp_path_factory.mktemp("gpu") / "pack"
    options = PackOptions(settings, out.parent, starts=(("shufflenet_v2_1x", start),))
    write_pack(out, [prepared], options, say=lambda text: None)
    return out
