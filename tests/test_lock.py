"""The lock is in step with pyproject.toml, whole, verifiable, and names no place that files come from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"


@pytest.fixture(scope="module")
def locked() -> dict[str, Requirement]:
    """Name -> its line of the lock, with version and marker."""
    lines = re.findall(r"^([a-z0-9][^\\\n]*)", LOCK.read_text(), re.MULTILINE)
    found = {canonicalize_name(line.split("==")[0]): Requirement(line.strip()) for line in lines}
    assert len(found) == len(lines) > 100  # a version a name
    return found


def version(requirement: Requirement) -> str:
    [pin] = requirement.specifier
    assert pin.operator == "=="
    return pin.version


APART = ("litert",)
"""Extras for an environment of their own: what they want and what 'dev' wants cannot be installed together."""


def wanted(project: dict) -> Iterator[Requirement]:
    """What the project requires, all extras together but those that stand apart."""
    extras = [lines for extra, lines in project["optional-dependencies"].items() if extra not in APART]
    for line in (*project["dependencies"], *(line for extra in extras for line in extra)):
        yield Requirement(line)


def test_every_requirement_of_every_extra_is_locked_at_a_version_that_it_admits(locked):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in wanted(project):
        if requirement.name == project["name"]:
            continue
        assert canonicalize_name(requirement.name) in locked, f"{requirement} is not in requirements.lock: make lock"
        pinned = version(locked[canonicalize_name(requirement.name)])
        assert requirement.specifier.contains(pinned), f"{requirement} is locked at {pinned}: make lock"


def test_what_the_installed_packages_require_is_locked_too(locked):
    """Transitively, on this machine; an installed package of another version may require other things."""
    for name, line in locked.items():
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of another system
            continue
        if installed.version != version(line):
            continue
        for requirement in map(Requirement, installed.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in locked, f"{requirement}, for {name}: make lock"


def test_every_file_is_known_by_its_hash_and_none_by_its_place():
    text = LOCK.read_text()
    for entry in re.split(r"\n(?=[a-z0-9])", text.strip()):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
    assert "://" not in text
    assert " @ " not in text


def test_constraints_are_the_versions_of_the_lock(locked):
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    assert lines == [f"{name}=={version(line)}" for name, line in locked.items()], "make lock"
