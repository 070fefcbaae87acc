"""Drift on photographs, published: nothing where nothing changes, a flag where everything does."""

import json

import numpy as np
import pytest
from PIL import Image
from small_bundles import NOVEL, write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from tools.results import drift


@pytest.fixture
def folders(tmp_path):
    """Rendered lesions of every class, and elsewhere all of one; one of ten is in no outer fold."""
    rows = ["image,group,fold"]
    for name, codes in (("HERE", ("MEL", "NV", "BCC", "DF")), ("THERE", ("VASC",))):
        (tmp_path / name).mkdir()
        for number in range(20):
            image = render_lesion(codes[number % len(codes)], np.random.default_rng(number), 128).image
            Image.fromarray(image).save(tmp_path / name / f"{name}{number}.png")
            rows.append(f"{name}{number},lesion:{name}{number // 2},{int(number == 7)}")
    (tmp_path / "splits.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {name: tmp_path / name for name in ("HERE", "THERE")}


def test_one_photograph_of_each_held_out_lesion_is_taken(folders, tmp_path):
    assert len(drift.held_out(tmp_path / "splits.csv", folders["HERE"], 100)) == 10
    assert len(drift.held_out(tmp_path / "splits.csv", folders["HERE"], 3)) == 3
    with pytest.raises(SystemExit, match="no photograph of the outer fold"):
        drift.held_out(tmp_path / "splits.csv", tmp_path, 3)


def test_services_notice_what_changes_and_nothing_where_nothing_does(folders, tmp_path):
    bundle = write_small_bundle(tmp_path / "novel.onnx", NOVEL)
    drift.main(tmp_path / "out", tmp_path / "splits.csv", folders, bundle, most=10, services=3)
    told = json.loads((tmp_path / "out" / "drift.json").read_text(encoding="utf-8"))
    kinds = told["kinds"]
    assert kinds["unchanged"]["flagged"] == 0
    assert kinds["from THERE"]["photographs"] == 10
    noticed = [name for name, one in kinds.items() if one["flagged"] == 1]
    assert noticed
    assert all(kinds[name]["after"] >= drift.A_DAY for name in noticed)
    page = (tmp_path / "out" / "drift.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in kinds)
    assert str(tmp_path / "HERE") not in page + json.dumps(told)


def test_a_shift_from_the_first_day_on_is_flagged_after_the_first_whole_window(folders, tmp_path):
    predictor = Predictor.load(write_small_bundle(tmp_path / "novel.onnx", NOVEL))
    usual = predictor(list(drift.held_out(tmp_path / "splits.csv", folders["HERE"], 10)))
    unfit = [predictor(np.zeros((128, 128, 3), np.uint8))]
    after, measures = drift.simulate(predictor, usual, unfit, 0)
    assert after == 100  # four days of 25: a window
    assert "quality" in measures
