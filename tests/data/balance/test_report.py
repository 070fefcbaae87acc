"""Counts and tables of a balanced set, against counting by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from hierattn.data.balance.report import ClassBalance, classes_with_copies, count_balance, rewrite_audit
from hierattn.data.prepared_set.manifest import Record

LABELS = np.array(["NV", "NV", "NV", "NV", "DF", "DF"])
KEPT = np.array([True, True, False, False, True, True])


def test_classes_are_counted_with_what_the_shuffle_decided() -> None:
    hardness = np.array([0.1, 0.3, 0.3, 0.9, 0.2, 0.4])
    assert count_balance(LABELS, KEPT, {"DF": 3}, {"NV": 7}, hardness) == {
        "DF": ClassBalance(before=2, dropped=0, copies=3, after=5, untouched=0, hardest_kept=0.4, tied=0),
        "NV": ClassBalance(before=4, dropped=2, copies=0, after=2, untouched=7, hardest_kept=0.3, tied=1),
    }
    without = count_balance(LABELS, KEPT, {}, {}, None)["NV"]
    assert (without.hardest_kept, without.tied) == (None, 0)


def test_copies_count_as_images_and_not_as_lesions() -> None:
    records = [
        Record("a", "DF", lesion="L1", patient="P1", group="lesion:L1", fold=0),
        Record("b", "DF", lesion="L1", patient="P1", group="lesion:L1", fold=0),
        Record("c", "DF", group="image:c", fold=1),
        Record("a#copy-1", "DF", lesion="L1", patient="P1", group="lesion:L1", fold=0, role="augmented", parent="a"),
    ]
    assert classes_with_copies(records, 2) == {
        "DF": {"images": 4, "lesions": 2, "patients": 1, "groups": 2, "per_fold": [3, 1]}
    }


def test_the_audit_moves_with_the_set_and_says_why_images_went(tmp_path: Path) -> None:
    source, target = tmp_path / "old.csv", tmp_path / "new.csv"
    source.write_text("image,status,reason\na,kept,\nb,kept,\nc,dropped,empty\n")
    rewrite_audit(source, target, lambda image: f"../{image}", {"b": "under-sampled, at random", "c": "never said"})
    with target.open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("../a", "kept", ""),
            ("../b", "dropped", "under-sampled, at random"),
            ("../c", "dropped", "empty"),
        ]
