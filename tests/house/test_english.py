"""The field's words, not our own: what readers had to guess at does not come back."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAIN = {
    "learnt from": "trained on",
    "turned away": "rejected",
    "wished sensitivity": "target sensitivity",
    "foreign set": "external set",
    "told apart": "distinguishable",
    "untouched fold": "outer fold",
    "even bet": "half the time",
    "contestant": "entrant",
    "leaning to rare classes": "logit adjustment",
    "goes on where it broke": "resumes",
}
OLD_NAMES = {
    "src/hierattn/run_folder.py",
    "docs/guides/find-your-way.md",
}  # what version 1 wrote is named where it is read
RECORDS = {"docs/lab-notes.md", "docs/protocol.md"}
READ = [
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/**/*.md",
        "src/**/*.py",
        "src/**/*.jinja",
        "apps/web/src/**/*.ts",
    )
    for path in sorted(ROOT.glob(pattern))
]


@pytest.mark.parametrize("homespun", PLAIN)
def test_a_homespun_word_is_not_used_for_a_standard_one(homespun):
    for path in READ:
        name = path.relative_to(ROOT).as_posix()
        if name in RECORDS or "/released/" in name:
            continue
        text = " ".join(path.read_text(encoding="utf-8").lower().split())
        assert homespun not in text, f"{name} says {homespun!r}: say {PLAIN[homespun]!r}"
