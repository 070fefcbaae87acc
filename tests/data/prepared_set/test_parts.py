"""The parts of a run share nothing: by fold, by source, and where a source only trains or only tests."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hierattn.data.prepared_set.folds import join_groups, make_folds
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.parts import Split, check_parts, sources_of, split, unseen_fold
from hierattn.errors import DataError, LeakError, UsageError


def record(name: str, label: str = "MEL", **more: object) -> Record:
    return Record(image=f"{name}.jpg", label=label, **{"source": "x", **more})  # type: ignore[arg-type]


def several(classes: dict[str, int], images: int = 2, **more: object) -> list[Record]:
    """``images`` images of each lesion, ``classes[label]`` lesions of each class, grouped."""
    source = more.get("source", "x")
    return join_groups(
        [
            record(f"{source}/{label}{lesion}_{number}", label, lesion=f"{label}{lesion}", **more)
            for label, lesions in classes.items()
            for lesion in range(lesions)
            for number in range(images)
        ]
    )


def of_parts(records: list[Record], parts: Split) -> tuple[list[Record], list[Record], list[Record]]:
    train, inner, test = ([records[row] for row in rows] for rows in (parts.train, parts.validation, parts.test))
    return train, inner, test


@pytest.mark.parametrize("fold", range(4))
def test_a_split_is_disjoint_whole_and_by_the_stated_folds(fold: int) -> None:
    records = make_folds(several({"MEL": 10, "NV": 25}), 4, seed=1)
    parts = split(records, fold)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(rows) == list(range(len(records)))
    assert {records[row].fold for row in parts.test} == {fold}
    assert {records[row].fold for row in parts.validation} == {(fold + 1) % 4}
    for one, two in ((parts.train, parts.validation), (parts.train, parts.test), (parts.validation, parts.test)):
        assert not {records[row].group for row in one} & {records[row].group for row in two}


def test_copies_are_only_ever_in_train() -> None:
    originals = several({"MEL": 10, "NV": 25}, images=1)
    copies = [replace(one, image=f"copy_{one.image}", role="augmented", parent=one.image) for one in originals]
    records = make_folds(join_groups([*originals, *copies]), 5)
    parts = split(records, 2)
    assert {records[row].role for row in parts.train} == {"original", "augmented"}
    assert {records[row].role for row in (*parts.validation, *parts.test)} == {"original"}
    trained = {records[row].parent for row in parts.train} | {records[row].image for row in parts.train}
    assert not trained & {records[row].image for row in (*parts.validation, *parts.test)}


def test_a_fold_that_is_not_there_and_a_leaking_manifest_give_no_split() -> None:
    records = make_folds(several({"MEL": 10, "NV": 10}), 3)
    for fold in (-1, 3):
        with pytest.raises(UsageError, match="folds 0 to 2"):
            split(records, fold)
    with pytest.raises(LeakError):
        split([replace(one, group="one") for one in records], 0)


# --- several sources ----------------------------------------------------------------------------------------------

COUNTS = {"MEL": 8, "NV": 16}


def three_sources(**uses: str) -> list[Record]:
    """Sources a, b and c, each with both classes; ``uses`` by name."""
    records = [one for name in "abc" for one in several(COUNTS, source=name, use=uses.get(name, ""))]
    return make_folds(join_groups(records), 4)


@pytest.mark.parametrize("fold", range(4))
def test_what_only_trains_never_judges_and_always_trains(fold: int) -> None:
    records = three_sources(c="train")
    train, inner, test = of_parts(records, split(records, fold))
    assert {one.source for one in inner} == {one.source for one in test} == {"a", "b"}
    assert [one for one in train if one.source == "c"] == [one for one in records if one.source == "c"]
    assert sources_of(records) == ["a", "b"]


@pytest.mark.parametrize("fold", range(4))
def test_what_only_tests_is_in_every_test_and_nowhere_else(fold: int) -> None:
    records = three_sources(b="test")
    train, inner, test = of_parts(records, split(records, fold))
    assert {one.source for one in train} == {one.source for one in inner} == {"a", "c"}
    assert [one for one in test if one.source == "b"] == [one for one in records if one.source == "b"]
    assert {one.fold for one in test if one.source != "b"} == {fold}


@pytest.mark.parametrize("fold", range(4))
def test_photographs_for_training_only_make_way_for_their_patient(fold: int) -> None:
    judged = several({"MEL": 8, "NV": 8}, source="a")
    judged = [replace(one, patient=f"P{number}") for number, one in enumerate(judged)]
    cut_out = [replace(one, image=f"cut/{one.image}", source="c", use="train") for one in judged]
    records = make_folds(join_groups([replace(one, collection="pad") for one in [*judged, *cut_out]]), 4)
    train, inner, test = of_parts(records, split(records, fold))
    away = {one.patient for one in [*inner, *test]}
    assert {one.patient for one in train if one.source == "c"} == {one.patient for one in judged} - away


def test_what_belongs_to_a_test_only_photograph_is_never_trained_on() -> None:
    own = [record(f"a/{number}", "MEL" if number % 2 else "NV", source="a", sha256=f"{number}") for number in range(24)]
    tested = [replace(one, image=f"b/{one.sha256}.jpg", source="b", use="test") for one in own[:6]]
    records = make_folds(join_groups([*own, *tested]), 3)
    for fold in range(3):
        train, inner, test = of_parts(records, split(records, fold))
        assert not {one.sha256 for one in [*train, *inner]} & {one.sha256 for one in tested}
        assert sum(one.source == "b" for one in test) == 6


@pytest.mark.parametrize("left_out", "abc")
def test_a_left_out_source_is_judged_whole_and_seen_nowhere_else(left_out: str) -> None:
    records = three_sources()
    train, inner, test = of_parts(records, split(records, 1, left_out))
    assert test == [one for one in records if one.source == left_out]
    assert {one.source for one in train} == {one.source for one in inner} == set("abc") - {left_out}
    assert ({one.fold for one in train}, {one.fold for one in inner}) == ({0, 3}, {2})
    own = [records[row] for row in unseen_fold(records, 1, left_out)]
    assert own == [one for one in records if one.fold == 1 and one.source != left_out]
    assert not {one.image for one in own} & {one.image for one in [*train, *inner, *test]}


def test_photographs_whose_group_was_trained_on_are_left_out_of_the_judgement() -> None:
    labels = ["NV", "MEL"]
    own = [record(f"a/{number}", labels[number % 2], source="a", lesion=f"{number}") for number in range(40)]
    shared = [replace(one, image=f"b/{one.lesion}.jpg", source="b") for one in own[:10]]
    alone = [record(f"b/own{number}", labels[number % 2], source="b") for number in range(12)]
    records = make_folds(join_groups([replace(one, collection="isic") for one in [*own, *shared, *alone]]), 4)
    train, inner, test = of_parts(records, split(records, 0, "b"))
    seen = {one.lesion for one in [*train, *inner]} - {""}
    assert test == [one for one in records if one.source == "b" and one.lesion not in seen]
    assert 12 < len(test) < 22  # some of the shared lesions lie in the unseen fold


@pytest.mark.parametrize(
    ("left_out", "words"),
    [("d", "no source 'd' in the manifest: wanted one of a, b"), ("c", "'c' is for training only, and never judged")],
)
def test_a_source_that_cannot_be_left_out_is_one_line(left_out: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split(three_sources(c="train"), 0, left_out)


def test_the_only_source_to_train_on_cannot_be_left_out() -> None:
    with pytest.raises(UsageError, match="the only one to train on"):
        split(three_sources(b="test", c="test"), 0, "a")


def test_nothing_but_training_only_and_test_only_has_no_folds() -> None:
    with pytest.raises(DataError, match="wanted one at least that both trains and is judged"):
        three_sources(a="train", b="train", c="test")


def test_each_sources_classes_are_spread_evenly() -> None:
    records = three_sources()
    for name in "abc":
        for label, lesions in COUNTS.items():
            for fold in range(4):
                held = {one.lesion for one in records if (one.source, one.label, one.fold) == (name, label, fold)}
                assert len(held) == lesions // 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lesion": "MEL0"}, "lesion MEL0 is in training and in the test"),
        ({"patient": "P"}, "patient P is in training and in the test"),
        ({"sha256": "s"}, "file content s is in training and in the test"),
        ({"use": "train"}, "is in the test, and its source is train only"),
    ],
)
def test_the_proof_finds_what_two_parts_share(change: dict[str, str], words: str) -> None:
    records = [record("a", patient="P", sha256="s", lesion="MEL0"), record("b", **change)]
    parts = Split(np.array([0]), np.array([], np.int64), np.array([1]))
    with pytest.raises(LeakError, match=words):
        check_parts(records, parts)
    check_parts([record("a", lesion="1"), record("b", lesion="2")], parts)


PHOTOGRAPHS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["MEL", "NV"]), *(st.integers(0, 30) for _ in range(3))),
    min_size=30,
    max_size=60,
)


@given(PHOTOGRAPHS, st.sampled_from(["", "train"]), st.sampled_from(["", "test"]), st.booleans(), st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_no_path_of_shared_ids_leads_from_training_to_a_test(
    photographs: list[tuple[str, str, int, int, int]], use_c: str, use_d: str, one_collection: bool, fold: int
) -> None:
    """Against a search of our own, from photograph to photograph, that knows nothing of groups and folds."""
    uses, collection = {"c": use_c, "d": use_d}, "one" * one_collection
    records = [
        record(
            f"{source}/{number}", label, source=source, use=uses.get(source, ""), collection=collection,
            lesion=f"{lesion}" if lesion < 20 else "", patient=f"{patient}" if patient < 8 else "", sha256=f"{content}",
        )
        for number, (source, label, lesion, patient, content) in enumerate(photographs)
    ]  # fmt: skip
    try:
        records = make_folds(join_groups(records), 3)
    except DataError:  # too few separate lesions for three folds
        assume(False)
    holders = defaultdict(set)
    for one in records:
        whose = collection or one.source
        for key in ((whose, "lesion", one.lesion), (whose, "patient", one.patient), ("", "bytes", one.sha256)):
            if key[2]:
                holders[key].add(one.image)
    neighbours = defaultdict(set)
    for images in holders.values():
        for image in images:
            neighbours[image] |= images

    def reached(start: list[Record]) -> set[str]:
        todo, seen = [one.image for one in start], set[str]()
        while todo:
            image = todo.pop()
            if image not in seen:
                seen.add(image)
                todo += neighbours[image]
        return seen

    for left_out in ["", *sources_of(records)]:
        try:
            train, inner, test = of_parts(records, split(records, fold, left_out))
        except UsageError:  # the only source to train on
            continue
        assert not reached(train) & {one.image for one in [*inner, *test]}
        assert not reached(inner) & {one.image for one in test}
        assert not any(one.use == "train" for one in [*inner, *test])
        assert not any(one.use == "test" for one in [*train, *inner])
        if left_out:
            assert {one.source for one in test} <= {left_out}
            assert left_out not in {one.source for one in [*train, *inner]}


def test_another_inner_fold_validates_and_the_next_one_then_trains():
    records = [
        Record(image=f"{fold}{k}", label="NV", lesion=f"{fold}{k}", group=f"{fold}{k}", fold=fold)
        for fold in range(4)
        for k in range(2)
    ]
    parts = split(records, 1, inner_fold=3)
    assert [sorted({records[row].fold for row in rows}) for rows in (parts.train, parts.validation, parts.test)] == [
        [0, 2], [3], [1],
    ]  # fmt: skip
    for wrong in (1, 4, -2):
        with pytest.raises(
            UsageError, match=f"inner fold {wrong}: wanted another of the folds 0 to 3 than the outer one, 1"
        ):
            split(records, 1, inner_fold=wrong)
