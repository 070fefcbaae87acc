"""What lies under results/: small, without a photograph or a path, and every changed figure is noticed."""

import gzip
from dataclasses import replace

import pytest
from tools.results.published import RESULTS, equal, new_folder, published_runs


def test_a_figure_that_was_changed_by_hand_is_found():
    run = next(published_runs())
    published = run.report.balanced_accuracy
    changed = replace(published, value=published.value + 0.01)
    vars(run)["report"] = replace(run.report, balanced_accuracy=changed)
    assert run.differences() == ["balanced_accuracy"]


def test_nothing_published_is_a_photograph_or_names_a_folder_of_a_machine():
    for path in RESULTS.rglob("*"):
        if path.is_file():
            assert path.suffix in {".csv", ".gz", ".json", ".md", ".svg", ".toml"}, path
            content = path.read_bytes()
            text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
            if path.suffix == ".svg":
                assert "<image" not in text
            if path.suffix in {".csv", ".gz", ".json"}:
                assert "/home/" not in text
                assert "../" not in text


def test_what_is_published_stays_small():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert len(files) < 160  # four a run
    assert sum(path.stat().st_size for path in files) < 6_300_000  # 0.7 MB: predictions of whole sources, left out


@pytest.mark.parametrize("name", ["isic2019-ham", "pad-ufes-20"])
def test_published_folds_part_no_group(name):
    folds = {}
    for line in (RESULTS / name / "splits.csv").read_text().splitlines()[1:]:
        image, group, fold = line.split(",")
        assert "/" not in image
        assert folds.setdefault(group, fold) == fold


def test_figures_are_equal_to_one_part_in_a_thousand_million_and_words_to_the_letter():
    assert equal({"a": [1.0, "x"]}, {"a": [1.0 + 1e-12, "x"], "b": 3})
    assert not equal(1.0, 1.0 + 1e-6)
    assert not equal("x", "y")
    assert not equal([1.0], [1.0, 2.0])


def test_a_new_folder_that_fails_is_removed_and_one_that_exists_is_left_alone(tmp_path):
    folder = tmp_path / "a" / "b"
    with pytest.raises(IsADirectoryError), new_folder(folder) as made:
        made.write_text("a folder is no file")
    assert not folder.exists()
    with pytest.raises(SystemExit, match="exists"), new_folder(tmp_path):
        pass
    assert tmp_path.is_dir()
