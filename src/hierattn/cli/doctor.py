"""``hierattn doctor``: what is installed, what it runs on, and what each command still needs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hierattn.cli.console import print_json, print_table, terminal
from hierattn.errors import install_line
from hierattn.files import cores

if TYPE_CHECKING:
    from rich.console import Console

DISTRIBUTION = "hierattn"
BASE = "base"
# The extra that a command needs. A command that is not listed here counts as one of 'train', so that doctor may ask for
# too much, never for too little.
EXTRA_OF_COMMAND: Mapping[str, str] = {
    "doctor": BASE,
    "fetch": BASE,
    "freeze": BASE,
    "predict": BASE,
    "prepare": BASE,
    "render": BASE,
    "serve": "serve",
}
_TRACKED = (("runs that MLflow tracks", "mlflow"), ("runs that Weights & Biases track", "wandb"))
# What a command does only with one more extra: (what needs it, the extra).
OPTIONS_OF_COMMAND: Mapping[str, tuple[tuple[str, str], ...]] = {
    "audit": (("--run", "audit"), ("photographs in HDF5", "hdf5")),
    "balance": (("--engine ray", "cluster"),),
    "benchmark": (("inference with ExecuTorch", "mobile"), ("inference with OpenVINO", "openvino")),
    "crossval": (("--engine ray", "cluster"), *_TRACKED),
    "evaluate": _TRACKED,
    "export": (("OUT.pte", "mobile"), ("OUT.tflite", "litert")),
    "fetch": (("weights of networks", "train"),),
    "predict": (
        ("models on the Hugging Face Hub", "hub"),
        ("DICOM files, --dicom-sr", "dicom"),
        ("HEIC photographs", "heic"),
        ("--runtime openvino", "openvino"),
        ("--answers in Excel or Parquet", "tables"),
    ),
    "push": (("the Hugging Face Hub", "hub"),),
    "recalibrate": (
        ("models on the Hugging Face Hub", "hub"),
        ("DICOM files", "dicom"),
        ("HEIC photographs", "heic"),
        ("tables of Excel and Parquet", "tables"),
    ),
    "serve": (("models on the Hugging Face Hub", "hub"), ("--runtime openvino", "openvino")),
    "submit": (
        ("models on the Hugging Face Hub", "hub"),
        ("DICOM files", "dicom"),
        ("HEIC photographs", "heic"),
    ),
    "train": _TRACKED,
    "prepare": (
        ("--embedding", "train"),
        ("HEIC photographs", "heic"),
        ("photographs in HDF5", "hdf5"),
        ("tables of Excel and Parquet", "tables"),
    ),
}
# A terminal of fewer columns gets a table without the required versions.
_WIDE = 56
# Extras for development, which no command needs.
NOT_FOR_USERS = ("dev", "docs")
_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?(?P<wanted>[^;]*)(?:;.*extra == ['\"](?P<extra>\w+)['\"])?")
_MODULES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
}


def run(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List what is installed, what it runs on, and what each command still needs.

    Shows every package with its version, in red if it is missing or too old; the threads and the graphics card that
    training would use; and for every command whether it can run, or else the line that installs what is missing.
    Nothing is downloaded or sent anywhere.

    The exit code is 1 if a package of the light install is missing or too old.

        hierattn doctor

        hierattn doctor --json
    """
    root = context.find_root().command
    found = examine(sorted(getattr(root, "commands", {})))
    if as_json:
        print_json(found, indent=2)
    else:
        _show(terminal(), found)
    if not found["extras"][BASE]["complete"]:
        raise typer.Exit(1)


