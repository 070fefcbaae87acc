"""What is listed: errors with their reasons, pictures of no skin, and both sides of a contradiction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from noise_runs import make_set

from hierattn.audit.findings import COPIES, LABEL, OFF_TOPIC, STRANGE, Auditor, name_images
from hierattn.audit.held_out import HeldOut
from hierattn.data.image_ids import ImageIndex, join
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import DataError
from hierattn.files import write_table
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture
def packed(tmp_path: Path) -> PackedSet:
    """Photographs of one tone of skin with a spot: nothing is wrong with any of them."""
    packed = PackedSet.open(make_set(tmp_path / "set"))
    images = np.empty((len(packed), 128, 128, 3), np.uint8)
    down, along = np.mgrid[:128, :128] - 64
    spot = (down**2 + along**2 < 40**2)[..., None]
    images[:] = np.where(spot, (110, 60, 50), (220, 170, 150))
    images[:, ::4] -= 20  # not blurred
    return replace(packed, images=images)


def sure(packed: PackedSet, says: dict[int, str], strange: dict[int, float] | None = None) -> HeldOut:
    """Networks that are sure of every label as it is given, but of some say another."""
    rows = np.array([row for row, record in enumerate(packed.records) if record.role == "original"])
    answers = [EIGHT.codes.index(says.get(row, packed.records[row].label)) for row in rows.tolist()]
    probabilities = 0.96 * np.eye(8)[answers] + 0.04 / 8
    strangeness = np.array([(strange or {}).get(row, 0.1) for row in rows.tolist()])
    return HeldOut(rows, EIGHT.codes, probabilities, strangeness, np.arange(len(rows)) % 2 == 0, ())


def test_a_label_that_networks_contradict_is_listed_with_what_they_say(packed):
    pytest.importorskip("cleanlab")
    given = packed.records[4].label
    suggested = next(code for code in EIGHT.codes if code != given)
    names = name_images(packed)
    found = Auditor(packed, sure(packed, {4: suggested})).label_errors(names)
    assert [(one.row, one.given, one.suggested) for one in found] == [(4, given, suggested)]
    finding = found[0].finding
    assert finding.finding == "label-1"
    assert finding.kind == LABEL
    assert finding.image == "0_004.png"
    assert finding.given.startswith(f"{given} (")
    assert finding.why == f"networks that have not seen it say {suggested} 0.96, {given} 0.01"
    assert finding.digest == f"sha256:{packed.records[4].sha256[:16]}"
    assert finding.decision == ""
    assert Auditor(packed, sure(packed, {})).label_errors(names) == []


def test_no_skin_and_what_networks_find_strange_are_listed_and_nothing_else(packed):
    packed.images[7] = (40, 90, 200)
    packed.images[7, ::2] = (90, 200, 40)
    held_out = sure(packed, {}, {3: STRANGE + 2, 9: STRANGE - 0.1})
    found = Auditor(packed, held_out).off_topic(name_images(packed))
    assert {one.row: one.finding.kind for one in found} == {3: OFF_TOPIC, 7: OFF_TOPIC}
    assert found[0].row == 3
    assert "6.0 deviations" in found[0].finding.why
    assert "not skin's" in found[1].finding.why
    assert found[0].finding.score < found[1].finding.score
    alone = Auditor(packed, None)  # without a run
    assert [one.row for one in alone.off_topic(name_images(packed))] == [7]
    assert alone.label_errors(name_images(packed)) == []


def test_balanced_colours_are_no_reason_to_doubt_that_it_is_skin(packed):
    packed.images[7] = (140, 141, 140)
    packed.images[7, ::2] = (60, 61, 60)
    auditor = Auditor(packed, None)
    assert "not skin's" in auditor.off_topic(name_images(packed))[0].finding.why
    object.__setattr__(packed, "image_spec", replace(packed.image_spec, colour_constancy="grey_world"))
    assert not any("not skin's" in found.finding.why for found in auditor.off_topic(name_images(packed)))


COLUMNS = ("one", "other", "likeness", "turn", "label", "other_label", "known")


def test_copies_with_two_labels_are_two_findings_each_and_equal_labels_are_none(packed):
    records = packed.records
    same = next(row for row in range(1, 72) if records[row].label == records[0].label)
    other = next(row for row in range(1, 72) if records[row].label != records[0].label)
    rows = [(0, same, 0.99), (0, other, 0.9)]
    write_table(
        packed.folder / "near_duplicates.csv",
        COLUMNS,
        [(records[one].image, records[two].image, likeness, 0, "", "", "no") for one, two, likeness in rows],
    )
    found = Auditor(packed, None).copies(name_images(packed))
    assert [(one.row, one.suggested) for one in found] == [(0, records[other].label), (other, records[0].label)]
    assert [one.finding.other for one in found] == [Path(records[other].image).name, Path(records[0].image).name]
    assert {one.finding.kind for one in found} == {COPIES}
    judged = Auditor(packed, sure(packed, {})).copies(name_images(packed))
    assert f"{records[0].label} 0.96" in judged[0].finding.why


def test_a_damaged_table_of_near_duplicates_has_its_line(packed):
    write_table(packed.folder / "near_duplicates.csv", COLUMNS, [("a", "b", "much", 0, "", "", "")])
    with pytest.raises(DataError, match=r"near_duplicates\.csv is damaged"):
        Auditor(packed, None).copies(name_images(packed))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/1.jpg", "a/2.jpg"], ["1.jpg", "2.jpg"]),
        (["x/MEL/1.jpg", "x/NV/1.jpg", "x/NV/2.jpg"], ["MEL/1.jpg", "NV/1.jpg", "2.jpg"]),
        (["p/a/1.jpg", "q/a/1.jpg"], ["p/a/1.jpg", "q/a/1.jpg"]),
        (["a/1.jpg", "a/1.png"], ["1.jpg", "1.png"]),
        (["a/=1.jpg", "a/007.jpg"], ["./=1.jpg", "007.jpg"]),
    ],
)
def test_each_name_in_the_table_is_found_again_as_its_own_image(packed, paths, names):
    records = [replace(packed.records[0], image=path) for path in paths]
    assert name_images(replace(packed, records=records)) == names
    joined = join("table", names, ImageIndex(f"/elsewhere/{path}" for path in paths), anywhere=True)
    assert joined.row_of == {row: row for row in range(len(paths))}
