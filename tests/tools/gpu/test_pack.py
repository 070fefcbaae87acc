from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tools.gpu.pack import PackOptions, decode, read_description, travelling_bytes, write_pack

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError, LeakError, UsageError
from hierattn.image_spec import ImageSpec
from hierattn.taxonomy.built_in import EIGHT


def quiet(text: str) -> None:
    """Say nothing."""


def test_the_outer_fold_stays_at_home(pack, prepared, tmp_path):
    photographs = decode(pack, "set", tmp_path)
    packed = PackedSet.open(prepared)
    kept = [row for row, record in enumerate(packed.records) if record.fold != 0]
    assert {record.fold for record in photographs.records} == {1, 2}
    assert [record.sha256 for record in photographs.records] == [packed.records[row].sha256 for row in kept]
    away = {record.sha256 for record in packed.records if record.fold == 0}
    assert not away & {record.sha256 for record in photographs.records}
    difference = np.abs(photographs.images[:].astype(int) - packed.images[kept].astype(int))
    assert difference.mean() < 8  # WebP's loss, and every photograph in its own row
    assert all("/" not in record.image for record in photographs.records)


def test_a_file_that_is_cut_short_is_named(pack, tmp_path):
    copied = tmp_path / "pack"
    copied.mkdir()
    for path in pack.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    name = "set.webp.bin"
    (copied / name).write_bytes((copied / name).read_bytes()[:-5])
    with pytest.raises(DataError, match=name):
        read_description(copied)
    with pytest.raises(DataError, match="no pack"):
        read_description(tmp_path)


def test_what_is_too_large_is_refused_with_what_to_leave_out(prepared, start, settings, tmp_path):
    narrow = copy.deepcopy(settings)
    narrow["limits"]["travel_megabytes"] = 1
    options = PackOptions(narrow, tmp_path / "none", starts=(("shufflenet_v2_1x", start),))
    with pytest.raises(UsageError, match=r"too much for 1 MB.*pack\.size=54.*start shufflenet_v2_1x \(2\.\d MB\)"):
        write_pack(tmp_path / "pack", [prepared], options, quiet)
    assert not (tmp_path / "pack").exists()


def test_quality_falls_until_it_fits(prepared, settings, tmp_path):
    roomy = write_pack(tmp_path / "one", [prepared], PackOptions(settings, tmp_path / "none"), quiet)
    narrow = copy.deepcopy(settings)
    narrow["limits"]["travel_megabytes"] = (roomy["bytes"] - 10_000 + 200_000) / 1e6
    tight = write_pack(tmp_path / "two", [prepared], PackOptions(narrow, tmp_path / "none"), quiet)
    assert tight["quality"] < roomy["quality"] == settings["pack"]["best_quality"]
    assert tight["bytes"] < roomy["bytes"]


def test_a_folder_that_git_would_commit_is_refused(prepared, settings, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("out/\n")
    with pytest.raises(UsageError, match="must not be committed"):
        write_pack(tmp_path / "pack", [prepared], PackOptions(settings, tmp_path), quiet)
    write_pack(tmp_path / "out" / "pack", [prepared], PackOptions(settings, tmp_path), quiet)


def test_a_teacher_that_has_seen_the_outer_fold_stays_at_home(prepared, settings, tmp_path):
    from hierattn.models.registry import create_model
    from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from hierattn.models.weights.trained_on import TrainedOn, digests_of

    packed = PackedSet.open(prepared)
    classes = tuple(sorted({record.label for record in packed.records}))
    network = create_model("hierattn_xs", num_classes=len(classes))

    def teacher(folds: set[int]) -> Path:
        seen = TrainedOn(digests_of(record.sha256 for record in packed.records if record.fold in folds))
        path = tmp_path / f"teacher-{min(folds)}.safetensors"
        taxonomy, weights = EIGHT.subset(classes), network.state_dict()
        save_checkpoint(path, Checkpoint("hierattn_xs", taxonomy, ImageSpec(size=64), weights, trained_on=seen))
        return path

    with pytest.raises(LeakError, match="holds out"):
        write_pack(tmp_path / "no", [prepared], PackOptions(settings, tmp_path, (teacher({0}),)), quiet)
    starts = (("hierattn_xs", teacher({0})),)  # a start of ours has seen photographs too
    with pytest.raises(LeakError, match="holds out"):
        write_pack(tmp_path / "no", [prepared], PackOptions(settings, tmp_path, (), starts), quiet)
    started = PackOptions(settings, tmp_path, (), (("hierattn_xs", teacher({2})),))
    write_pack(tmp_path / "started", [prepared], started, quiet)
    kept = load_checkpoint(tmp_path / "started" / "start-0.safetensors")
    assert kept.trained_on is not None
    assert kept.trained_on.saw(packed.records).tolist() == [r.fold == 2 for r in packed.records]
    options = PackOptions(settings, tmp_path / "none", (teacher({2}),))
    described = write_pack(tmp_path / "yes", [prepared], options, quiet)
    assert [one["kind"] for one in described["weights"]] == ["teacher"]
    whole = (tmp_path / "teacher-2.safetensors").stat().st_size
    assert described["weights"][0]["bytes"] < 0.6 * whole  # half precision


def test_ignored_files_do_not_count_as_travelling(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "large").write_bytes(bytes(5000))
    (tmp_path / "new").write_bytes(bytes(100))
    assert travelling_bytes(tmp_path) == 105


def test_the_description_is_plain(pack):
    described = json.loads((pack / "pack.json").read_text())
    assert described["sets"][0]["images"] > 50
    assert str(pack.parent) not in json.dumps(described)
