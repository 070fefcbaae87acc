from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
import time

import pytest

from hierattn.processes import undisturbed


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def stop(request):
    """A signal whose handler raises, as the command line has it."""

    def heard(number, _frame):
        raise KeyboardInterrupt(number)

    former = signal.signal(request.param, heard)
    yield request.param
    signal.signal(request.param, former)


def test_a_signal_to_stop_is_heard_once_the_block_is_done(stop):
    done = []

    def disturbed():
        with undisturbed():
            signal.raise_signal(stop)
            done.append("whole")
        done.append("never")

    with pytest.raises(KeyboardInterrupt) as raised:
        disturbed()
    assert (done, raised.value.args) == (["whole"], (stop,))
    with pytest.raises(KeyboardInterrupt):  # and the handlers are the former ones again
        signal.raise_signal(stop)


def test_an_error_in_the_block_is_kept(stop):
    with pytest.raises(ValueError, match="mine"), undisturbed():
        raise ValueError("mine")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_ctrl_c_does_not_reach_a_process_that_still_imports(capfd):
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0.2,))
    with undisturbed():
        process.start()
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert (process.exitcode, capfd.readouterr().err) == (0, "")


def test_another_thread_starts_processes_as_ever():
    names = []

    def start():
        with undisturbed():
            names.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert names == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told to keep memory")
def test_memory_that_is_freed_stays_with_the_process():
    """What the process holds, in MB, after 200 were freed."""
    script = """
import sys
from pathlib import Path
from hierattn.processes import keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resident()
block = bytearray(200_000_000)
block[::4096] = b"x" * len(block[::4096])
del block
print(resident() - before)
"""
    held = {
        word: float(subprocess.run([sys.executable, "-c", script, word], capture_output=True, check=True).stdout)
        for word in ("keep", "return")
    }
    assert held["keep"] > 190
    assert held["return"] < 20
