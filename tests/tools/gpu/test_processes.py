from __future__ import annotations

import sys
import time

from tools.gpu.processes import Watched


def watch(tmp_path, code: str, heard: list | None = None) -> Watched:
    return Watched([sys.executable, "-c", code], tmp_path / "err", (heard if heard is not None else []).append, {})


def test_lines_are_heard_and_words_kept(tmp_path):
    heard: list[dict] = []
    code = """import sys; print('{"event": "step", "n": 1}'); print('plain'); sys.stderr.write('oh no'); sys.exit(3)"""
    ended = watch(tmp_path, code, heard).wait(time.time() + 60)
    assert heard == [{"event": "step", "n": 1}] == ended.events
    assert (ended.status, ended.why, ended.words) == (3, "", "oh no")
    assert ended.printed.splitlines()[-1] == "plain"


def test_at_the_end_of_its_time_a_process_is_asked_first(tmp_path):
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(60)
"""
    watched = watch(tmp_path, code)
    while not watched.lines:
        time.sleep(0.05)
    ended = watched.wait(time.time() + 0.2)
    assert ended.status == 0
    assert ended.why == "its time was over"
    assert not ended.well


def test_a_silent_process_is_ended_with_all_that_it_started(tmp_path):
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(3); open({str(mark)!r}, 'w')"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    ended = watch(tmp_path, code).wait(time.time() + 60, silence=lambda watched: 0.5)
    assert ended.why.startswith("it was silent")
    time.sleep(3.5)
    assert not mark.exists()
