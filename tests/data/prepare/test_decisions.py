"""Decisions on labels: applied as written, refused where they do not fit, and never to a test label without a word."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from tiny_sets import isic_set

from hierattn.data.prepare.decisions import (
    Finding,
    notes_on_test_labels,
    read_decisions,
    table_digest,
    table_label,
    table_name,
    write_findings,
)
from hierattn.data.prepare.decisions import (
    decide as apply,
)
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.packed import AUDIT, PackedSet
from hierattn.errors import HierAttnError, TableError, UsageError

HOW = {"size": 32, "folds": 3, "crop": "none"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: six lesions of melanoma, six naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 12 + ["NV"] * 12, [f"L{number // 2}" for number in range(24)])


@pytest.fixture
def audited(source: Path, tmp_path: Path) -> Path:
    prepare(source, tmp_path / "audited", PrepareOptions(**HOW))
    return tmp_path / "audited"


def name_of(record: Record) -> str:
    return Path(record.image).name


def records_of(folder: Path) -> dict[str, Record]:
    return {name_of(record): record for record in PackedSet.open(folder).records}


def write_decisions(path: Path, rows: list[tuple[str, str]], columns: str = "image,decision") -> Path:
    path.write_text("\n".join([columns, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def decide(source: Path, audited: Path, out: Path, table: Path | tuple[Path, ...], **how: object) -> dict[str, Record]:
    tables = table if isinstance(table, tuple) else (table,)
    options = {"outer_fold": 0} | how
    prepare(source, out, PrepareOptions(**HOW, splits=audited / "splits.csv", decisions=tables, **options))
    return records_of(out)


def in_fold(audited: Path, fold: int, label: str = "MEL") -> list[str]:
    return [name for name, record in records_of(audited).items() if record.fold == fold and record.label == label]


def test_what_is_decided_is_done_and_everything_else_stays_as_it_was(source, audited, tmp_path):
    relabelled, dropped, kept = in_fold(audited, 1)[:3]
    table = write_decisions(
        tmp_path / "d.csv", [(relabelled, "relabel:nv"), (dropped, "Drop"), (kept, "KEEP"), (kept, "")]
    )
    before = records_of(audited)
    after = decide(source, audited, tmp_path / "out", table)
    assert after[relabelled].label == "NV"
    assert set(before) - set(after) == {dropped}
    for name in set(after) - {relabelled}:
        assert after[name] == before[name]  # label, group and fold
    with (tmp_path / "out" / AUDIT).open(newline="") as file:
        reasons = {Path(row["image"]).name: (row["status"], row["reason"]) for row in csv.DictReader(file)}
    assert reasons[relabelled] == ("kept", "MEL as given, NV by decision")
    assert reasons[dropped] == ("dropped", "by decision (d.csv)")
    assert reasons[kept] == ("kept", "")
    record = json.loads((tmp_path / "out" / "prepared.json").read_text())["decisions"]
    assert list(record["files"]) == ["d.csv"]
    assert len(record["files"]["d.csv"]) == 64
    assert (record["relabelled"], record["dropped"], record["kept"]) == ([0, 1, 0], [0, 1, 0], 1)
    assert record["undecided"] == 1


def test_decisions_on_the_outer_fold_are_listed_apart_and_applied_only_when_that_is_said(source, audited, tmp_path):
    tested, trained = in_fold(audited, 2)[0], in_fold(audited, 0)[0]
    table = write_decisions(tmp_path / "d.csv", [(tested, "relabel:NV"), (trained, "relabel:NV")])
    report = prepare(
        source,
        tmp_path / "kept",
        PrepareOptions(**HOW, splits=audited / "splits.csv", decisions=(table,), outer_fold=2),
    )
    kept = records_of(tmp_path / "kept")
    assert (kept[tested].label, kept[trained].label) == ("MEL", "NV")
    assert any("not applied (outer fold 2, or for testing only): 1;" in note for note in report.notes)
    assert f"{tested},kept,relabel:NV not applied: outer fold 2" in (tmp_path / "kept" / AUDIT).read_text()
    both = decide(source, audited, tmp_path / "both", table, outer_fold=2, decide_outer_fold=True)
    assert (both[tested].label, both[trained].label) == ("NV", "NV")
    for folder, fold, said in (("kept", 2, 0), ("kept", 0, 1), ("both", 2, 1), ("both", None, 1), ("audited", 0, 0)):
        info = PackedSet.open(tmp_path / folder).info
        assert len(notes_on_test_labels(info, fold)) == said, (folder, fold)


def test_a_label_may_become_a_class_of_the_taxonomy_that_no_image_has_yet(source, audited, tmp_path):
    name = in_fold(audited, 1)[0]
    table = write_decisions(tmp_path / "d.csv", [(name, "relabel:bkl")])
    assert decide(source, audited, tmp_path / "decided", table)[name].label == "BKL"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "wanted --outer-fold K"),
        ({"decisions": (), "outer_fold": 0}, "without --decisions"),
        ({"decisions": (), "decide_outer_fold": True}, "without --decisions"),
    ],
)
def test_what_is_decided_and_what_is_tested_must_be_said_together(audited, tmp_path, how, said):
    with pytest.raises(UsageError, match=said):
        PrepareOptions(**({"splits": audited / "splits.csv", "decisions": (tmp_path / "d.csv",)} | how))


def test_decisions_want_the_folds_of_the_set_that_was_audited(source, tmp_path):
    table = write_decisions(tmp_path / "d.csv", [("ISIC_0000000", "drop")])
    with pytest.raises(UsageError, match="--decisions without --splits"):
        prepare(source, tmp_path / "out", PrepareOptions(**HOW, decisions=(table,), outer_fold=0))


@pytest.mark.parametrize("decided", [False, True])
def test_photographs_for_testing_only_are_test_labels_in_every_fold_and_those_for_training_only_in_none(
    tmp_path, decided
):
    """Whatever their fold: a source for testing only is always tested, one for training only never."""
    path = tmp_path / "photograph.jpg"
    path.write_bytes(b"bytes")
    records = [Record(f"{path.parent}/{name}.jpg", "MEL", use=use) for name, use in USES.items()]
    table = write_decisions(tmp_path / "d.csv", [(f"{name}.jpg", "relabel:NV") for name in USES])
    done = apply(
        records, [1, 1, 0, 0], [read_decisions(table)], ["MEL", "NV"], content=Path.read_bytes, folds=3, outer_fold=0,
        decide_outer_fold=decided,
    )  # fmt: skip
    labels = {Path(record.image).stem: record.label for record in done.records}
    assert labels == {
        "own": "NV",
        "trains": "NV",
        "tests": "NV" if decided else "MEL",
        "both": "NV" if decided else "MEL",
    }
    info = {"decisions": vars(done.record)}
    assert [len(notes_on_test_labels(info, fold)) for fold in (0, 1, 2)] == ([1, 1, 1] if decided else [0, 1, 0])


USES = {"own": "", "tests": "test", "trains": "train", "both": ""}


def test_an_outer_fold_that_the_set_does_not_have_is_refused(source, audited, tmp_path):
    table = write_decisions(tmp_path / "d.csv", [(in_fold(audited, 1)[0], "drop")])
    with pytest.raises(UsageError, match="folds 0 to 2"):
        decide(source, audited, tmp_path / "out", table, outer_fold=3)


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        ([("nobody.jpg", "drop")], "image,decision", "decides on nobody.jpg, which is no image"),
        ([("{0}", "relable:NV")], "image,decision", "'relable:NV': wanted keep"),
        ([("{0}", "relabel")], "image,decision", "'relabel': wanted keep"),
        ([("{0}", "keep:NV")], "image,decision", "'keep:NV': wanted keep"),
        ([("{0}", "same_group")], "image,decision", "'same_group': wanted keep"),
        ([("{0}", ":")], "image,decision", "':': wanted keep"),
        ([("", "drop")], "image,decision", "a row without image"),
        ([("{0}", "relabel:eczema")], "image,decision", "wanted one of ACK, BCC, BKL"),
        ([("{0}", "relabel:NV"), ("{0}", "keep")], "image,decision", "keep and relabel:NV contradict"),
        ([("{0}", "drop"), ("{0}", "relabel:NV")], "image,decision", "drop and relabel:NV contradict"),
        (
            [("{0}", "NV (Naevus)", "keep")],
            "image,given,decision",
            r"labelled NV \(Naevus\) when it was looked at and is MEL",
        ),
        ([("{0}", "sha256:0123456789abcdef", "keep")], "image,digest,decision", "changed since it was looked at"),
        ([("{0}", "same_group:nobody")], "image,decision", "decides on nobody"),
        ([("{0}", "same_group:{1}")], "image,decision", "in fold 1 and .* in fold 2 are to be one group"),
        ([("{0}",)], "image", "lacks the column decision"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_made(source, audited, tmp_path, rows, columns, said):
    names = in_fold(audited, 1)[0], in_fold(audited, 2)[0]
    table = write_decisions(tmp_path / "d.csv", [tuple(cell.format(*names) for cell in row) for row in rows], columns)
    with pytest.raises(TableError, match=said) as caught:
        decide(source, audited, tmp_path / "out", table)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_photograph_that_was_stored_anew_since_the_audit_is_not_decided_on(source, audited, tmp_path):
    name, record = next((name, one) for name, one in records_of(audited).items() if one.fold == 1)
    rows = [(name, table_digest(record.sha256), "keep")]
    table = write_decisions(tmp_path / "d.csv", rows, "image,digest,decision")
    decide(source, audited, tmp_path / "same", table)
    path = next(source.rglob(name))
    Image.open(path).save(path, quality=40)
    with pytest.raises(TableError, match=f"{name} was changed since"):
        decide(source, audited, tmp_path / "out", table)


def test_images_of_one_group_stay_in_one_fold_and_share_their_group(source, audited, tmp_path):
    one, other = (next(name for name in in_fold(audited, 1, label)) for label in ("MEL", "NV"))
    table = write_decisions(tmp_path / "d.csv", [(one, f"same_group:{Path(other).stem}")])
    before, after = records_of(audited), decide(source, audited, tmp_path / "out", table)
    assert before[one].group != before[other].group
    assert after[one].group == after[other].group
    assert (after[one].fold, after[other].fold) == (1, 1)


def test_a_second_table_is_checked_against_what_the_first_has_made(source, audited, tmp_path):
    name = in_fold(audited, 1)[0]
    columns = "image,given,decision"
    first = write_decisions(tmp_path / "1.csv", [(name, "MEL (Melanoma)", "relabel:NV")], columns)
    second = write_decisions(tmp_path / "2.csv", [(name, "NV (Naevus)", "relabel:MEL")], columns)
    assert decide(source, audited, tmp_path / "out", (first, second))[name].label == "MEL"
    with pytest.raises(TableError, match=r"labelled NV \(Naevus\) when it was looked at"):
        decide(source, audited, tmp_path / "other", second)


def test_the_same_again_does_nothing_and_other_decisions_are_told(source, audited, tmp_path):
    name = in_fold(audited, 1)[0]
    table = write_decisions(tmp_path / "d.csv", [(name, "relabel:NV")])
    decide(source, audited, tmp_path / "out", table)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    decide(source, audited, tmp_path / "out", table)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == files
    with pytest.raises(UsageError, match="other decisions"):
        decide(source, audited, tmp_path / "out", table, outer_fold=2)
    write_decisions(table, [(name, "drop")])
    with pytest.raises(HierAttnError, match=r"other decisions|fewer"):
        decide(source, audited, tmp_path / "out", table)


AWKWARD = ("007.jpg", "1E5.png", "MAR-1.jpg", "=1+1.jpg", "-3.jpg", "@x.jpg", "naevus, links.jpg", "Präparat.jpg")


@pytest.mark.parametrize("saved", ["as it is", "semicolons", "utf-16 tabs", "all quoted, CRLF, sep="])
def test_the_table_survives_a_spreadsheet(tmp_path, saved):
    """Read as a spreadsheet does: no cell that is read back may look like a number, a date or a formula."""
    findings = [
        Finding(f"label-{row}", "label", table_name(name), table_label("007", "Seven"), "", 0.5, "why", "", 3,
                table_digest(f"{row}23e4567890123456789" + "0" * 44), "keep")
        for row, name in enumerate(AWKWARD)
    ]  # fmt: skip
    path = tmp_path / "decisions.csv"
    write_findings(path, findings)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    for row in rows:
        for column in ("image", "given", "digest", "decision"):
            assert not re.fullmatch(r"[\d.,eE+ -]*|\w{3}-\d+", row[column]), row[column]
            assert row[column][:1] not in ("=", "+", "-", "@"), row[column]
    if saved != "as it is":
        delimiter = {"semicolons": ";", "utf-16 tabs": "\t"}.get(saved, ",")
        with (tmp_path / "saved.csv").open(
            "w", newline="", encoding="utf-16" if saved.startswith("utf-16") else "utf-8-sig"
        ) as file:
            if saved.endswith("sep="):
                file.write("sep=,\r\n")
            quoting = csv.QUOTE_ALL if "quoted" in saved else csv.QUOTE_MINIMAL
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
            writer.writeheader()
            writer.writerows(rows)
        path = tmp_path / "saved.csv"
    decisions = read_decisions(path).decisions
    assert [Path(decision.image).name for decision in decisions] == list(AWKWARD)
    assert {decision.given for decision in decisions} == {"007 (Seven)"}
    assert [decision.digest for decision in decisions] == [finding.digest for finding in findings]
