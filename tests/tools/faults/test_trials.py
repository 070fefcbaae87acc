"""What the killed commands are judged by: which half would pass for whole, and which files are the user's."""

import pytest
from tools.faults.trials import TRIALS, Trial

FOLDER = Trial("made", ("make", "out"), out="out", mark="made.json")
FILE = Trial("written", ("write", "out.bin"), out="out.bin")
WHOLE = {"out": "folder", "out/a": "1", "out/b": "2", "out/made.json": "3"}
FORMER = {name: f"former {digest}" for name, digest in WHOLE.items()}


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ({}, False),
        (WHOLE, False),  # it is whole
        (FORMER, False),
        ({**WHOLE, ".out.lock": "", "out/.hierattn.lock": ""}, False),
        ({name: WHOLE[name] for name in ("out", "out/a", "out/b")}, False),  # refused: its mark is missing
        ({name: WHOLE[name] for name in ("out", "out/a", "out/made.json")}, True),
        ({**WHOLE, "out/b": "half"}, True),
        ({**WHOLE, "out/b": FORMER["out/b"]}, True),
        ({".out.part": "folder", ".out.part/made.json": "3"}, False),
    ],
)
def test_a_half_with_its_mark_passes_for_whole(tmp_path, now, passes):
    assert FOLDER.passes_for_whole(tmp_path, now, FORMER, WHOLE) == passes


@pytest.mark.parametrize(("now", "passes"), [({}, False), ({"out.bin": "1"}, False), ({"out.bin": "half"}, True)])
def test_a_file_that_has_its_name_is_taken(tmp_path, now, passes):
    assert FILE.passes_for_whole(tmp_path, now, {}, {"out.bin": "1"}) == passes


@pytest.mark.parametrize(
    ("name", "output"),
    [
        *[(name, True) for name in ("out", "out/a", ".out.part", ".out.part/a", ".out.lock", ".out.former/deep/a")],
        *[(name, False) for name in ("note.txt", "photos/a.jpg", "outer", "in/out", "output/x")],
    ],
)
def test_what_is_not_the_output_is_the_users(name, output):
    assert FOLDER.is_output(name) == output


def test_every_command_that_is_promised_to_survive_a_kill_is_tried():
    commands = {trial.words[0] for trial in TRIALS}
    assert commands == {"prepare", "balance", "train", "evaluate", "export", "predict", "render", "fetch"}
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)
