"""Ten seconds: is everything there that the minutes need? Printed as one line of JSON."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGES = {
    "cv2": "", "lightning_fabric": "bench", "numpy": "", "onnx": "", "PIL": "", "rich": "bench", "safetensors": "",
    "torch": "", "torchvision": "bench", "typer": "bench",
}  # fmt: skip
"""By the names that are imported; the part that cannot run without it, or empty for all."""


Network = tuple[str, int, dict[str, Any]]
"""Name, size of its images, options."""


def probe(device: str, pack: Path, out: Path, work: Path, networks: list[Network]) -> dict[str, Any]:
    """What was found; ``fatal`` lists what nothing can run without, ``without`` the parts that cannot.

    Parameters
    ----------
    networks
        Of which one step each is tried.
    """
    began = time.time()
    fatal: list[str] = []
    without: dict[str, str] = {}
    for name, part in PACKAGES.items():
        if importlib.util.find_spec(name) is None and part:
            without[part] = f"{name} is not installed"
        elif importlib.util.find_spec(name) is None:
            fatal.append(f"{name} is not installed")
    versions = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "timm", "numpy", "onnx", "pillow", "pytorch-lightning", "lightning-fabric"):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    found: dict[str, Any] = {"packages": versions, "fatal": fatal, "without": without}
    found["free_gb"] = _disks(out, work, fatal)
    found["pack"] = _pack(pack, fatal)
    if not fatal:
        found["device"] = _device(device, fatal)
    if not fatal:
        found["steps"] = {network[0]: _step(device, *network, fatal) for network in networks}
    return {**found, "seconds": round(time.time() - began, 1)}


def _disks(out: Path, work: Path, fatal: list[str]) -> dict[str, float]:
    from hierattn.files import free_bytes

    free = {}
    for name, folder, wanted in (("out", out, 0.2), ("work", work, 4.0)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mark = folder / ".probe"
            mark.write_bytes(b"x")
            mark.unlink()
        except OSError as error:
            fatal.append(f"{folder} cannot be written ({error})")
            continue
        free[name] = round(free_bytes(folder) / 1e9, 1)
        if free[name] < wanted:
            fatal.append(f"{folder} has {free[name]} GB free: wanted {wanted}")
    return free


def _pack(pack: Path, fatal: list[str]) -> dict[str, Any]:
    from tools.gpu.pack import read_description

    try:
        described = read_description(pack)
    except Exception as error:
        fatal.append(str(error))
        return {}
    return {"size": described["size"], "sets": {one["name"]: one["images"] for one in described["sets"]}}


def _device(device: str, fatal: list[str]) -> dict[str, Any]:
    import torch

    if device != "cuda":
        return {"name": "CPU", "threads": torch.get_num_threads()}
    if not torch.cuda.is_available():
        fatal.append("torch sees no GPU: for a trial without one use --device cpu")
        return {}
    try:
        free, total = torch.cuda.mem_get_info()
        one = torch.rand(4096, 4096, device="cuda", dtype=torch.bfloat16)
        finite = bool(torch.isfinite((one @ one).float()).all())
    except Exception as error:
        fatal.append(f"the GPU does not compute ({str(error)[:200]})")
        return {}
    if not finite or free < 8e9:
        fatal.append(f"the GPU has {free / 1e9:.1f} GB free, and that its products are finite is {finite}")
    return {"name": torch.cuda.get_device_name(), "free_gb": round(free / 1e9, 1), "total_gb": round(total / 1e9, 1)}


def _step(device: str, name: str, size: int, options: dict[str, Any], fatal: list[str]) -> str:
    import torch
    from torch.nn import functional

    from tools.gpu.networks import create

    try:
        network = create(name, 8, options).to(memory_format=torch.channels_last).to(device).train()
        images = torch.rand(4, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
        began = time.time()
        functional.cross_entropy(network(images), torch.zeros(4, dtype=torch.int64, device=device)).backward()
        finite = all(bool(torch.isfinite(one.grad).all()) for one in network.parameters() if one.grad is not None)
    except Exception as error:
        fatal.append(f"a step of {name} fails ({str(error)[:200]})")
        return "failed"
    if not finite:
        fatal.append(f"a step of {name} gives gradients that are not finite")
    return f"{time.time() - began:.2f} s"


def main(path: Path) -> None:
    """Probe as the JSON file ``path`` says, and print what was found."""
    job = json.loads(path.read_text(encoding="utf-8"))
    found = probe(job["device"], Path(job["pack"]), Path(job["out"]), Path(job["work"]),
                  [(name, size, options) for name, size, options in job["networks"]])  # fmt: skip
    print(json.dumps({"event": "probed", **found}), flush=True)
