from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tools.gpu.job import DIVERGED, Job

from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from tools.gpu import learning


@pytest.fixture
def table(settings):
    table = copy.deepcopy(settings["student"])
    table["set"], table["start"] = "set", ""
    table["optimiser"]["precision"] = "32-true"
    table["optimiser"]["averaging"] = 0.5
    return table


@pytest.fixture
def job(table, pack, tmp_path) -> Job:
    for name in ("work", "out"):
        (tmp_path / name).mkdir()
    return Job(
        "student", table, str(pack), str(tmp_path / "work"), str(tmp_path / "out"), time.time() + 600, device="cpu"
    )


def few_steps(job: Job, steps: int) -> learning.Run:
    """A run that stops by itself after so many steps, as if its process had been asked to."""
    run = learning.Run(job)
    take = run.learning.take_step

    def counted(*what):
        take(*what)
        if run.learning.step >= steps:
            run.stopped = True

    run.learning.take_step = counted
    run.go()
    return run


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_it_leaves_weights_that_every_later_stage_reads(job, capsys):
    few_steps(job, 3)
    kept = load_checkpoint(Path(job.out) / "student.safetensors")
    assert kept.build().config.permute_pixels is False
    assert kept.provenance["step"] == 3
    assert kept.provenance["images"] == 24
    assert kept.trained_on.whole
    assert all(isinstance(value, int | float) for value in kept.provenance["validation"].values())
    answers = np.load(Path(job.out) / "answers.npz")
    assert answers["logits"].shape == (len(answers["labels"]), len(kept.classes))
    assert set(answers["folds"]) == {1}
    assert {path.name for path in Path(job.out).iterdir()} == {
        "answers.npz", "student.safetensors", "student-state.safetensors", "student-moments.safetensors",
    }  # fmt: skip
    finished = lines(capsys)[-1]
    assert finished["event"] == "finished"
    assert finished["stopped"]


def test_it_is_trained_on_training_folds_alone(job):
    run = few_steps(job, 1)
    records = run.learning.photographs.records
    assert {records[row].fold for row in run.learning.train} == {2}
    assert {records[row].fold for row in run.learning.shown} == {1}


def test_a_resumed_run_goes_on_where_the_last_saving_was(job, tmp_path, capsys):
    few_steps(job, 4)
    whole = load_checkpoint(Path(job.out) / "student.safetensors").state_dict
    (tmp_path / "elsewhere").mkdir()
    first = copy.deepcopy(job)
    first.out = str(tmp_path / "elsewhere")
    few_steps(first, 2)
    second = copy.deepcopy(job)
    second.previous, second.out = [first.out], str(tmp_path / "third")
    Path(second.out).mkdir()
    run = few_steps(second, 4)
    assert run.learning.images == 32
    assert [line["step"] for line in lines(capsys) if line["event"] == "resumed"] == [2]
    resumed = load_checkpoint(Path(second.out) / "student.safetensors").state_dict
    name = list(run.learning.network.state_dict())[-1].rpartition(".")[0] + ".weight"
    # The same draws; the moments were kept in bfloat16 and the rate follows the clock.
    assert torch.allclose(whole[name], resumed[name], atol=0.01)


def test_weights_of_another_fold_are_not_gone_on_with(job, tmp_path, capsys):
    few_steps(job, 2)
    path = Path(job.out) / "student.safetensors"
    kept = load_checkpoint(path)
    save_checkpoint(path, replace(kept, recipe={**kept.recipe, "data": {**kept.recipe["data"], "fold": 7}}))
    second = copy.deepcopy(job)
    second.previous, second.out = [job.out], str(tmp_path / "third")
    Path(second.out).mkdir()
    run = few_steps(second, 1)
    assert run.learning.step == 1
    notes = [line["text"] for line in lines(capsys) if line["event"] == "note"]
    assert any("another set or fold: begun anew" in note for note in notes)


def test_a_trial_without_time_leaves_nothing(job, capsys):
    job.only_steps, job.until = 10**6, time.time()
    learning.Run(job).go()
    assert "tried" not in {line["event"] for line in lines(capsys)}
    assert not list(Path(job.out).iterdir())


