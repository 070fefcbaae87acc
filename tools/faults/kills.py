"""Kill commands with SIGKILL at many moments: nothing of the user's is lost, nothing half-written passes for whole.

::

    python -m tools.faults.kills --work EMPTY      # 200 kills of each command, and every gap between two writes
    python -m tools.faults.kills prepare fetch --kills 20 --pairs 3 --work EMPTY

Each command runs to its end once: its files are the reference. Then it is killed in three ways: after a share of its
time (drawn uniformly), just before its n-th change of the disk (every open for writing, rename, removal, new folder and
lock has its turn), and at the n-th byte of a file (the system kills a process that writes on past a limit). After each
kill the user's files are as they were, and the output is absent, as before, whole, or refused by what reads it; then
the same command, which may be killed once more, ends with the reference's files, and none beside them.

A process imports everything once and forks: a kill costs what the command computes. A state on the disk that was
finished once need not be finished again: what the same command does depends on nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.faults.trials import TRIALS, Trial, make_inputs, serve_archives

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "fcntl.flock")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Kill:
    """When: ``seconds`` after the start, before the ``change``-th change of the disk, or at a file's ``byte``."""

    seconds: float | None = None
    change: int | None = None
    byte: int | None = None

    def __str__(self) -> str:
        parts = {"after {:.3f} s": self.seconds, "before change {} of the disk": self.change, "at byte {}": self.byte}
        return next(text.format(value) for text, value in parts.items() if value is not None)


@dataclass(frozen=True)
class Run:
    """How a command ended: its exit status (negative: by that signal), seconds, output, changes of the disk."""

    status: int
    seconds: float
    output: str
    changes: int


def run(words: Sequence[str], box: Path, kill: Kill | None = None) -> Run:
    """Run a command in the folder ``box`` in a child of its own process group, and perhaps kill all of that."""
    log, counted = box.with_name("output.txt"), multiprocessing.RawValue("i", 0)
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _be_the_command(words, box, log, counted, kill or Kill())
    if kill is not None and kill.seconds is not None:
        _wait_until(child, began + kill.seconds)
    status = 0
    if kill is None or kill.seconds is None:
        _, status = os.waitpid(child, 0)
    _end_group(child)
    if kill is not None and kill.seconds is not None:
        _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - began
    return Run(os.waitstatus_to_exitcode(status), seconds, log.read_text(errors="replace"), counted.value)


def _be_the_command(words: Sequence[str], box: Path, log: Path, counted: Any, kill: Kill) -> None:
    status = 99
    try:
        os.setsid()
        os.chdir(box)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        sys.argv = ["hierattn", *words]
        _die_at_change(box, counted, kill.change)
        if kill.byte is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (kill.byte, kill.byte))
        from hierattn.cli.main import main

        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_at_change(box: Path, counted: Any, at: int | None) -> None:
    place = str(box.resolve())

    def inside(path: object) -> bool:
        if isinstance(path, int):
            return True
        return isinstance(path, str | Path) and str(Path.cwd() / path).startswith(place)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING or not inside(path):
                return
        elif event not in _CHANGES or not inside(arguments[0]):
            return
        counted.value += 1
        if counted.value == at:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)


def _wait_until(child: int, moment: float) -> None:
    """Until the moment has come or the child has ended; it is not reaped."""
    while time.perf_counter() < moment:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(min(0.002, max(0.0, moment - time.perf_counter())))


