"""Try the lower bounds of the light install and of the service: ``python -m tools.lowest_versions``.

Builds the package, installs it with ``[serve]`` and every direct requirement at its lower bound into an empty
environment, predicts a rendered photograph there, and uploads it to the real service: both must give the same answer.
It leaves with 75 (as mail programs do, "try again later") where the package index did not send the packages in time:
then nothing was learnt about the bounds.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXTRA = "serve"
NOT_TRIED = 75
_INSTALL_SECONDS = 180
_START_SECONDS = 60
_RENDER = """
import numpy as np
from PIL import Image
from hierattn.data.rendered.rendered_set import render_lesion
Image.fromarray(render_lesion("MEL", np.random.default_rng(1), size=512).image).save("photo.png")
"""


def lowest_versions(project: Mapping[str, Any], extra: str) -> dict[str, str]:
    """The lower bound of every direct requirement of the light install and of one extra.

    >>> extras = {"serve": ["uvicorn>=0.32"]}
    >>> lowest_versions({"dependencies": ["numpy>=1.26"], "optional-dependencies": extras}, "serve")
    {'numpy': '1.26', 'uvicorn': '0.32'}
    """
    requirements = [*project["dependencies"], *project["optional-dependencies"][extra]]
    bounds = [re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement) for requirement in requirements]
    if None in bounds:
        raise SystemExit(f"{requirements}: wanted NAME>=VERSION, and no more, of each")
    return {bound[1]: bound[2] for bound in bounds if bound}


def main() -> int:
    """Install, predict, upload; the exit code."""
    if sys.version_info >= (3, 13):
        print(f"NOT TRIED: the lowest NumPy has no wheel for Python {sys.version_info[0]}.{sys.version_info[1]}")
        return NOT_TRIED
    os.environ.pop("PYTHONPATH", None)  # what is tried is what was installed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = lowest_versions(project, EXTRA)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            binaries = _install(folder, lowest)
        except subprocess.TimeoutExpired:
            print(f"NOT TRIED: the package index did not send the lowest versions within {_INSTALL_SECONDS} seconds")
            return NOT_TRIED
        subprocess.run([binaries / "python", "-c", _RENDER], cwd=folder, check=True)
        command = [str(binaries / "hierattn"), "predict", "photo.png", "--json"]
        (predicted,) = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)
        uploaded = _upload(folder, binaries)
    difference = max(abs(p - uploaded[code]) for code, p in predicted["probabilities"].items())
    if difference > 1e-4:
        print(f"the service answers {uploaded}, predict {predicted['probabilities']}: wanted the same")
        return 1
    versions = ", ".join(f"{package} {version}" for package, version in lowest.items())
    print(f"predicted and uploaded with {versions}")
    return 0


def _install(folder: Path, lowest: Mapping[str, str]) -> Path:
    """Build and install into an empty environment; the folder of its programs."""
    environment = os.environ | {"HIERATTN_WITHOUT_WEB": "1"}
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, env=environment, check=True, stdout=subprocess.DEVNULL)
    constraints = folder / "lowest.txt"
    constraints.write_text("".join(f"{package}=={version}\n" for package, version in lowest.items()))
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    wheel = next(folder.glob("*.whl"))
    pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "-c", str(constraints), f"{wheel}[{EXTRA}]"], check=True, timeout=_INSTALL_SECONDS)
    return binaries


def _upload(folder: Path, binaries: Path) -> dict[str, float]:
    """The probabilities that the service answers for ``photo.png``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(binaries / "hierattn"), "serve", "--port", str(port), "--no-app", "--log-level", "warning"]
    service = subprocess.Popen(command, cwd=folder)
    try:
        _wait_for(port, service)
        head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="photo.png"\r\n\r\n'
        body = head + (folder / "photo.png").read_bytes() + b"\r\n--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/predictions", body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"the service answers {response.status}: {text}")
        (prediction,) = json.loads(text)["predictions"]
        return dict(prediction["probabilities"])
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=60)


def _wait_for(port: int, service: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if service.poll() is not None:
            raise SystemExit(f"the service ended with {service.returncode} before it answered")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the service does not listen after {_START_SECONDS} seconds")


if __name__ == "__main__":
    raise SystemExit(main())