def test_a_way_that_fails_leads_back_to_eager(job, monkeypatch, capsys):
    monkeypatch.setenv("HIERATTN_GPU_BREAK", "graphs,default")
    way = Path(job.work) / "way"
    way.write_text("graphs")
    job.mode, job.mode_file = "default", str(way)
    run = few_steps(job, 2)
    run._look_for_way()
    assert run.learning.mode == "eager"
    notes = [line["text"] for line in lines(capsys) if line["event"] == "note"]
    assert [note.split()[0] for note in notes] == ["default", "graphs"]
    assert (Path(job.out) / "student.safetensors").exists()


def test_a_way_that_fails_in_a_step_leads_back_to_eager(job, capsys):
    run = learning.Run(job)

    def fails(images):
        raise RuntimeError("no graph of this")

    run.learning.forward, run.learning.mode = fails, "graphs"
    run._take(run.views.make(0))
    assert run.learning.mode == "eager"
    assert run.learning.step == 1
    assert "no graph of this" in lines(capsys)[-1]["text"]


def test_trying_a_way_keeps_nothing_and_fails_loudly(job, monkeypatch, capsys):
    job.only_steps, job.save_every = 2, 0
    learning.Run(job).go()
    assert lines(capsys)[-1]["event"] == "tried"
    assert not list(Path(job.out).iterdir())
    monkeypatch.setenv("HIERATTN_GPU_BREAK", "graphs")
    job.mode = "graphs"
    with pytest.raises(RuntimeError, match="graphs is broken"):
        learning.Run(job).go()


def test_a_loss_that_is_not_finite_is_told_by_the_exit_status(job, monkeypatch, tmp_path):
    job.table["optimiser"]["precision"] = "bf16-mixed"
    monkeypatch.setenv("HIERATTN_GPU_BREAK", "bf16")
    path = tmp_path / "job.json"
    path.write_text(json.dumps(vars(job)))
    with pytest.raises(SystemExit) as ended:
        learning.main(path)
    assert ended.value.code == DIVERGED


def test_epochs_end_a_run_however_much_time_is_left(job, capsys):
    job.table["epochs"] = 1
    job.table["optimiser"]["batch_size"] = 25
    run = learning.Run(job)
    run.go()
    assert run.learning.images >= len(run.learning.train) > run.learning.images - 25
    assert lines(capsys)[-1]["progress"] == 1
    learning.Run(job).go()
    assert "nothing left" in lines(capsys)[-1]["text"]


def test_other_sources_are_shown_where_one_alone_is_trained_on(job, monkeypatch):
    run = learning.Run(job)
    records = run.learning.photographs.records
    object.__setattr__(records[0], "source", "elsewhere")
    job.table["sources"] = [records[1].source]
    monkeypatch.setattr(learning, "decode", lambda *_: run.learning.photographs)
    other = learning.Learning(job)
    assert 0 not in other.train
    assert 0 in other.shown
    assert set(other.figures(np.zeros((len(other.shown), len(other.classes))))) == {"elsewhere", records[1].source}


def test_teachers_are_averaged_in_the_order_of_the_classes(job, table, tmp_path):
    from dataclasses import replace

    from hierattn.models.weights.checkpoint import save_checkpoint

    run = few_steps(job, 1)
    kept = load_checkpoint(Path(job.out) / "student.safetensors")
    turned = list(reversed(range(len(kept.classes))))
    name = list(run.learning.network.state_dict())[-1].rpartition(".")[0]
    state = dict(kept.state_dict)
    for end in ("weight", "bias"):
        state[f"{name}.{end}"] = state[f"{name}.{end}"][turned]
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, replace(kept, taxonomy=kept.taxonomy.subset(reversed(kept.classes)), state_dict=state))
    one = learning.Teachers([str(Path(job.out) / "student.safetensors")], kept.classes, torch.device("cpu"))
    two = learning.Teachers([str(Path(job.out) / "student.safetensors"), str(other)], kept.classes, torch.device("cpu"))
    images = torch.rand(4, 3, 64, 64)
    assert torch.allclose(one.answer(images), two.answer(images), atol=1e-5)
    assert torch.allclose(one.answer(images).exp().sum(1), torch.ones(4), atol=1e-5)
    assert run.learning.trained_on.trained.tolist() == two.trained_on.trained.tolist()
