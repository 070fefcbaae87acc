"""Folds: nothing crosses, every class in each, the same for the same seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import SHARED

from hierattn.data.prepared_set.folds import JUDGED_ONLY, check_leaks, join_groups, make_folds
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.sets.layouts import read_source
from hierattn.errors import DataError, LeakError, UsageError


def record(name: str, label: str = "MEL", lesion: str = "", patient: str = "", **more: object) -> Record:
    return Record(image=f"{name}.jpg", label=label, lesion=lesion, patient=patient, source="x", **more)  # type: ignore[arg-type]


def partition(records: list[Record]) -> set[frozenset[str]]:
    """Which images are together, whatever the groups are called."""
    groups = defaultdict(set)
    for one in records:
        groups[one.group].add(one.image)
    return {frozenset(images) for images in groups.values()}


def several(classes: dict[str, int], images: int = 2) -> list[Record]:
    """``images`` images of each lesion, ``classes[label]`` lesions of each class, grouped."""
    return join_groups(
        [
            record(f"{label}{lesion}_{number}", label, f"{label}{lesion}")
            for label, lesions in classes.items()
            for lesion in range(lesions)
            for number in range(images)
        ]
    )


# --- groups -----------------------------------------------------------------------------------------------------


def test_lesion_patient_bytes_parent_and_pairs_join_and_nothing_else() -> None:
    records = [
        record("a", lesion="1"),
        record("b", lesion="1"),
        record("c", patient="P"),
        record("d", patient="P", lesion="2"),
        record("e", sha256="same"),
        record("f", sha256="same"),
        record("g"),
        record("h", role="augmented", parent="g.jpg"),
        record("i"),
        record("j"),
        record("k"),
    ]
    wanted = ["ab", "cd", "ef", "gh", "ij", "k"]
    found = partition(join_groups(records, pairs=[(8, 9)]))
    assert found == {frozenset(f"{name}.jpg" for name in group) for group in wanted}


def test_joining_goes_on_through_shared_members() -> None:
    records = [record("a", lesion="1", patient="P"), record("b", lesion="2", patient="P"), record("c", lesion="2")]
    assert len(partition(join_groups(records))) == 1


def test_the_same_id_of_two_sets_is_two_lesions_with_two_names() -> None:
    records = [replace(record("a", lesion="1"), source="ham"), replace(record("b", lesion="1"), source="pad")]
    assert [one.group for one in join_groups(records)] == ["ham/lesion:1", "pad/lesion:1"]


def test_a_lesion_and_a_patient_of_one_name_stay_apart() -> None:
    records = join_groups([record("a", lesion="7"), record("b", patient="7"), record("7")])
    assert [one.group for one in records] == ["lesion:7", "patient:7", "image:7"]


def test_files_of_one_name_in_two_folders_stay_apart() -> None:
    records = [replace(record("x"), image=f"{label}/1.jpg", sha256=label * 20) for label in ("A", "B")]
    assert len(partition(join_groups(records))) == 2


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25), st.randoms())
@settings(max_examples=60, deadline=None)
def test_groups_are_the_connected_components(ids: list[tuple[int, int]], random: object) -> None:
    records = [
        record(str(number), lesion=str(lesion or ""), patient=str(patient or ""))
        for number, (lesion, patient) in enumerate(ids)
    ]
    # Independent: transitive closure of "shares an id" by repeated matrix products.
    linked = np.array(
        [
            [
                one is two
                or (one.lesion != "" and one.lesion == two.lesion)
                or (one.patient != "" and one.patient == two.patient)
                for two in records
            ]
            for one in records
        ]
    )
    for _ in range(5):
        linked = linked @ linked
    groups = [one.group for one in join_groups(records)]
    assert linked.tolist() == [[one == two for two in groups] for one in groups]

    shuffled = list(records)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {one.image: one.group for one in join_groups(shuffled)} == {
        one.image: group for one, group in zip(records, groups, strict=True)
    }


# --- folds ------------------------------------------------------------------------------------------------------


def test_every_class_is_spread_as_evenly_as_its_count_allows() -> None:
    records = make_folds(several({"MEL": 23, "NV": 100, "DF": 10}, images=1), folds=10)
    for label, count in (("MEL", 23), ("NV", 100), ("DF", 10)):
        held = Counter(one.fold for one in records if one.label == label)
        assert {held[fold] for fold in range(10)} <= {count // 10, -(-count // 10)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_classes_are_as_even_as_scikit_learns(seed: int) -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    generator = np.random.default_rng(seed)
    records = []
    for group in range(300):
        first = generator.choice(["NV", "BKL", "MEL", "DF"], p=[0.6, 0.2, 0.15, 0.05])
        for number in range(int(generator.geometric(0.6))):
            label = first if generator.random() < 0.8 else "NV"
            records.append(record(f"{group}_{number}", str(label), lesion=str(group)))
    records = join_groups(records)
    labels = np.array([one.label for one in records])

    def worst(folds: np.ndarray) -> float:
        shares = [np.bincount(folds[labels == label], minlength=5) / (labels == label).sum() for label in set(labels)]
        return float(np.abs(np.array(shares) - 0.2).max())

    theirs = np.zeros(len(records), dtype=int)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(folds.split(labels, labels, [one.group for one in records])):
        theirs[test] = number
    ours = np.array([one.fold for one in make_folds(records, 5, seed)])
    assert worst(ours) <= worst(theirs) + 1e-12


def test_the_same_seed_gives_the_same_folds_in_any_order_and_another_seed_others() -> None:
    records = several({"MEL": 20, "NV": 60})
    folds = {one.image: one.fold for one in make_folds(records, 5, seed=4)}
    assert {one.image: one.fold for one in make_folds(records[::-1], 5, seed=4)} == folds
    assert {one.image: one.fold for one in make_folds(records, 5, seed=5)} != folds


def test_copies_follow_their_parent_and_do_not_count() -> None:
    records = several({"MEL": 12, "NV": 30}, images=1)
    first = records[0]
    plain = {one.image: one.fold for one in make_folds(records, 3)}
    copies = [replace(first, image=f"copy{number}", role="augmented", parent=first.image) for number in range(50)]
    with_copies = make_folds(join_groups([*records, *copies]), 3)
    assert {one.image: one.fold for one in with_copies if one.role == "original"} == plain
    assert {one.fold for one in with_copies if one.role == "augmented"} == {plain[first.image]}


def test_a_class_with_fewer_lesions_than_folds_is_named_with_what_to_do() -> None:
    records = several({"MEL": 4, "NV": 30}, images=5)
    with pytest.raises(DataError, match=r"class MEL has 4 separate lesions .* 10 folds .* use --folds 4"):
        make_folds(records, 10)
    assert len({one.fold for one in make_folds(records, 4)}) == 4
    with pytest.raises(DataError, match=r"class MEL has 2 .* add images of it or leave the class out"):
        make_folds(several({"MEL": 2, "NV": 30}), 3)


def test_a_class_entwined_with_a_rarer_one_is_refused_rather_than_missing_from_a_fold() -> None:
    # ACK is dealt first, and alternately: one image in P0, four in P1, then three more groups where there is room.
    # BCC rides along in three of the groups; whether it reaches every fold is not its own choice.
    outcomes = set()
    for seed in range(30):
        generator = np.random.default_rng(seed)
        records = []
        for patient in range(6):
            images = int(generator.integers(1, 8))
            records += [record(f"a{patient}_{number}", "ACK", patient=f"P{patient}") for number in range(images)]
        ridden = generator.choice(6, 3, replace=False)
        for patient in ridden:
            images = 20 if patient == ridden[0] else 15
            records += [record(f"b{patient}_{number}", "BCC", patient=f"P{patient}") for number in range(images)]
        try:
            made = make_folds(join_groups(records), 3)
        except DataError:
            outcomes.add("refused")
            continue
        outcomes.add("made")
        assert {one.fold for one in made if one.label == "BCC"} == {0, 1, 2}
    assert "made" in outcomes


def test_a_class_that_a_rarer_one_takes_from_a_fold_is_named() -> None:
    records = [
        record(f"a{patient}_{number}", "ACK", patient=f"P{patient}")
        for patient, images in enumerate([8, 3, 2, 2])
        for number in range(images)
    ]
    records += [
        record(f"b{patient}_{number}", "BCC", patient=f"P{patient}")
        for patient, images in {1: 18, 3: 31, 2: 77}.items()
        for number in range(images)
    ]
    with pytest.raises(DataError, match=r"class BCC stands in no group of fold \d of 3, .* too entwined with rarer"):
        make_folds(join_groups(records), 3)


def test_two_folds_leave_nothing_to_train_on() -> None:
    with pytest.raises(UsageError, match="wanted 3 or more"):
        make_folds(several({"MEL": 10}), 2)
    with pytest.raises(DataError, match="no images"):
        make_folds([], 3)


# --- leaks and splits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lesion": "L9"}, "lesion L9"),
        ({"patient": "P9"}, "patient P9"),
        ({"group": "G9"}, "group G9"),
        ({"sha256": "abc"}, "file content abc"),
    ],
)
def test_each_kind_of_leak_is_named_with_its_folds(change: dict[str, str], named: str) -> None:
    clean = [record("a", fold=0), record("b", fold=2)]
    check_leaks(clean)
    with pytest.raises(LeakError, match=f"{named} in folds 0, 2"):
        check_leaks([replace(one, **change) for one in clean])  # type: ignore[arg-type]


def test_a_copy_away_from_its_parent_is_a_leak() -> None:
    with pytest.raises(LeakError, match=r"image a\.jpg in folds 0, 1"):
        check_leaks([record("a", fold=0), record("b", fold=1, role="augmented", parent="a.jpg")])


def test_a_record_without_fold_is_refused() -> None:
    with pytest.raises(DataError, match="has no fold"):
        check_leaks([record("a")])


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
@pytest.mark.parametrize(("name", "groups", "rarest"), [("isic2019-ham", 6350, 9), ("pad-ufes-20", 583, 3)])
def test_ten_folds_of_the_real_sets_leak_nothing_and_hold_every_class(name: str, groups: int, rarest: int) -> None:
    _, listing = read_source(SHARED / "data" / name)
    records = make_folds(join_groups(listing.records), 10, seed=0)
    check_leaks(records)
    assert len({one.group for one in records}) == groups
    for kind in ("lesion", "patient"):
        folds = defaultdict(set)
        for one in records:
            folds[getattr(one, kind)].add(one.fold)
        folds.pop("", None)
        assert all(len(found) == 1 for found in folds.values())
    cells = Counter((one.label, one.fold) for one in records)
    assert min(cells[label, fold] for label in {one.label for one in records} for fold in range(10)) == rarest


def test_one_class_alone_makes_no_folds_unless_nothing_is_trained():
    records = join_groups(several({"MEL": 9}))
    with pytest.raises(DataError, match=r"images of one class alone \(MEL\): wanted two or more, or --judge-only"):
        make_folds(records, 3)
    assert {each.fold for each in make_folds(records, JUDGED_ONLY)} == {0}
