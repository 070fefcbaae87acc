"""Figures 2, 10 and 11: the projection against scikit-learn, the same bytes every time, the set's own copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from hierattn.data.balance.oversampling import Change, apply_change
from hierattn.data.balance.pictures import distribution_figure, oversampling_sheet, project, undersampling_figure
from hierattn.data.balance.report import ClassBalance
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.rendered.prepared import render_prepared
from hierattn.data.sets.catalog import ISIC2019, PAD_UFES_20
from hierattn.taxonomy.built_in import EIGHT

COLOURS = {each.code: each.colour for each in EIGHT.classes}


def test_the_projection_is_scikit_learns_pca_of_standardised_features() -> None:
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(500, 6)) @ generator.normal(size=(6, 6)) + 3).astype(np.float32)
    features = np.concatenate([features, np.full((500, 1), 2.0, np.float32)], axis=1)  # one column says nothing
    expected = PCA(2, svd_solver="full").fit_transform(StandardScaler().fit_transform(features[:, :6].astype(float)))
    found = project(features)
    for column in range(2):
        sign = np.sign((found[:, column] * expected[:, column]).sum())
        np.testing.assert_allclose(found[:, column], sign * expected[:, column], atol=1e-4)


def test_the_distribution_tells_the_papers_imbalance_ratios() -> None:
    """53.9 for ISIC 2019 and 16.3 for PAD-UFES-20, 1 after (§3.2.2)."""
    for public, target, ratio in ((ISIC2019, 2500, "53.9"), (PAD_UFES_20, 500, "16.2")):
        classes = {
            code: ClassBalance(count, max(0, count - target), max(0, target - count), target, 0)
            for code, count in public.classes.items()
        }
        left, right = distribution_figure(classes, public.title, dict.fromkeys(classes, "#0072b2")).axes
        assert left.get_title() == f"before: imbalance {ratio}"  # 845 / 52 is 16.25; the paper rounds it up
        assert right.get_title().startswith("after: imbalance 1.0")
        heights = [bar.get_height() for bar in left.patches]
        assert heights == list(public.classes.values())


def test_each_class_shows_what_was_kept_and_dropped_beside_chance() -> None:
    generator = np.random.default_rng(1)
    labels = np.repeat(["MEL", "NV"], [30, 70])
    kept = {"random": generator.random(100) < 0.5, "hardness": generator.random(100) < 0.3}
    figure = undersampling_figure(generator.normal(size=(100, 2)), labels, kept, COLOURS)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:3] == [
        "before: 100 of 100",
        f"random: {kept['random'].sum()} of 100",
        f"hardness: {kept['hardness'].sum()} of 100",
    ]
    own = kept["hardness"][labels == "NV"].sum()
    assert titles[8] == f"NV: {own} kept, {70 - own} dropped"
    points = [len(artist.get_offsets()) for artist in figure.axes[8].collections]
    assert sorted(points) == sorted([own, 70 - own])


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedSet:
    out = tmp_path_factory.mktemp("pictures") / "set"
    return PackedSet.open(render_prepared(out, {"MEL": 12, "NV": 12}, size=32, folds=3))


def test_the_sheet_shows_originals_and_their_own_copies(packed: PackedSet) -> None:
    parents = np.array([3, 3, 5, 5])
    changes = [Change(rotate=angle) for angle in (5.0, -5.0, 8.0, -8.0)]
    sheet = oversampling_sheet(packed, parents, changes)
    shown = [packed.images[3], apply_change(packed.images[3], changes[0]), apply_change(packed.images[3], changes[1])]
    first = sheet[4:36]
    if not np.array_equal(first[:, 4:36], shown[0]):  # the other parent's class comes first
        shown = [
            packed.images[5],
            apply_change(packed.images[5], changes[2]),
            apply_change(packed.images[5], changes[3]),
        ]
    for column, image in enumerate(shown):
        np.testing.assert_array_equal(first[:, 4 + 36 * column : 36 + 36 * column], image)
    assert sheet.shape[1] == 3 * 36 + 4


def test_a_picture_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    from hierattn.data.balance.balance import balance
    from hierattn.data.balance.options import BalanceOptions

    source = render_prepared(tmp_path / "set", {"MEL": 30, "NV": 40}, size=32, folds=3)
    options = BalanceOptions(target=20, protocol="paper", hardness_folds=3, jobs=1)
    for name in ("one", "two"):
        balance(source, tmp_path / name, options)
    for picture in (tmp_path / "one" / "pictures").iterdir():
        assert picture.read_bytes() == (tmp_path / "two" / "pictures" / picture.name).read_bytes()
        if picture.suffix == ".png":
            with Image.open(picture) as image:
                assert min(image.size) > 100
