"""A fold as a task: it goes to another process without torch, and is trained or resumed there."""

import pickle
import subprocess
import sys

from killed_folds import short_recipe

from hierattn.run_folder import RunFolder
from hierattn.training.cross_validation.fold_task import FoldTask, train_fold


def test_a_task_is_read_in_a_process_that_has_not_loaded_torch(prepared, tmp_path):
    task = FoldTask(short_recipe(prepared).with_fold(2), tmp_path / "fold-2", "cpu", 1)
    code = "import pickle, sys; task = pickle.load(sys.stdin.buffer); print(task.fold, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(task), capture_output=True, check=True)
    assert done.stdout.split() == [b"2", b"False"]


def test_a_fold_is_trained_and_then_nothing_is_left_to_do(prepared, tmp_path):
    task = FoldTask(short_recipe(prepared, epochs=1).with_fold(1), tmp_path / "fold-1", "cpu", 1)
    assert [train_fold(task), train_fold(task)] == ["finished", "finished"]
    folder = RunFolder(task.out)
    assert folder.read_recipe()["data"]["fold"] == 1
    assert [start["epoch"] for start in folder.read_starts()] == [0, 1]
    assert len(folder.read_log()) == 1
