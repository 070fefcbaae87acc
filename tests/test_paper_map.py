"""docs/paper-map.md is complete enough to trust: every path in it exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_path_in_the_paper_map_exists():
    paths = re.findall(r"`((?:src|tests|recipes|results|docs)/[^`]+)`", (ROOT / "docs" / "paper-map.md").read_text())
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
