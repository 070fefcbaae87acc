"""Large rendered sets: asked-for counts, the renderer's own pixels, the same with any number of processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hierattn.data.prepared_set.folds import check_leaks
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import DataError, UsageError

COUNTS = {"MEL": 40, "NV": 60}


def test_counts_are_exact_lesions_have_several_photographs_and_folds_do_not_leak(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    out = render_prepared(tmp_path / "set", COUNTS, size=32, folds=4, progress=lambda *done: seen.append(done))
    packed = PackedSet.open(out)
    packed.verify()
    assert Counter(record.label for record in packed.records) == COUNTS
    photographs = Counter(record.lesion for record in packed.records).values()
    assert set(photographs) <= {1, 2, 3, 4}
    assert max(photographs) > 1
    check_leaks(packed.records)
    split(packed.records, 3)
    assert seen[-1] == ("rendering", 100, 100)
    assert len(np.unique(packed.images.reshape(100, -1), axis=0)) == 100


def test_processes_change_no_byte_and_a_seed_does(tmp_path: Path) -> None:
    names = {"one": {}, "two": {"jobs": 2}, "other": {"seed": 1}}
    for name, options in names.items():
        render_prepared(tmp_path / name, COUNTS, size=32, folds=3, **options)
    files = {name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in names}
    assert files["one"] == files["two"]
    assert files["one"]["images.npy"] != files["other"]["images.npy"]


def test_a_taken_folder_and_too_few_lesions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class MEL has"):
        render_prepared(tmp_path / "few", {"MEL": 3, "NV": 60}, size=32)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="nothing in it is touched"):
        render_prepared(tmp_path / "taken", COUNTS, size=32, folds=3)
