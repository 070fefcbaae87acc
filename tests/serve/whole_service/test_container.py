"""The container's steps without an engine: as nobody, only /tmp writable, and its own health check answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from hierattn.deploy.predict.released import is_released

ROOT = Path(__file__).resolve().parents[3]
STEPS = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SCRAPE = yaml.safe_load((ROOT / "apps" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"][0]


def step(name: str) -> list[str]:
    """The words of the last step of that name, in the form of a JSON list."""
    return json.loads(re.findall(rf"^{name} (\[.*\])$", STEPS, re.MULTILINE)[-1])


def scratch() -> str:
    """The one folder that may be written: /tmp, unless this tree or its interpreter lies there."""
    return "/var/tmp" if any(Path("/tmp") in Path(path).parents for path in (ROOT, sys.executable)) else "/tmp"


def may_remount() -> bool:
    """Whether this process may have a file system of its own."""
    if not (shutil.which("unshare") and shutil.which("setpriv")) or os.geteuid() != 0:
        return False
    tried = ["unshare", "--mount", "sh", "-c", f"mount -o remount,bind,ro / && mount -t tmpfs tmpfs {scratch()}"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of the service, started by the container's ENTRYPOINT as the container would have it."""
    if not may_remount():
        pytest.skip("no root, or no mount namespaces: they stand in for the container engine")
    if not is_released("dermoscopy"):
        pytest.skip("no bundle is released in this tree")
    number = free_port()
    command, *words = step("ENTRYPOINT")
    assert command == "hierattn"
    served = shlex.join([sys.executable, "-m", "hierattn", *words, "--port", str(number)])
    reads = "-all,+dac_read_search"  # an interpreter in a home that is closed to others is still found
    inside = (
        "mount --make-rprivate / && mount -o remount,bind,ro / && "
        f"mount -t tmpfs tmpfs {scratch()} && cd / && "
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "
        f"--inh-caps={reads} --ambient-caps={reads} --bounding-set={reads} "
        f"env -i PATH=/usr/bin:/bin TMPDIR={scratch()} PYTHONDONTWRITEBYTECODE=1 "
        f"PYTHONPATH={shlex.quote(str(ROOT / 'src'))} {served}"
    )
    process = subprocess.Popen(["unshare", "--mount", "sh", "-c", inside], stderr=subprocess.PIPE, text=True)
    try:
        yield number
        process.send_signal(signal.Signals[re.findall(r"^STOPSIGNAL (\w+)$", STEPS, re.MULTILINE)[-1]])
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said
        assert "Traceback" not in said
    finally:
        process.kill()


def test_the_service_is_healthy_by_the_containers_own_check_and_ends_cleanly(port):
    words = step("HEALTHCHECK CMD")
    assert words[0] == "python"
    check = [sys.executable, *(word.replace(":8000/", f":{port}/") for word in words[1:])]
    assert check != [sys.executable, *words[1:]]
    until = time.monotonic() + 120
    while (done := subprocess.run(check, capture_output=True, text=True, check=False)).returncode:
        assert time.monotonic() < until, done.stderr
        time.sleep(0.5)


def test_prometheus_finds_what_the_compose_file_tells_it_to_collect(port):
    with urlopen(f"http://127.0.0.1:{port}{SCRAPE['metrics_path']}", timeout=10) as answer:
        names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert any(name.startswith("hierattn_") for name in names), names


def test_the_compose_file_gives_the_service_no_more_than_the_container_needs():
    service, prometheus = COMPOSE["services"]["hierattn"], COMPOSE["services"]["prometheus"]
    assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    exposed = re.findall(r"^EXPOSE (\d+)$", STEPS, re.MULTILINE)[-1]
    assert SCRAPE["static_configs"][0]["targets"] == [f"hierattn:{exposed}"]
    assert all(port.startswith("127.0.0.1:") for each in (service, prometheus) for port in each["ports"])
    mounted = prometheus["volumes"][0].partition(":")[0]
    assert yaml.safe_load((ROOT / mounted).read_text(encoding="utf-8"))["scrape_configs"] == [SCRAPE]


def test_the_container_runs_as_nobody_of_note_and_copies_what_is_there():
    last = STEPS.rpartition("\nFROM ")[2]
    assert last.startswith("python:3.11-slim\n")
    assert last.index("useradd") < last.index("USER hierattn") < last.index("ENTRYPOINT")
    for words in re.findall(r"^COPY (?!--from)(.+)$", STEPS, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
