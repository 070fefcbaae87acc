"""The log of looks: every look is there, a broken chain is noticed, a broken plan is named."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace

import pytest
from noise_runs import make_set

from hierattn.data.prepared_set.looker import looking_by
from hierattn.data.prepared_set.looks import FIGURES, LOOKS, Look, LookLog, Plan, freeze, record_look
from hierattn.data.prepared_set.packed import PackedSet, check_out
from hierattn.errors import TableError, UsageError

SET = "ab" * 32
LOOK = Look("1" * 64, "run", 0, "", 24, {"balanced_accuracy": 0.125, "macro_auc": None}, "macro_auc")
PLAN = 'outer_fold = 1\nmetric = "macro_auc"\nchoice = "the highest on the inner fold"\n'


def look(folder, known="", **changes):
    return record_look(folder, SET, replace(LOOK, **changes), instead=folder / "run-looks.json", known=known)


def chain_of(path):
    """The chain as the documentation describes it, recomputed without the package."""
    values = json.loads(path.read_text(encoding="utf-8"))
    previous = SET
    for number, entry in enumerate(values["entries"], start=1):
        own = {key: value for key, value in entry.items() if key != "sha256"}
        text = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert (entry["number"], entry["previous"]) == (number, previous)
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert entry["sha256"] == previous
    assert values["last"] == previous
    return values["entries"]


@pytest.fixture
def three(tmp_path):
    for run in ("one", "two", "thrée"):
        look(tmp_path, run=run, weights=hashlib.sha256(run.encode()).hexdigest())
    return tmp_path


def test_the_chain_is_that_of_an_independent_recomputation(three):
    entries = chain_of(three / LOOKS)
    assert [entry["run"] for entry in entries] == ["one", "two", "thrée"]
    assert entries[0]["figures"] == {"balanced_accuracy": 0.125, "macro_auc": None}
    assert LookLog.read(three / LOOKS, SET).problem == ""
    assert [path.name for path in three.iterdir()] == [LOOKS]


def test_looks_are_counted_by_photographs_and_models_by_weights(tmp_path):
    look(tmp_path)
    again = look(tmp_path, run="renamed")
    assert (again.times, again.models) == (2, 1)
    assert again.sentences() == ["This fold has been looked at twice, by one model, this look included."]
    other = look(tmp_path, weights="2" * 64, fold=2)
    assert (other.times, other.models) == (1, 1)
    source = look(tmp_path, weights="3" * 64, fold=None, source="pad")
    assert (source.times, source.models) == (4, 3)  # its photographs are in every fold
    assert look(tmp_path, fold=None, source="isic").times == 4  # not those of the other source
    assert look(tmp_path, fold=None).times == 6


def test_a_look_bears_the_command_that_looked(tmp_path):
    with looking_by("compare"):
        look(tmp_path)
    look(tmp_path)
    assert [entry["command"] for entry in chain_of(tmp_path / LOOKS)] == ["compare", "Python"]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda entries: entries.pop(0), "entry 1 does not follow"),
        (lambda entries: entries.pop(1), "entry 2 does not follow"),
        (lambda entries: entries.pop(), "the last entries are missing"),
        (lambda entries: entries.clear(), "the last entries are missing"),
        (lambda entries: entries.reverse(), "entry 1 does not follow"),
        (lambda entries: entries.append(entries[0]), "entry 4 does not follow"),
        (lambda entries: entries[1].update(weights="0" * 64), "entry 2 was changed"),
        (lambda entries: entries[2]["figures"].update(balanced_accuracy=0.9), "entry 3 was changed"),
        (lambda entries: entries[0].update(note="mine"), "entry 1 was changed"),
    ],
)
def test_a_log_that_somebody_touched_is_told_and_stays_so(three, tamper, said):
    values = json.loads((three / LOOKS).read_text(encoding="utf-8"))
    tamper(values["entries"])
    (three / LOOKS).write_text(json.dumps(values), encoding="utf-8")
    assert said in LookLog.read(three / LOOKS, SET).problem
    for _ in range(2):
        looked = look(three)
        assert said in looked.problem
        assert "there may have been more looks" in looked.warnings()[0]
    assert LookLog.read(three / LOOKS, SET).problem


def test_the_log_of_another_set_does_not_pass_for_this_ones(three):
    assert "entry 1 does not follow" in LookLog.read(three / LOOKS, "cd" * 32).problem


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_log_that_was_cut_short_is_refused_and_left_as_it_is(three, share):
    content = (three / LOOKS).read_bytes()
    (three / LOOKS).write_bytes(content[: int(share * len(content))])
    before = (three / LOOKS).read_bytes()
    with pytest.raises(TableError, match="is damaged"):
        look(three)
    assert (three / LOOKS).read_bytes() == before


def test_a_report_misses_its_look_in_a_log_that_was_begun_anew(tmp_path):
    first = look(tmp_path)
    assert look(tmp_path, known=first.entry).problem == ""
    (tmp_path / LOOKS).unlink()
    assert f"the look {first.entry[:12]} of an earlier report is missing" in look(tmp_path, known=first.entry).problem
    assert look(tmp_path).problem  # it stays known


def _look_often(folder, number):
    for _ in range(10):
        look(folder, weights=f"{number:064d}")


def test_processes_at_once_all_get_their_entries(tmp_path):
    workers = [multiprocessing.get_context("fork").Process(target=_look_often, args=(tmp_path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    entries = chain_of(tmp_path / LOOKS)
    assert sorted(entry["weights"][-1] for entry in entries) == ["0"] * 10 + ["1"] * 10 + ["2"] * 10


def _look_until_the_end(folder):
    while True:
        look(folder)


@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.04, 0.07, 0.1])
def test_a_kill_at_any_moment_leaves_a_whole_chain_that_goes_on(tmp_path, seconds):
    worker = multiprocessing.get_context("fork").Process(target=_look_until_the_end, args=(tmp_path,))
    worker.start()
    worker.join(seconds)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    before = len(chain_of(tmp_path / LOOKS)) if (tmp_path / LOOKS).exists() else 0
    assert look(tmp_path).times == before + 1
    assert len(chain_of(tmp_path / LOOKS)) == before + 1
    assert [path.name for path in tmp_path.iterdir()] == [LOOKS]


def test_a_set_that_cannot_be_written_leaves_the_look_to_the_run(tmp_path):
    prepared, run = tmp_path / "prepared", tmp_path / "run"
    run.mkdir()
    own = run / "looks-ab.json"
    (prepared / ".looks.lock").mkdir(parents=True)  # as a read-only disk does, this keeps the lock from being made
    first = record_look(prepared, SET, LOOK, instead=own)
    second = record_look(prepared, SET, LOOK, instead=own)
    assert len(chain_of(own)) == 2
    assert (first.times, second.times) == (1, 2)
    (line,) = second.warnings()
    assert line.startswith("The log of looks in prepared cannot be written (Is a directory): this look is in looks-ab")
    shutil.rmtree(prepared)
    prepared.mkdir()
    third = record_look(prepared, SET, LOOK, instead=own, known=second.entry)
    assert (third.times, third.problem, third.elsewhere) == (3, "", "")
    (run / ".looks.lock").mkdir()
    (prepared / ".looks.lock").mkdir()
    assert "recorded nowhere" in record_look(prepared, SET, LOOK, instead=own).elsewhere


@pytest.fixture
def packed(tmp_path):
    return PackedSet.open(make_set(tmp_path / "prepared"))


def judge(packed, run="run", **changes):
    own = replace(LOOK, **{"fold": 1, "weights": hashlib.sha256(run.encode()).hexdigest(), "run": run, **changes})
    return record_look(packed.folder, packed.manifest_sha256, own, instead=packed.folder.parent / "own.json")


def frozen(packed, text=PLAN):
    path = packed.folder.parent / "plan.toml"
    path.write_text(text)
    return freeze(packed.folder, packed.manifest_sha256, packed.records, path)


def test_a_frozen_plan_is_known_by_its_files_digest_and_not_changed(packed):
    judge(packed)
    log = frozen(packed)
    assert log.plan["plan_sha256"] == hashlib.sha256(PLAN.encode()).hexdigest()
    assert (log.plan["outer_fold"], log.plan["inner_fold"]) == (1, 2)
    assert frozen(packed) == log
    with pytest.raises(UsageError, match="a frozen plan is not changed"):
        frozen(packed, PLAN + "most_models = 3\n")
    kept = judge(packed, "other")
    assert (kept.plan, kept.broken, kept.before_plan) == (log.plan["plan_sha256"], (), 1)
    assert "This look keeps to it. Its outer fold had been looked at once before." in kept.sentences()[1]


@pytest.mark.parametrize(
    ("more", "changes", "said"),
    [
        ("", {"fold": 0}, "It allows looks at fold 1, and this one was at fold 0."),
        ("", {"fold": None}, "It allows looks at fold 1, and this one was at all folds."),
        ("", {"fold": None, "source": "pad"}, "It allows looks at fold 1, and this one was at source pad."),
        ('left_out_sources = ["synthetic"]', {"fold": None, "source": "synthetic"}, ""),
        ('choose_by = "top1"', {}, "Runs are to keep their epoch by top1, and this one did by macro_auc."),
        ('choose_by = "macro_auc"', {}, ""),
        ("most_models = 1", {}, "It allows one model to look at the outer fold, and this is number 2."),
        ("most_models = 2", {}, ""),
    ],
)
def test_a_look_that_breaks_the_plan_says_so(packed, more, changes, said):
    frozen(packed, PLAN + more)
    judge(packed, "first")
    looked = judge(packed, **changes)
    assert "".join(looked.broken) == said
    assert bool(looked.warnings()) == bool(said)
    if "most_models = 1" in more:
        assert not judge(packed, "first").broken  # the model that was allowed, again


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outer_fold = ", "cannot be read as a plan"),
        (PLAN + 'wish = "more"', "has the key 'wish'"),
        (PLAN.replace("outer_fold = 1", "outer_fold = 7"), "has folds 0 to 2"),
        (PLAN.replace("outer_fold = 1", "outer_fold = true"), "outer_fold is True: wanted the number of a fold"),
        (PLAN.replace("outer_fold = 1\n", ""), "outer_fold is None"),
        (PLAN.replace("macro_auc", "luck"), f"metric is 'luck': wanted one of {', '.join(FIGURES)}"),
        (PLAN + 'left_out_sources = ["pad"]', "no source 'pad'"),
    ],
)
def test_a_plan_that_is_none_is_refused(packed, text, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        frozen(packed, text)
    assert not (packed.folder / LOOKS).exists()


def test_a_plan_needs_only_fold_figure_and_rule(packed):
    frozen(packed)
    assert Plan.read(packed.folder.parent / "plan.toml") == Plan(1, "macro_auc", "the highest on the inner fold")


def test_the_log_is_no_part_of_the_set_goes_with_a_copy_and_keeps_the_set_from_being_replaced(packed):
    digests = packed.digests
    judge(packed)
    assert PackedSet.open(packed.folder).digests == digests
    copied = shutil.copytree(packed.folder, packed.folder.with_name("copy"))
    assert judge(PackedSet.open(copied)).times == 2
    with pytest.raises(UsageError, match=f"holds {LOOKS}, the record of looks"):
        check_out(packed.folder, overwrite=True)
