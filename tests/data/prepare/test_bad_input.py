"""Everything bad that can be given to prepare: one clear line, the right exit code, nothing lost, nothing half."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import encoded, png_header
from PIL import Image
from tiny_sets import ISIC_COLUMNS, blob, folder_set, isic_set, one_hot, write_image, write_table

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepare.report import read_report
from hierattn.data.prepared_set.packed import PackedSet, PackedWriter
from hierattn.errors import DataError, HierAttnError, LeakError, UsageError

TRUTH = "ISIC_2019_Training_GroundTruth.csv"
INPUT = "ISIC_2019_Training_Input"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return isic_set(tmp_path / "isic", ["MEL"] * 4 + ["NV"] * 8)


def listing(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def refused(source: Path, out: Path, code: int, **options: object) -> str:
    """The one line of a refusal that changed nothing on disk."""
    before = listing(out.parent)
    with pytest.raises(HierAttnError) as caught:
        prepare(source, out, PrepareOptions(**{"size": 32, "folds": 3, **options}))  # type: ignore[arg-type]
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    assert listing(out.parent) == before
    return str(caught.value)


def test_a_missing_source(tmp_path: Path) -> None:
    assert "check the path" in refused(tmp_path / "absent", tmp_path / "out", 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 16}, "wanted 32 to 2048"),
        ({"size": 100_000}, "wanted 32 to 2048"),
        ({"crop": "circle"}, "surround, paper, none"),
        ({"colour_constancy": "retinex"}, "none, shades_of_grey"),
        ({"layout": "coco"}, "wanted one of auto, isic2018, isic2019"),
        ({"folds": 2}, "wanted 3 or more"),
        ({"jobs": 0}, "wanted 1 or more"),
        ({"images": Path("absent")}, "--images"),
    ],
)
def test_an_option_out_of_range(source: Path, tmp_path: Path, options: dict[str, object], words: str) -> None:
    assert words in refused(source, tmp_path / "out", 2, **options)


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "looked for" in refused(tmp_path / "empty", tmp_path / "out", 1)


def test_a_table_that_names_missing_images_goes_on_and_strict_stops(source: Path, tmp_path: Path) -> None:
    (source / INPUT / "ISIC_0000004.jpg").unlink()
    line = refused(source, tmp_path / "out", 1, strict=True)
    assert "ISIC_0000004: no image file" in line
    assert "--strict" in line
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert [(row.image, row.reason) for row in report.dropped] == [("ISIC_0000004", "no image file")]


def test_an_unknown_label(source: Path, tmp_path: Path) -> None:
    write_table(source / TRUTH, ("image", *ISIC_COLUMNS, "WART"), [("ISIC_0000000", *one_hot("none"), "1.0")])
    assert "unknown label 'WART'" in refused(source, tmp_path / "out", 1)


def bad_bytes() -> dict[str, bytes]:
    """Contents of a file called .jpg that can be no photograph."""
    whole = encoded(Image.fromarray(blob(0)), "JPEG")
    return {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"I am not a picture",
        "huge": png_header(50_000, 50_000),
        "large": png_header(20_000, 6_000),
        "tiny": encoded(Image.new("RGB", (4, 4)), "PNG"),
        "strip": encoded(Image.new("RGB", (8, 900)), "PNG"),
        "float": encoded(Image.new("F", (32, 32)), "TIFF"),
    }


@pytest.mark.parametrize("kind", bad_bytes())
def test_a_bad_image_is_left_out_with_its_reason_and_strict_stops(source: Path, tmp_path: Path, kind: str) -> None:
    (source / INPUT / "ISIC_0000007.jpg").write_bytes(bad_bytes()[kind])
    assert "ISIC_0000007.jpg" in refused(source, tmp_path / "out", 1, strict=True)
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert (report.images, len(report.dropped)) == (11, 1)
    assert report.dropped[0].image.endswith("ISIC_0000007.jpg")
    assert report.dropped[0].reason.startswith("ISIC_0000007.jpg ")
    packed = PackedSet.open(tmp_path / "out")
    packed.verify()
    assert not [record for record in packed.records if record.image.endswith("ISIC_0000007.jpg")]


def odd_images() -> dict[str, tuple[bytes, np.ndarray]]:
    """Files that many readers get wrong, and the pixels that they show."""
    colour = blob(3)
    grey = colour[:, :, 0]
    turned = Image.Exif()
    turned[0x0112] = 8
    opaque = np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)])
    indexed = Image.fromarray(colour).quantize(32)
    return {
        "16-bit": (encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"), np.dstack([grey] * 3)),
        "palette": (encoded(indexed, "PNG"), np.asarray(indexed.convert("RGB"))),
        "CMYK": (
            encoded(Image.merge("CMYK", [*(Image.fromarray(255 - colour[:, :, k]) for k in range(3)),
                                         Image.new("L", (40, 30), 0)]), "TIFF"),
            colour,
        ),
        "RGBA": (encoded(Image.fromarray(opaque), "PNG"), colour),
        "EXIF": (encoded(Image.fromarray(colour), "PNG", exif=turned), np.rot90(colour)),
    }  # fmt: skip


@pytest.mark.parametrize("kind", odd_images())
def test_an_odd_image_is_read_as_what_it_shows(source: Path, tmp_path: Path, kind: str) -> None:
    content, shown = odd_images()[kind]
    (source / INPUT / "ISIC_0000007.jpg").write_bytes(content)
    assert prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3, strict=True)).images == 12
    packed = PackedSet.open(tmp_path / "out")
    np.testing.assert_array_equal(packed.images[7], packed.image_spec.resize(np.ascontiguousarray(shown)))


def test_nothing_but_bad_images(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 3, "NV": 3})
    for path in source.rglob("*.png"):
        path.write_bytes(b"")
    assert "none of 6 images can be used; the first: MEL_0.png is empty" in refused(source, tmp_path / "out", 1)


def test_strict_names_the_first_few_of_many_bad_images(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 6, "NV": 6})
    for path in source.rglob("*.png"):
        path.write_bytes(b"")
    line = refused(source, tmp_path / "out", 1, strict=True)
    assert all(f"MEL_{number}.png" in line for number in range(3))
    assert "MEL_3.png" not in line


def test_a_class_with_fewer_lesions_than_folds_is_told_before_decoding(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("hierattn.data.prepare.packing.read_photograph", decode)
    line = refused(source, tmp_path / "out", 1, folds=10)
    assert "class MEL has 4 separate lesions" in line
    assert "--folds 4" in line


def test_a_class_that_bad_images_make_too_small(source: Path, tmp_path: Path) -> None:
    for number in (0, 1):
        (source / INPUT / f"ISIC_000000{number}.jpg").write_bytes(b"")
    assert "class MEL has 2 separate lesions" in refused(source, tmp_path / "out", 1, folds=3)


# --- names and places --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"n\xe6vus.png", b"two\nlines.png", b"caf\xe9/MEL/x.png", b"a\rb.png"])
def test_a_name_that_no_table_can_hold_is_left_out_with_a_line_that_every_reader_reads(
    tmp_path: Path, name: bytes
) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 4, "NV": 4})
    odd = Path(os.fsdecode(os.path.join(os.fsencode(source / "MEL"), name)))  # noqa: PTH118
    odd.parent.mkdir(parents=True, exist_ok=True)
    odd.write_bytes((source / "NV" / "NV_0.png").read_bytes())
    report = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3))
    assert (report.images, [row.reason[:20] for row in report.dropped]) == (8, ["its path is not UTF-"])
    assert read_report(tmp_path / "out").dropped == report.dropped
    for table in ("audit.csv", "manifest.csv", "splits.csv", "prepared.json"):
        (tmp_path / "out" / table).read_bytes().decode("utf-8")
    assert json.loads(json.dumps(report.to_dict(), default=str).encode("utf-8"))
    assert "nothing was done" in prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3)).notes[-1]


@pytest.mark.parametrize("inside", [True, False])
def test_a_source_whose_own_path_is_not_utf8_is_read_where_the_set_lies_beside_it(tmp_path: Path, inside: bool) -> None:
    source = folder_set(Path(os.fsdecode(os.fsencode(tmp_path) + b"/m\xe6")) / "mine", {"MEL": 4, "NV": 4})
    if inside:
        assert prepare(source, source.parent / "out", PrepareOptions(size=32, folds=3)).images == 8
    else:
        assert "its path is not UTF-8" in refused(source, tmp_path / "out", 1)


@pytest.mark.parametrize(
    "name", ["[red]x.png", "a,b.png", '"q".png', "back\\slash.png", " blank.png", "\u00e9 \u202f.png"]
)
def test_an_odd_name_is_kept_and_its_split_file_gives_the_same_folds(tmp_path: Path, name: str) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 4, "NV": 4})
    write_image(source / "MEL" / name, 77)
    prepare(source, tmp_path / "one", PrepareOptions(size=32, folds=3))
    prepare(source, tmp_path / "two", PrepareOptions(size=32, splits=tmp_path / "one" / "splits.csv"))
    one, two = (PackedSet.open(tmp_path / folder).records for folder in ("one", "two"))
    assert [record.fold for record in one] == [record.fold for record in two]
    assert any(record.image.endswith(f"MEL/{name}") for record in one)


def test_a_prepared_set_in_the_source_is_no_source(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "mine", {"MEL": 4, "NV": 4})
    options = PrepareOptions(size=32, folds=3, pictures=True)
    prepare(source, source / "out", options)
    assert "nothing was done" in prepare(source, source / "out", options).notes[-1]
    again = prepare(source, source / "other", options)
    assert (again.images, again.dropped) == (8, [])
    assert "out is a prepared set: not read" in again.notes


def test_a_class_folder_behind_a_link_is_read_and_one_that_cannot_be_listed_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_set(tmp_path / "elsewhere", {"NV": 4})
    source = folder_set(tmp_path / "mine", {"MEL": 4})
    (source / "NV").symlink_to(tmp_path / "elsewhere" / "NV")
    assert set(prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3)).classes) == {"MEL", "NV"}
    scandir = os.scandir

    def refuse_nv(folder: Path) -> object:  # the root user may list everything
        if Path(folder).name == "NV":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("os.scandir", refuse_nv)
    assert "NV cannot be listed (Permission denied)" in refused(source, tmp_path / "other", 2)


# --- the disk ---------------------------------------------------------------------------------------------------


def full(number: int) -> Callable[..., None]:
    def write(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    "place",
    [
        "hierattn.data.prepared_set.packed.PackedWriter.append",
        "hierattn.data.prepared_set.packed.PackedWriter.close",
        "hierattn.data.prepare.prepare.write_manifest",
    ],
)
def test_a_disk_that_fills_up_anywhere(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    monkeypatch.setattr(place, full(number))
    line = refused(source, tmp_path / "out", 1)
    assert line.startswith(f"no space for {tmp_path / 'out'}")
    assert "nothing was left there" in line


def test_a_disk_without_room_is_told_before_decoding(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    monkeypatch.setattr(PackedWriter, "append", full(errno.EIO))
    assert "no space for" in refused(source, tmp_path / "out", 1)


def test_a_limit_of_the_operating_system_on_file_size(source: Path, tmp_path: Path) -> None:
    """Not simulated: the kernel itself refuses the write, in the middle of images.npy."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom hierattn.data.prepare.prepare import PrepareOptions, prepare\n"
        "from hierattn.errors import HierAttnError\n"
        "try:\n    prepare(Path(sys.argv[1]), Path(sys.argv[2]), PrepareOptions(size=64, folds=3))\n"
        "except HierAttnError as error:\n    print(error)\n    sys.exit(error.exit_code)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))

    before = listing(tmp_path)
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(source), str(tmp_path / "out")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("no space for")
    assert listing(tmp_path) == before


