"""Commands killed at some moments, from a process of its own; 'python -m tools.faults.kills' does it at all of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_killed_anywhere_and_two_at_once_the_small_commands_end_with_the_same_files(tmp_path):
    words = ["prepare", "render", "fetch", "--kills", "6", "--pairs", "1", "--seed", "3", "--work", tmp_path / "work"]
    done = subprocess.run(
        [sys.executable, "-m", "tools.faults.kills", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["prepare", "render", "fetch"]
    for row in rows:
        assert "6 at a change" in row
        assert re.search(r"[1-6] at a time", row)
        assert "violations: 0" in row
