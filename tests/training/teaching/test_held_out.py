"""No weights that have seen a held-out photograph get into a run, whatever set, size, name or folds they come from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sets import isic_set

from hierattn.data.balance.balance import balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.errors import LeakError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of, marks_of
from hierattn.taxonomy.built_in import EIGHT
from hierattn.training.teaching.held_out import Admission, HeldOut, seen_in
from hierattn.training.teaching.starting_weights import transfer_into

PATH = Path("weights.safetensors")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photographs of 24 lesions."""
    return isic_set(tmp_path_factory.mktemp("held-out") / "isic", ["MEL"] * 8 + ["NV"] * 16)


@pytest.fixture(scope="module")
def one(source: Path) -> PackedSet:
    prepare(source, source.parent / "one", PrepareOptions(size=32, folds=4))
    return PackedSet.open(source.parent / "one")


@pytest.fixture(scope="module")
def other(source: Path) -> PackedSet:
    """The same photographs at another size, with other folds."""
    prepare(source, source.parent / "other", PrepareOptions(size=48, folds=4, seed=3))
    return PackedSet.open(source.parent / "other")


def held_out(packed: PackedSet, fold: int = 0) -> HeldOut:
    return HeldOut(packed, fold, split(packed.records, fold))


def trained_on(packed: PackedSet, fold: int = 0, *, recorded: bool = True) -> Checkpoint:
    """What a run leaves behind, but for its weights."""
    return Checkpoint(
        model="hierattn_xs",
        taxonomy=EIGHT.subset(("MEL", "NV")),
        image_spec=packed.image_spec,
        state_dict={"a": torch.zeros(1)},
        recipe={"data": {"fold": fold, "prepared": str(packed.folder)}},
        provenance={"manifest_sha256": packed.manifest_sha256},
        trained_on=seen_in(packed, split(packed.records, fold)) if recorded else None,
    )


def never(text: str) -> None:
    raise AssertionError(f"warned: {text}")


def test_other_folds_of_the_same_photographs_are_refused_with_their_true_number(
    one: PackedSet, other: PackedSet
) -> None:
    mine, theirs = split(one.records, 0), split(other.records, 0)
    outer = {one.records[row].sha256 for row in mine.test}
    met = outer & {other.records[row].sha256 for row in theirs.train}
    assert met  # else this test would show nothing
    with pytest.raises(LeakError, match=f"was trained on {len(met)} of the {len(outer)} photographs .* to test .ISIC_"):
        held_out(one).refuse_seen_by(trained_on(other), PATH, never)


@pytest.mark.parametrize("fold", range(4))
def test_the_same_folds_at_another_size_are_taken(source: Path, one: PackedSet, tmp_path: Path, fold: int) -> None:
    prepare(source, tmp_path / "large", PrepareOptions(size=64, folds=4, splits=one.folder / "splits.csv"))
    large = PackedSet.open(tmp_path / "large")
    assert large.manifest_sha256 != one.manifest_sha256
    seen = held_out(one, fold).refuse_seen_by(trained_on(large, fold), PATH, never)
    kept = [record for record in one.records if record.fold != fold]
    np.testing.assert_array_equal(np.union1d(seen.trained, seen.chosen), marks_of(kept))
    with pytest.raises(LeakError, match="photographs that this run holds out to test"):
        held_out(one, fold).refuse_seen_by(trained_on(large, (fold + 1) % 4), PATH, never)


def test_another_fold_of_the_very_set_is_named(one: PackedSet) -> None:
    with pytest.raises(LeakError, match="fold 2 held out, so it has seen fold 0"):
        held_out(one).refuse_seen_by(trained_on(one, 2), PATH, never)


