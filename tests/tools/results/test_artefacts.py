"""What flips the advice, published: a table, every figure, and the look that they cost."""

import json

from noise_runs import make_run, make_set

from hierattn.evaluation.clinical_use.artefacts import ARTEFACTS
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from tools.results import artefacts


def test_every_thing_has_a_row_and_the_look_is_recorded(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    run = make_run(tmp_path / "run", prepared)
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    artefacts.main(run, prepared, tmp_path / "out", 12)
    told = json.loads((tmp_path / "out" / "artefacts.json").read_text(encoding="utf-8"))
    assert told["images"] == 12
    assert set(told["kinds"]) == set(ARTEFACTS)
    page = (tmp_path / "out" / "artefacts.md").read_text(encoding="utf-8")
    assert all(f"| {title} |" in page for title, _ in ARTEFACTS.values())
    looks = json.loads((prepared / "looks.json").read_text(encoding="utf-8"))["entries"]
    assert [(entry["command"], entry["images"]) for entry in looks][1:] == [("artefacts", 12)]
    assert str(prepared) not in page + json.dumps(told)
