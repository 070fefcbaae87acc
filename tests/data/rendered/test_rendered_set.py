"""The rendered lesions and the set made of them: what the demo, the tests and the docs stand on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hierattn.data.rendered.lesion_appearance import draw_appearance
from hierattn.data.rendered.photo_conditions import draw_photo
from hierattn.data.rendered.plan import plan_set
from hierattn.data.rendered.rendered_set import render, render_lesion, render_set
from hierattn.errors import UsageError
from hierattn.taxonomy.built_in import EIGHT

IMAGES = 60


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_set(tmp_path_factory.mktemp("sets") / "rendered", images=IMAGES, size=48, seed=5)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _image(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / "ISIC_2019_Training_Input" / f"{name}.jpg") as image:
        return np.asarray(image, np.float32)


def _mask(folder: Path, name: str) -> np.ndarray:
    with Image.open(folder / "masks" / f"{name}.png") as mask:
        return np.asarray(mask) > 0


# One lesion, one photograph


@pytest.mark.parametrize("code", EIGHT.codes)
def test_every_class_renders_at_every_size(code: str) -> None:
    for size in (32, 64, 100, 128, 512) if code in ("MEL", "SCC") else (32, 100):
        one = render_lesion(code, np.random.default_rng(1), size)
        assert one.image.shape == (size, size, 3)
        assert one.image.dtype == np.uint8
        assert one.mask.shape == (size, size)
        assert 0.02 < one.mask.mean() < 0.9


def test_one_seed_is_one_picture_and_another_seed_another() -> None:
    first, again, other = (render_lesion("BKL", np.random.default_rng(seed), 64) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)


def test_a_larger_picture_shows_the_same_lesion() -> None:
    appearance, photo = draw_appearance("NV", np.random.default_rng(3)), draw_photo(np.random.default_rng(4))
    small, large = render(appearance, photo, 64), render(appearance, photo, 256)
    shrunk = large.image.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small.image).mean() < 8
    assert (large.mask[2::4, 2::4] == small.mask).mean() > 0.98


@pytest.mark.parametrize("code", ["NV", "MEL", "VASC", "BKL"])
def test_mask_is_where_the_lesion_is(code: str) -> None:
    """Of pigmented and of vascular lesions, the masked part is darker in the green than the skin around it."""
    darker = []
    for seed in range(8):
        generator = np.random.default_rng([11, seed])
        one = render(draw_appearance(code, generator), draw_photo(generator, surround=False), 64)
        green = one.image[:, :, 1].astype(float)
        darker.append(green[~one.mask].mean() - green[one.mask].mean())
    assert min(darker) > 3
    assert np.mean(darker) > 25


def test_unknown_class_and_size_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="no rendered lesions of class 'XYZ': wanted one of ACK"):
        draw_appearance("XYZ", np.random.default_rng(0))
    with pytest.raises(UsageError, match="of 8 pixels: wanted 16 to 1024"):
        render_lesion("NV", np.random.default_rng(0), 8)


# The plan of a set


# The set on disk


def test_layout_is_isic_2019s_and_rows_are_one_hot(rendered: Path) -> None:
    truth = _rows(rendered / "ISIC_2019_Training_GroundTruth.csv")
    assert list(truth[0]) == ["image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"]
    assert len(truth) == IMAGES
    for row in truth:
        values = [float(value) for name, value in row.items() if name != "image"]
        assert sorted(values) == [0.0] * 8 + [1.0]
        assert row["UNK"] == "0.0"
    metadata = _rows(rendered / "ISIC_2019_Training_Metadata.csv")
    assert list(metadata[0]) == ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"]
    names = [row["image"] for row in truth]
    assert [row["image"] for row in metadata] == names
    assert sorted(path.stem for path in (rendered / "ISIC_2019_Training_Input").iterdir()) == sorted(names)
    assert sorted(path.stem for path in (rendered / "masks").iterdir()) == sorted(names)
    assert {row["sex"] for row in metadata} <= {"", "male", "female"}
    assert _image(rendered, names[0]).shape == (48, 48, 3)


def test_marker_counts_what_the_tables_hold(rendered: Path) -> None:
    marker = json.loads((rendered / "synthetic.json").read_text())
    truth = _rows(rendered / "ISIC_2019_Training_GroundTruth.csv")
    assert (marker["seed"], marker["size"], marker["images"]) == (5, 48, IMAGES)
    assert (marker["source"], marker["licence"]) == ("synthetic", "CC0-1.0 (rendered)")
    assert marker["images_by_class"] == {
        code: sum(row["AK" if code == "ACK" else code] == "1.0" for row in truth) for code in EIGHT.codes
    }


def test_recorded_near_duplicates_are_near_and_others_are_not(rendered: Path) -> None:
    marker = json.loads((rendered / "synthetic.json").read_text())
    pairs = marker["near_duplicates"]
    assert len(pairs) == round(IMAGES * 0.02)
    pictures = {name: _image(rendered, name) for name in marker["lesion_of"]}
    inner = slice(2, -2)
    for copy, source in pairs.items():
        shifts = [np.roll(pictures[copy], (down, along), (0, 1)) for down in (-1, 0, 1) for along in (-1, 0, 1)]
        best = min(np.abs(shift - pictures[source])[inner, inner].mean() for shift in shifts)
        assert best < 6
        assert not np.array_equal(pictures[copy], pictures[source])
        others = [picture for name, picture in pictures.items() if name not in (copy, source)]
        assert min(np.abs(pictures[source] - other).mean() for other in others) > 2 * best


def test_same_seed_same_bytes_whatever_else_is_rendered(rendered: Path, tmp_path: Path) -> None:
    again = render_set(tmp_path / "again", images=IMAGES, size=48, seed=5)
    files = sorted(path.relative_to(rendered) for path in rendered.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((rendered / file).read_bytes() == (again / file).read_bytes() for file in files)
    other = render_set(tmp_path / "other", images=16, size=32, seed=6)
    assert (other / "synthetic.json").read_bytes() != (rendered / "synthetic.json").read_bytes()


def test_each_file_is_its_own_lesion_and_photograph(rendered: Path) -> None:
    """An image rendered alone, out of order, is the image of the set: the set can be rendered in parallel."""
    from hierattn.data.rendered.rendered_set import _render_planned

    for one in reversed(plan_set(IMAGES, 5)[::17]):
        alone = _render_planned(one, 48, 5)
        assert np.abs(alone.image - _image(rendered, one.image)).mean() < 6  # JPEG
        assert np.array_equal(alone.mask, _mask(rendered, one.image))


def test_two_processes_write_the_bytes_of_one(tmp_path: Path) -> None:
    one, two = (render_set(tmp_path / str(jobs), images=16, size=32, jobs=jobs) for jobs in (1, 2))
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(files) > 32
    for path in files:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path


def test_folder_with_something_in_it_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty: name a new folder"):
        render_set(tmp_path, images=16, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_rendering_leaves_nothing(tmp_path: Path) -> None:
    def stop(_: str, done: int, __: int | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_set(tmp_path / "set", images=16, size=32, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_to_the_end_and_an_empty_folder_is_taken(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    (tmp_path / "set").mkdir()
    render_set(tmp_path / "set", images=16, size=32, progress=lambda *call: seen.append(call))
    assert seen == [("rendering", k, 16) for k in range(1, 17)]


def test_contact_sheet_shows_every_class(rendered: Path) -> None:
    with Image.open(rendered / "contact_sheet.png") as sheet:
        assert sheet.width > 8 * 48
        assert sheet.height > 8 * 48


def test_the_same_set_again_is_there_already_another_is_refused_and_a_changed_one_too(tmp_path: Path) -> None:
    out = render_set(tmp_path / "set", images=16, size=32, seed=3)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert render_set(out, images=16, size=32, seed=3) == out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    with pytest.raises(UsageError, match="not empty: name a new folder"):
        render_set(out, images=16, size=32, seed=4)
    (out / "contact_sheet.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"holds contact_sheet\.png"):
        render_set(out, images=16, size=32, seed=3)
