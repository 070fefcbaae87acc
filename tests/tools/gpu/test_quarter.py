"""reproduce/gpu_quarter_hour.sh as a whole, and what it does when a part fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tools.gpu.job import DIVERGED, FULL
from tools.gpu.processes import Ended
from tools.gpu.quarter import Order, Quarter

from hierattn.errors import UsageError
from hierattn.models.weights.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "reproduce" / "gpu_quarter_hour.sh"


def started(*words: str, **environment: str) -> subprocess.Popen[str]:
    given = {**os.environ, "PYTHON": sys.executable, **environment}
    return subprocess.Popen(["sh", str(SCRIPT), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=given, cwd="/")  # fmt: skip


def changes(tiny: list[str], *more: str) -> list[str]:
    return [word for change in (*tiny, *more) for word in ("--set", change)]


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_killed_in_the_middle_and_resumed_it_brings_everything_back(pack, tiny, tmp_path):
    out, back = tmp_path / "out", tmp_path / "back"
    words = ["--pack", str(pack), "--device", "cpu", *changes(tiny)]
    with started("run", "student=900", "--out", str(out), "--limit", "1000", *words) as first:
        while first.poll() is None and not (out / "teacher-0.safetensors").exists():
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
    assert load_checkpoint(out / "teacher-0.safetensors").provenance["images"] > 0

    short = ["--set", "student.epochs=1", "--set", "teacher.epochs=1"]  # by images, not by the clock of a busy machine
    second = started("run", "student=900", "bench=900", "--out", str(back), "--previous", str(out), "--limit", "2000",
                     *words, *short)  # fmt: skip
    said, _ = second.communicate(timeout=600)
    status = json.loads((back / "status.json").read_text())
    events = log(back)
    assert [line["part"] for line in events if line["event"] == "resumed"] == ["teacher-0"], said
    assert status["probe"]["fatal"] == []
    assert status["benchmark"]["hierattn_xs"]["packed_images_per_second"] > 0, said
    student = load_checkpoint(back / "student.safetensors")
    assert student.model == "hierattn_xs"
    assert student.provenance["images"] > 0
    assert student.recipe["distillation"]["teacher"] == ["teacher-0.safetensors"]
    assert load_checkpoint(back / "teacher-0.safetensors").model == "shufflenet_v2_1x"
    names = {path.name for path in back.iterdir()}
    assert names == {
        "status.json", "log.jsonl", "answers.npz", "teacher-0.safetensors",
        "student.safetensors", "student-state.safetensors", "student-moments.safetensors",
    }, said  # fmt: skip
    assert all(path.stat().st_size < 16e6 for path in back.iterdir())


def test_the_paper_runs_to_its_last_epoch_and_needs_no_teacher(pack, tiny, tmp_path):
    words = ["--pack", str(pack), "--device", "cpu", *changes(tiny, "paper.epochs=1", "paper.optimiser.batch_size=16")]
    run = started("run", "paper=900", "--out", str(tmp_path / "out"), "--limit", "1000", *words)
    said, _ = run.communicate(timeout=600)
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["parts"]["paper"]["progress"] == 1, said
    assert load_checkpoint(tmp_path / "out" / "paper.safetensors").trained_on.whole
    assert run.returncode == 0


# --- without processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def quarter(pack, settings, tmp_path) -> Quarter:
    order = Order(pack, tmp_path / "out", {"student": 60.0}, settings, device="cuda", work=tmp_path / "work")
    return Quarter(order)


def watched(quarter: Quarter, endings: list[Ended]) -> list[dict]:
    """Let every process end as one of ``endings`` says; their jobs."""
    jobs: list[dict] = []

    def watch(part, words, until, **more):
        jobs.append(json.loads(Path(words[1]).read_text()))
        return endings[min(len(jobs), len(endings)) - 1]

    quarter._watch = watch
    return jobs


def test_a_part_goes_on_in_a_safer_way_each_time(quarter):
    well = Ended(0, events=[{"event": "finished"}])
    jobs = watched(quarter, [Ended(-9, words="crashed"), Ended(DIVERGED), Ended(DIVERGED), Ended(FULL), well])
    table = quarter.order.settings["student"]
    assert quarter._learn("student", {**table, "set": "set", "start": ""}, time.time() + 60)
    rules = [job["table"]["optimiser"] for job in jobs]
    assert [one["precision"] for one in rules] == ["bf16-mixed", "bf16-mixed", "32-true", "32-true", "32-true"]
    rate, batch = table["optimiser"]["learning_rate"], table["optimiser"]["batch_size"]
    assert [one["learning_rate"] for one in rules] == [rate, rate, rate, rate / 2, rate / 2]
    assert [one["batch_size"] for one in rules] == [batch] * 4 + [batch // 2]
    assert (quarter.work / "student.way").read_text() == "eager"
    notes = quarter.status["parts"]["student"]["notes"]
    assert "crashed" in notes[0]
    assert len(notes) == 4


def test_the_fastest_way_that_works_is_found_beside_the_training(quarter):
    tried = Ended(0, events=[{"event": "tried"}])
    jobs = watched(quarter, [Ended(1, words="no graphs"), tried])
    quarter._way_ahead("student", {**quarter.order.settings["student"], "set": "set", "start": ""})
    assert [job["mode"] for job in jobs] == ["graphs", "default"]
    assert all(job["only_steps"] for job in jobs)
    assert (quarter.work / "student.way").read_text() == "default"
    assert "no graphs" in quarter.status["parts"]["student"]["notes"][0]


def test_teachers_of_the_pack_are_compiled_too_where_that_works(quarter):
    jobs = watched(quarter, [Ended(1), Ended(0, events=[{"event": "tried"}])])
    table = {**quarter.order.settings["student"], "set": "set", "start": ""}
    quarter._way_ahead("student", table, teachers=["teacher-0.safetensors"])
    assert [job["mode"] for job in jobs] == ["graphs+teachers", "graphs"]
    assert (quarter.work / "student.way").read_text() == "graphs"


def test_a_training_that_compiles_may_be_silent_for_longer(quarter):
    limits = quarter.order.settings["limits"]
    patience = quarter._patience(time.time() - 1000)
    compiling, stepping = (SimpleNamespace(events=[{"event": event}]) for event in ("compiling", "step"))
    assert patience(compiling) == limits["warm_seconds"]
    assert patience(stepping) == limits["stall"]
    assert quarter._patience(time.time())(SimpleNamespace(events=[])) == limits["warm_seconds"]


def test_where_no_way_works_it_stays_eager(quarter):
    watched(quarter, [Ended(1)])
    quarter._way_ahead("student", {**quarter.order.settings["student"], "set": "set", "start": ""})
    assert not (quarter.work / "student.way").exists()


def test_without_what_it_needs_it_stops_at_once(quarter):
    quarter._watch = lambda *what, **more: Ended(0, events=[{"event": "probed", "fatal": ["no GPU"], "without": {}}])
    began = time.time()
    assert quarter.run() == 2
    assert time.time() - began < 20
    status = json.loads((quarter.order.out / "status.json").read_text())
    assert status["fatal"] == ["no GPU"]


def test_more_files_than_come_back_are_refused_before_anything(pack, settings, tmp_path):
    order = Order(pack, tmp_path / "out", {"student": 60.0, "paper": 60.0}, settings, device="cpu")
    with pytest.raises(UsageError, match="use two calls"):
        Quarter(order).run()
    with pytest.raises(UsageError, match="lunch"):
        Quarter(Order(pack, tmp_path / "out", {"lunch": 60.0}, settings))
