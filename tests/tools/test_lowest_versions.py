"""What is tried as the lowest versions is what pyproject.toml promises."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from tools.lowest_versions import EXTRA, lowest_versions

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_direct_requirement_is_tried_at_the_least_version_that_it_allows():
    lowest = lowest_versions(PROJECT, EXTRA)
    requirements = [Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"][EXTRA]]
    assert lowest.keys() == {requirement.name for requirement in requirements}
    for requirement in requirements:
        version = Version(lowest[requirement.name])
        assert version in requirement.specifier
        assert Version(f"{version}.dev0") not in requirement.specifier


@pytest.mark.parametrize("line", ["numpy", "numpy>=1.26,<3", "numpy==2.0", "numpy>=1.26; python_version>'3.11'"])
def test_a_requirement_without_one_lower_bound_is_refused(line):
    with pytest.raises(SystemExit, match="wanted NAME>=VERSION"):
        lowest_versions({"dependencies": [line], "optional-dependencies": {"serve": []}}, "serve")