def test_a_place_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"on the way to .* is a file"):
        prepare(source, tmp_path / "file" / "out", PrepareOptions(size=32, folds=3))


def test_images_without_a_lesion_are_counted_among_those_that_are_kept(tmp_path: Path) -> None:
    source = isic_set(tmp_path / "isic", ["MEL", "MEL", "NV", "NV"] * 3, ["L0", "", "L1", ""] * 3)
    (source / "ISIC_2019_Training_Input" / "ISIC_0000001.jpg").write_bytes(b"damaged")
    notes = prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3)).notes
    assert "5 of 11 images have neither lesion nor patient: each is its own group" in notes


def test_strict_writes_a_line_end_in_a_name_so_that_it_is_seen(tmp_path: Path) -> None:
    source = folder_set(tmp_path / "photos", {"MEL": 4})
    (source / "MEL" / "a\nb.png").write_bytes((source / "MEL" / "MEL_0.png").read_bytes())
    with pytest.raises(DataError, match=r"MEL/a\\x0ab\.png: its path"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, folds=3, strict=True))


def test_a_split_file_that_parts_a_patient_is_what_is_to_be_corrected(tmp_path: Path) -> None:
    source = isic_set(tmp_path / "isic", ["MEL"] * 6, ["L0", "L0", *"abcd"])
    split = tmp_path / "split.csv"
    write_table(split, ("image", "fold"), [(f"ISIC_{number:07d}", number % 3) for number in range(6)])
    with pytest.raises(LeakError, match=r"lesion L0 in folds 0, 1 .*; correct \S*split.csv, or make new folds"):
        prepare(source, tmp_path / "out", PrepareOptions(size=32, splits=split))
