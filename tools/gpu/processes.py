"""Processes that are watched: by their lines, by a time limit, by their silence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GRACE = 10.0
"""Seconds between asking a process to end and ending it."""

Hear = Callable[[dict[str, Any]], None]


@dataclass
class Ended:
    """How a process ended: its status, why it was ended (empty: by itself), its last words, all that it printed."""

    status: int
    why: str = ""
    words: str = ""
    printed: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether it ended by itself and well."""
        return self.status == 0 and not self.why


class Watched:
    """A process in a session of its own; its lines of JSON are given to ``hear``."""

    def __init__(self, words: Sequence[str], errors: Path, hear: Hear, environment: Mapping[str, str]) -> None:
        self.hear, self.errors = hear, errors
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.heard = time.time()
        with errors.open("ab") as file:
            self.process = subprocess.Popen(
                list(words), stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard = time.time()
            self.lines.append(line)
            if not line.startswith('{"event"'):
                continue
            with suppress(ValueError):
                event = json.loads(line)
                self.events.append(event)
                self.hear(event)

    def ask_to_end(self) -> None:
        """SIGTERM, to it alone."""
        with suppress(OSError):
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """SIGKILL, to all processes that it started."""
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, until: float, *, silence: Callable[[Watched], float] | None = None) -> Ended:
        """Wait for its end, and bring it about at ``until`` or after ``silence`` seconds without a line."""
        why = ""
        while self.process.poll() is None:
            now = time.time()
            if now >= until:
                why = "its time was over"
            elif silence is not None and now - self.heard > silence(self):
                why = f"it was silent for {now - self.heard:.0f} s"
            if why:
                self.ask_to_end()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(GRACE if why == "its time was over" else 2)
                break
            time.sleep(0.1)
        self.end()
        status = self.process.wait()
        self.reader.join(timeout=5)
        if self.process.stdout is not None and not self.reader.is_alive():
            self.process.stdout.close()
        with suppress(OSError):
            tail = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return Ended(status, why, " | ".join(tail[-3:])[-500:], "".join(self.lines), self.events)
        return Ended(status, why, "", "".join(self.lines), self.events)


def python(*words: str) -> list[str]:
    """The command that runs this Python."""
    return [sys.executable, *words]
