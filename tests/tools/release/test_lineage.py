"""Where weights come from: every run behind them in order, the strictest licence, commands without folders."""

import json

import onnx
import pytest
import tomli_w
import torch
from tools.release.lineage import licence_of, lineage

from hierattn.deploy.export.onnx import export_onnx
from hierattn.deploy.export.wrapped import wrap
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.taxonomy.built_in import EIGHT

NC, BY = "CC BY-NC 4.0", "CC BY 4.0"


def run_folder(base, name, command, *, licence=NC, source="isic2019", start="", teacher=""):
    folder = base / name
    folder.mkdir(parents=True)
    recipe = {"transfer": {"checkpoint": start}, "distillation": {"teacher": teacher}}
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    (folder / "environment.json").write_text(json.dumps({"command": command, "commit": "abc123"}))
    known = {"source": source, "licence": licence, "citation": "Somebody, 2018", "training_images": 10}
    weights = {"weight": torch.zeros(1)}
    checkpoint = Checkpoint("hierattn_xs", EIGHT.subset(("MEL", "NV")), ImageSpec(size=64), weights, provenance=known)
    save_checkpoint(folder / "best.safetensors", checkpoint)
    return folder


@pytest.fixture
def chain(tmp_path):
    """A phone model that began with a student, which began with a start and had a teacher that began with ImageNet."""
    net = "/home/somebody/weights/mobilenet.npz"
    run_folder(tmp_path, "teacher", f"hierattn train a/teacher transfer.checkpoint={net} --data /data/x/ham", start=net)
    run_folder(tmp_path, "start", "main.py train a/start --data out/ham64")
    student = {"start": "runs/start/best.safetensors", "teacher": "runs/teacher/best.safetensors"}
    run_folder(tmp_path, "student", "hierattn train a/student --data out/ham", **student)
    begun = {"licence": BY, "source": "pad-ufes-20", "start": "runs/student/best.safetensors"}
    return run_folder(tmp_path, "phone", "hierattn train b/phone seed=3 --data out/pad", **begun)


def test_every_run_behind_the_weights_is_told_parents_before_children(chain):
    stages = lineage(chain)
    assert [stage.name for stage in stages] == ["start", "teacher", "student", "phone"]
    student, phone = stages[2:]
    assert (student.began_with, student.taught_by) == ("start", "teacher")
    assert (phone.recipe, phone.overrides, phone.began_with) == ("b/phone", ("seed=3",), "student")
    assert stages[1].began_with == "mobilenet.npz"


def test_several_teachers_are_all_told(chain):
    teachers = ["runs/start/best.safetensors", "runs/teacher/best.safetensors"]
    found = lineage(run_folder(chain.parent, "taught", "hierattn train a/taught", teacher=teachers))
    assert [stage.name for stage in found] == ["start", "teacher", "taught"]
    assert found[-1].taught_by == "start, teacher"


def test_a_bundle_tells_of_the_runs_behind_it_and_hands_on_its_licence(tmp_path):
    model = create_model("hierattn_xs", 2)
    known = {"source": "isic2019", "licence": NC, "training_images": 10, "commit": "abc"}
    two = EIGHT.subset(("MEL", "NV"))
    one = Checkpoint("hierattn_xs", two, ImageSpec(size=64), model.state_dict(), provenance=known)
    export_onnx(wrap(one), tmp_path / "plain.onnx")
    proto = onnx.load(tmp_path / "plain.onnx")
    told = {
        "provenance": {"commands": ["hierattn train a --out runs/a", "hierattn train b seed=1 --out runs/b"],
                       "commits": ["c1", "c2"]},
        "training_data": {"licence": NC, "all_sources": [{"source": "isic2019", "licence": NC}] * 2},
    }  # fmt: skip
    for entry in proto.metadata_props:
        if (name := entry.key.removeprefix("hierattn.")) in told:
            entry.value = json.dumps({**json.loads(entry.value), **told[name]})
    (tmp_path / "released.onnx").write_bytes(proto.SerializeToString())
    for name, runs in (("released", ["a", "b"]), ("plain", ["plain"])):
        start = f"weights/{name}.onnx"
        phone = run_folder(tmp_path, f"phone-{name}", "hierattn train p --out runs/p", licence=BY, start=start)
        found = lineage(phone)
        assert [stage.name for stage in found] == [*runs, f"phone-{name}"]
        assert {stage.told_by for stage in found[:-1]} == {f"{name}.onnx"}
        assert licence_of(found) == NC
        assert found[-1].began_with == f"{name}.onnx"
    assert lineage(tmp_path / "phone-released")[1].overrides == ("seed=1",)


def test_a_bundle_that_is_missing_is_asked_for(tmp_path):
    phone = run_folder(tmp_path, "phone", "hierattn train p", start="weights/gone.onnx")
    with pytest.raises(UsageError, match=r"gone\.onnx"):
        lineage(phone)


def test_a_model_keeps_the_conditions_of_what_its_weights_had_only_begun_with(chain):
    stages = lineage(chain)
    assert stages[-1].licence == BY
    assert licence_of(stages) == NC
    assert licence_of(stages[-1:]) == BY


def test_a_licence_that_nobody_stated_is_named_as_unknown(tmp_path):
    stages = lineage(run_folder(tmp_path, "mine", "hierattn train x", licence=""))
    assert licence_of(stages) == "unknown"


def test_commands_are_those_of_hierattn_and_name_no_folder_of_a_machine(chain):
    for stage in lineage(chain):
        assert stage.command.startswith("hierattn train ")
        assert "/home" not in stage.command
        assert "/data" not in stage.command
    assert "transfer.checkpoint=weights/mobilenet.npz" in lineage(chain)[1].command


def test_a_run_that_is_missing_is_asked_for_by_name(chain):
    (chain.parent / "teacher").rename(chain.parent / "elsewhere")
    with pytest.raises(UsageError, match="teacher"):
        lineage(chain)


def test_weights_that_no_command_made_are_refused(tmp_path):
    with pytest.raises(UsageError, match="hierattn train RECIPE"):
        lineage(run_folder(tmp_path, "odd", "python mine.py"))


def test_a_run_that_began_with_itself_is_refused(tmp_path):
    with pytest.raises(UsageError, match="itself"):
        lineage(run_folder(tmp_path, "itself", "hierattn train x", start="runs/itself/best.safetensors"))


def test_two_runs_that_began_with_one_another_end_in_an_error(tmp_path):
    run_folder(tmp_path, "one", "hierattn train x", start="runs/other/best.safetensors")
    with pytest.raises(UsageError, match="its own weights"):
        lineage(run_folder(tmp_path, "other", "hierattn train x", start="runs/one/best.safetensors"))


def test_a_damaged_recipe_gets_one_line(chain):
    (chain / "recipe.toml").write_text("= no recipe")
    with pytest.raises(UsageError, match=r"recipe\.toml"):
        lineage(chain)