def examine(commands: Iterable[str]) -> dict[str, Any]:
    """Everything that ``hierattn doctor`` shows, as plain values.

    Parameters
    ----------
    commands
        Names of the commands to report on.

    Returns
    -------
    dict
        ``hierattn, python, system, device, released_models, web_app, extras, commands``. ``web_app`` says whether the
        built app is there; it is null where the service cannot run. ``extras`` maps ``base`` and every extra to
        ``{"complete", "install", "packages"}``; ``commands`` every command to ``{"needs", "ready", "install",
        "options"}``, ``install`` being null where nothing is missing, and ``options`` a list of
        ``{"for", "needs", "ready", "install"}`` for what needs one more extra.
    """
    import hierattn

    extras = {
        extra: _examine_extra(extra, wanted)
        for extra, wanted in requirements_by_extra(metadata.requires(DISTRIBUTION) or ()).items()
        if extra not in NOT_FOR_USERS
    }
    return {
        "hierattn": hierattn.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": _examine_device(),
        "released_models": _released_models(),
        "web_app": _has_web_app(),
        "extras": extras,
        "commands": {name: _examine_command(name, extras) for name in commands},
    }


def requirements_by_extra(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """A distribution's requirements, by extra: ``{"base": {"numpy": ">=1.26"}, "train": {...}}``.

    >>> requirements_by_extra(["numpy>=1.26", "torch>=2.11; extra == 'train'"])
    {'base': {'numpy': '>=1.26'}, 'train': {'torch': '>=2.11'}}
    """
    found: dict[str, dict[str, str]] = {BASE: {}}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match:
            found.setdefault(match["extra"] or BASE, {})[match["name"]] = match["wanted"].strip()
    return found


def missing_line(module: str | None) -> str | None:
    """What to say where an import failed: the extra that brings the module; None for a module that is none of ours."""
    top = (module or "").partition(".")[0]
    for extra, wanted in requirements_by_extra(metadata.requires(DISTRIBUTION) or ()).items():
        if extra not in NOT_FOR_USERS and top in {_module_of(name) for name in wanted}:
            return f"{top} is not installed, and this command needs it: {_install(extra)}; hierattn doctor lists all"
    return None


def _module_of(distribution: str) -> str:
    return _MODULES.get(distribution, distribution.replace("-", "_"))


def is_enough(version: str, wanted: str) -> bool:
    """Whether a version satisfies ``>=``; other forms of requirement are left to pip.

    >>> is_enough("2.4.0", ">=1.26"), is_enough("1.9", ">=1.26"), is_enough("2.0rc1", "")
    (True, False, True)
    """
    least = wanted.removeprefix(">=")
    return not wanted.startswith(">=") or _numbers(version) >= _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    """``2.11.0rc1+cpu`` -> (2, 11, 0)."""
    leading = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def _examine_extra(extra: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    packages = {name: _examine_package(name, least) for name, least in wanted.items()}
    return {
        "complete": all(package["usable"] for package in packages.values()),
        "install": _install(extra),
        "packages": packages,
    }


def _examine_package(name: str, wanted: str) -> dict[str, Any]:
    try:
        version: str | None = metadata.version(name)
    except metadata.PackageNotFoundError:
        # Several distributions bring OpenCV's module; any of them will do.
        version = "unknown" if find_spec(_module_of(name)) else None
    usable = version is not None and (version == "unknown" or is_enough(version, wanted))
    return {"version": version, "wanted": wanted, "usable": usable}


def _install(extra: str) -> str:
    return install_line("" if extra == BASE else extra)


def _examine_command(name: str, extras: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    needs = EXTRA_OF_COMMAND.get(name, "train")
    options = [{"for": what, **_readiness(extra, extras)} for what, extra in OPTIONS_OF_COMMAND.get(name, ())]
    return {**_readiness(needs, extras), "options": options}


def _readiness(needs: str, extras: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    lacking = [extra for extra in (BASE, needs) if not extras.get(extra, {}).get("complete", False)]
    return {"needs": needs, "ready": not lacking, "install": _install(lacking[-1]) if lacking else None}


def _released_models() -> dict[str, bool]:
    """Released name -> whether its bundle is installed."""
    from hierattn.deploy.predict.predictor import RELEASED, find_bundle
    from hierattn.errors import UsageError

    installed = {}
    for name in RELEASED:
        try:
            installed[name] = find_bundle(name).is_file()
        except UsageError:
            installed[name] = False
    return installed


def _has_web_app() -> bool | None:
    """Whether ``hierattn serve`` finds the built web app; None where the service itself cannot be loaded."""
    try:
        from hierattn.serve.web_app import find_web_app
    except ImportError:
        return None
    return find_web_app() is not None


def _examine_device() -> dict[str, Any]:
    """Cores, threads and graphics card, as training would see them; the card is null without torch."""
    device: dict[str, Any] = {"cores": cores(), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"), "torch": None}
    if find_spec("torch"):
        device["torch"] = _examine_torch()
    return device


def _examine_torch() -> dict[str, Any]:
    try:
        import torch
    except (ImportError, OSError) as error:  # installed but broken: for instance, a system library is missing
        return {"error": str(error).splitlines()[0] if str(error) else type(error).__name__}
    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"device": "cuda" if cards else "cpu", "cuda": cards, "threads": torch.get_num_threads()}


def _show(console: Console, found: Mapping[str, Any]) -> None:
    console.print(f"hierattn {found['hierattn']}, Python {found['python']}, {found['system']}", style="bold")
    console.print(_device_sentence(found["device"]))
    missing = [name for name, there in found["released_models"].items() if not there]
    if missing:
        console.print(f"Released models not installed: {', '.join(missing)}; give predict and serve --model FILE.onnx")
    if found["web_app"] is False:
        console.print(
            "The web app is not built, so serve answers only other programs. To build it in a clone: make web"
        )
    _show_packages(console, found["extras"])
    _show_commands(console, found["commands"])


def _device_sentence(device: Mapping[str, Any]) -> str:
    limit = device["OMP_NUM_THREADS"]
    threads = f"{device['cores']} cores" + (f", OMP_NUM_THREADS={limit}" if limit else "")
    found = device["torch"]
    if found is None:
        return f"{threads}; torch is not installed: this machine can predict, but not train"
    if "error" in found:
        return f"{threads}; torch is installed but cannot be loaded: {found['error']}"
    cards = ", ".join(found["cuda"]) or "no graphics card"
    return f"{threads}; torch trains on {found['device']} ({cards}) with {found['threads']} threads"


def _show_packages(console: Console, extras: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    wide = console.width >= _WIDE
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("extra", "package", "version", "required") if wide else ("package", "version"):
        table.add_column(heading, no_wrap=wide or heading == "version")
    for extra, state in extras.items():
        if not wide:
            table.add_row(Text(extra, "bold"), "")
        for index, (name, package) in enumerate(state["packages"].items()):
            colour = "green" if package["usable"] else "red"
            version = Text(package["version"] or "missing", colour)
            if wide:
                table.add_row(Text(extra if index == 0 else "", "bold"), name, version, package["wanted"])
            else:
                old = package["version"] is not None and not package["usable"]
                table.add_row(name, Text(f"{version} ({package['wanted']})", colour) if old else version)
    print_table(console, table)


def _show_commands(console: Console, commands: Mapping[str, Mapping[str, Any]]) -> None:
    ready = [name for name, state in commands.items() if state["ready"]]
    console.print(f"Ready: {', '.join(ready) or 'nothing'}")
    for line in sorted({state["install"] for state in commands.values() if state["install"]}):
        names = [name for name, state in commands.items() if state["install"] == line]
        console.print(f"Missing for {', '.join(names)}: {line}", style="yellow", soft_wrap=True)
    _show_optional(console, commands)


def _show_optional(console: Console, commands: Mapping[str, Mapping[str, Any]]) -> None:
    """What one more extra brings, a row an extra: what it is for, and which commands do that."""
    from rich.table import Table

    uses: dict[str, dict[str, list[str]]] = {}
    for name, state in commands.items():
        for option in state["options"]:
            if not option["ready"]:
                uses.setdefault(option["needs"], {}).setdefault(option["for"], []).append(name)
    if not uses:
        return
    console.print(f"Optional, for what the table says: {_install('EXTRA')}", style="dim", soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, style="dim")
    for extra, tasks in sorted(uses.items()):
        table.add_row(f"  {extra}", "; ".join(f"{what} ({', '.join(names)})" for what, names in tasks.items()))
    print_table(console, table)