def _end_group(leader: int) -> None:
    """Kill what is left of a process group, and wait until nobody of it runs."""
    for _ in range(200):
        try:
            os.killpg(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        if not any(_is_running(leader, name) for name in _processes()):
            return
        time.sleep(0.005)


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _is_running(group: int, process: Path) -> bool:
    try:
        state, _, its_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return False
    return int(its_group) == group and state != "Z"


# --- what lies in a folder ---------------------------------------------------------------------------------------


def digests(box: Path, trial: Trial) -> dict[str, str]:
    """Every path in the box -> the digest of what must not differ in it; a folder's is ``folder``."""
    found = {}
    for path in sorted(box.rglob("*")):
        name = path.relative_to(box).as_posix()
        if trial.may_come_and_go(name):
            continue
        if path.is_dir():
            found[name] = "folder"
        else:
            found[name] = hashlib.sha256(trial.essence(path)).hexdigest()
    return found


# --- one command -------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What happened to one trial."""

    trial: str
    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    known: int = 0
    states: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One row of the table."""
        kills = ", ".join(f"{count} {how}" for how, count in sorted(self.kills.items()))
        states = ", ".join(f"{count} {state}" for state, count in self.states.most_common())
        return (
            f"{self.trial:24} kills: {kills or 0}; left: {states}; finished to the same bytes: {self.finished} "
            f"({self.known} from a state finished before); violations: {len(self.violations)}"
        )


class Experiment:
    """One trial: its reference, and what kills do to it."""

    def __init__(self, trial: Trial, inputs: Path, work: Path) -> None:
        self.trial, self.work, self.box = trial, work, work / "box"
        self.template = work / f"template-{trial.name.replace(' ', '')}"
        self.template.mkdir()
        trial.fill(self.template, inputs)
        (self.template / "note.txt").write_text("mine")
        self.tally = Tally(trial.name)
        self._finished: set[str] = set()
        for words in trial.before:  # what was there already
            self._fill_box()
            done = run(words, self.box)
            assert done.status == 0, f"{trial.name}: {words} gave {done.status}: {done.output}"
            shutil.rmtree(self.template)
            shutil.copytree(self.box, self.template)
        self._fill_box()
        self.before = digests(self.box, trial)
        self.reference_run = run(trial.words, self.box)
        assert self.reference_run.status == 0, f"{trial.name}: {self.reference_run.output}"
        self.reference = digests(self.box, trial)
        self._fill_box()
        again = run(trial.words, self.box)
        assert digests(self.box, trial) == self.reference, f"{trial.name}: two runs differ: {self._differences()}"
        self.seconds = min(self.reference_run.seconds, again.seconds)

    def _fill_box(self) -> None:
        shutil.rmtree(self.box, ignore_errors=True)
        shutil.copytree(self.template, self.box, symlinks=True)

    def kill(self, kill: Kill, second: Kill | None = None) -> None:
        """Kill the command, look, perhaps kill its repetition as well, and let it end."""
        self._fill_box()
        done = run(self.trial.words, self.box, kill)
        how = "at a time" if kill.seconds is not None else "at a change" if kill.change is not None else "at a byte"
        struck = done.status in (-signal.SIGKILL, -signal.SIGXFSZ)
        self.tally.kills[how if struck else "too late"] += 1
        self._look(f"{kill}")
        if second is not None:
            run(self._again(), self.box, second)
            self._look(f"{kill} and {second}")
        state = hashlib.sha256(repr(digests(self.box, self.trial)).encode()).hexdigest()
        if state in self._finished:
            self.tally.known += 1
            self.tally.finished += 1
        elif self._finish(f"{kill}" if second is None else f"{kill} and {second}"):
            self._finished.add(state)
            self.tally.finished += 1

    def _again(self) -> Sequence[str]:
        return self.trial.again(self.box) if self.trial.again else self.trial.words

    def _look(self, when: str) -> None:
        """The user's files are there, and nothing half-written passes for whole."""
        now = digests(self.box, self.trial)
        for name, digest in self.before.items():
            if not self.trial.is_output(name) and now.get(name) != digest:
                self._violation(f"{when}: the user's {name} was touched")
        state = "something else"
        output = {name: digest for name, digest in now.items() if self.trial.is_output(name)}
        if output == {name: digest for name, digest in self.before.items() if self.trial.is_output(name)}:
            state = "as before"
        elif output == {name: digest for name, digest in self.reference.items() if self.trial.is_output(name)}:
            state = "whole"
        elif not self.trial.passes_for_whole(self.box, now, self.before, self.reference):
            state = "unfinished"
        else:
            self._violation(f"{when}: a half passes for whole: {self._differences()}")
        self.tally.states[state] += 1

    def _finish(self, when: str) -> bool:
        done = run(self._again(), self.box)
        if done.status != 0:
            self._violation(f"{when}: the same command then fails ({done.status}): {done.output[-500:]}")
            return False
        if digests(self.box, self.trial) != self.reference:
            self._violation(f"{when}: the same command then ends with other files: {self._differences()}")
            return False
        return True

    def _differences(self) -> str:
        now = digests(self.box, self.trial)
        names = sorted({name for name, _ in set(now.items()) ^ set(self.reference.items())})
        return ", ".join(
            f"{name} ({'more' if name not in self.reference else 'missing' if name not in now else 'other'})"
            for name in names[:8]
        )

    def _violation(self, what: str) -> None:
        self.tally.violations.append(what)
        print(f"  VIOLATION {self.trial.name}: {what}", flush=True)

    def pair(self, delay: float) -> None:
        """Two at once: one ends well, the other too or with one line; the files are the reference's."""
        self._fill_box()
        children = []
        for number in (0, 1):
            child = os.fork()
            if child == 0:
                log = self.box.with_name(f"output-{number}.txt")
                _be_the_command(self.trial.words, self.box, log, multiprocessing.RawValue("i", 0), Kill())
            children.append(child)
            time.sleep(delay if number == 0 else 0)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        logs = [self.box.with_name(f"output-{number}.txt").read_text(errors="replace") for number in (0, 1)]
        wrong = [log for code, log in zip(codes, logs, strict=True) if code and "Traceback" in log]
        refused = [log for code, log in zip(codes, logs, strict=True) if code]
        if len(refused) == 2 or wrong or digests(self.box, self.trial) != self.reference:
            self._violation(f"two at once, {delay:.3f} s apart: {codes}, {refused}: {self._differences()}")
        self.tally.kills["pair, one refused" if refused else "pair, both done"] += 1


def moments(experiment: Experiment, kills: int, generator: random.Random) -> list[Kill]:
    """``kills`` moments over the run, every change of the disk, and some bytes of its largest file."""
    times = [Kill(seconds=generator.uniform(0, 1.02 * experiment.seconds)) for _ in range(kills)]
    changes = list(range(1, experiment.reference_run.changes + 1))
    if len(changes) > kills:
        changes = sorted(generator.sample(changes, kills))
    largest = max((path.stat().st_size for path in experiment.box.rglob("*") if path.is_file()), default=0)
    bytes_ = [Kill(byte=round(largest ** generator.random())) for _ in range(kills // 10)]
    return [*times, *(Kill(change=change) for change in changes), *bytes_]


def try_out(trial: Trial, inputs: Path, work: Path, kills: int, pairs: int, seed: int) -> Tally:
    """All kills of one trial."""
    generator = random.Random(f"{seed} {trial.name}")
    experiment = Experiment(trial, inputs, work)
    for kill in moments(experiment, kills, generator):
        second = Kill(seconds=generator.uniform(0, experiment.seconds)) if generator.random() < 0.1 else None
        experiment.kill(kill, second)
    for _ in range(pairs):
        experiment.pair(generator.uniform(0, experiment.seconds) if generator.random() < 0.7 else 0.0)
    shutil.rmtree(experiment.template)
    return experiment.tally


def main(words: list[str] | None = None) -> int:
    """Try the commands that are named, or all; 1 where something was lost or passed for whole."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults.kills", description=__doc__.split("\n")[0])
    parser.add_argument("trials", nargs="*", help=f"of {', '.join(trial.name for trial in TRIALS)}; default: all")
    parser.add_argument("--kills", type=int, default=200, help="uniform moments for each command")
    parser.add_argument("--pairs", type=int, default=10, help="how often two run at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    arguments = parser.parse_args(words)
    if unknown := set(arguments.trials) - {trial.name for trial in TRIALS}:
        parser.error(f"no trial {', '.join(sorted(unknown))}: wanted {', '.join(trial.name for trial in TRIALS)}")
    # pandas imports pyarrow where it is installed, whose allocator starts a thread of its own.
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]
    chosen = [trial for trial in TRIALS if not arguments.trials or trial.name in arguments.trials]
    arguments.work.mkdir(parents=True, exist_ok=True)
    inputs = arguments.work.resolve() / "inputs"
    with serve_archives():
        make_inputs(inputs, run, {need for trial in chosen for need in trial.needs})
        threads = len(list(Path("/proc/self/task").iterdir()))
        assert threads == 1, f"{threads} threads: what is forked now may hang"
        tallies = []
        for trial in chosen:
            began = time.perf_counter()
            tallies.append(
                try_out(trial, inputs, arguments.work.resolve(), arguments.kills, arguments.pairs, arguments.seed)
            )
            print(f"{tallies[-1].line()}; {time.perf_counter() - began:.0f} s", flush=True)
    return int(any(tally.violations for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