@pytest.mark.parametrize(
    ("use", "part", "told"),
    [
        ("trained", "test", "was trained on 1 of the .* holds out to test"),
        ("chosen", "test", "chose its epoch by 1 of the .* holds out to test"),
        ("trained", "validation", "was trained on 1 of the .* chooses its epoch by"),
    ],
)
def test_one_photograph_is_enough(one: PackedSet, use: str, part: str, told: str) -> None:
    row = getattr(split(one.records, 0), part)[0]
    seen = TrainedOn(**{use: digests_of([one.records[row].sha256])})
    with pytest.raises(LeakError, match=f"{told} .{Path(one.records[row].image).name}.: wanted"):
        held_out(one).refuse_seen_by(replace(trained_on(one), trained_on=seen), PATH, never)


def test_weights_that_chose_by_the_same_inner_fold_or_saw_other_photographs_are_taken(one: PackedSet) -> None:
    inner = digests_of(one.records[row].sha256 for row in split(one.records, 0).validation)
    for seen in (TrainedOn(chosen=inner), TrainedOn(trained=digests_of(["ab" * 32]))):
        assert held_out(one).refuse_seen_by(replace(trained_on(one), trained_on=seen), PATH, never) is seen


def test_a_balanced_set_is_the_same_photographs(one: PackedSet, tmp_path: Path) -> None:
    options = BalanceOptions(target=10, fold=0, under_sampling="random", pictures=False)
    balance(one.folder, tmp_path / "balanced", options)
    balanced = PackedSet.open(tmp_path / "balanced")
    held_out(one, 0).refuse_seen_by(trained_on(balanced, 0), PATH, never)
    with pytest.raises(LeakError, match="holds out to test"):
        held_out(one, 2).refuse_seen_by(trained_on(balanced, 0), PATH, never)


def test_weights_without_a_record_are_judged_by_the_set_they_name(one: PackedSet, other: PackedSet) -> None:
    with pytest.raises(LeakError, match=r"was trained on .* holds out to test"):
        held_out(one).refuse_seen_by(trained_on(other, recorded=False), PATH, never)
    assert held_out(one).refuse_seen_by(trained_on(one, recorded=False), PATH, never).whole


def test_weights_without_a_record_nor_their_set_are_told(one: PackedSet, other: PackedSet, tmp_path: Path) -> None:
    shutil.copytree(other.folder, tmp_path / "gone")
    old = trained_on(PackedSet.open(tmp_path / "gone"), recorded=False)
    shutil.rmtree(tmp_path / "gone")
    told: list[str] = []
    assert not held_out(one).refuse_seen_by(old, PATH, told.append).whole
    assert len(told) == 1
    assert "does not say which photographs it was trained on" in told[0]


def test_what_came_before_an_old_checkpoint_is_not_claimed_to_be_known(one: PackedSet) -> None:
    old = trained_on(one, recorded=False)
    for table, key, path, whole in (
        ("transfer", "checkpoint", "earlier/best.safetensors", False),
        ("distillation", "teacher", "teacher/best.safetensors", False),
        ("transfer", "checkpoint", "mobilenet.npz", True),
    ):
        begun = replace(old, recipe={**old.recipe, table: {key: path}})
        told: list[str] = []
        assert held_out(one).refuse_seen_by(begun, PATH, told.append).whole == whole
        assert len(told) == (not whole)


def test_our_own_mobilevit_is_not_taken_for_a_foreign_one(one: PackedSet, other: PackedSet, tmp_path: Path) -> None:
    model = create_model("mobilevit_xxs", 2)
    weights = replace(trained_on(other), model="mobilevit_xxs", state_dict=model.state_dict())
    save_checkpoint(tmp_path / "ours.safetensors", weights)
    target = create_model("hierattn_xs", 2)
    images = np.zeros((2, 32, 32, 3), np.uint8)
    with pytest.raises(LeakError, match="holds out to test"):
        transfer_into(
            target,
            str(tmp_path / "ours.safetensors"),
            Admission(("MEL", "NV"), ImageSpec(size=32), held_out(one), never),
            images=images,
        )
