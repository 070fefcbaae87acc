"""Tensors in files, and AdamW's moments in half their bytes: what a training needs to be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor], known: Mapping[str, Any]) -> None:
    """Write tensors and plain values (as text) beside them."""
    plain = {name: value.detach().to("cpu").contiguous().clone() for name, value in tensors.items()}
    save_file(plain, path, metadata={key: str(value) for key, value in known.items()})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The inverse of :func:`save_tensors`."""
    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def find(name: str, folders: list[Path]) -> Path | None:
    """The newest file of that name; a damaged one is left aside."""
    paths = sorted((folder / name for folder in folders if (folder / name).is_file()),
                   key=lambda path: path.stat().st_mtime, reverse=True)  # fmt: skip
    for path in paths:
        try:
            load_tensors(path)
        except Exception:
            continue
        return path
    return None


def moments_of(optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """AdamW's running means, in bfloat16, by the names of their parameters."""
    found = {}
    for parameter, state in optimiser.state.items():
        for key in ("exp_avg", "exp_avg_sq"):
            if key in state:
                found[f"{names[parameter]}/{key}"] = state[key].to(torch.bfloat16)
    return found


def restore_moments(
    optimiser: torch.optim.Optimizer, names: Mapping[Tensor, str], moments: Mapping[str, Tensor], step: int
) -> None:
    """The inverse of :func:`moments_of`, after ``step`` steps."""
    for parameter, name in names.items():
        if f"{name}/exp_avg" not in moments:
            continue
        on_device = parameter.device if parameter.device.type == "cuda" else torch.device("cpu")
        optimiser.state[parameter] = {
            "step": torch.tensor(float(step), device=on_device),
            **{key: moments[f"{name}/{key}"].to(parameter) for key in ("exp_avg", "exp_avg_sq")},
        }
