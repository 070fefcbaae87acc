"""The minutes themselves: probe, parts in order, each in a process that is watched, restarted and resumed.

Nothing here computes. A process that dies, hangs, diverges or fills the memory is started again from its last saving,
in a safer way; what it has saved is already where it comes back from.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hierattn.errors import UsageError
from hierattn.files import write_json
from tools.gpu import outputs
from tools.gpu.bench import Bench, write_set
from tools.gpu.job import DIVERGED, FULL, Job
from tools.gpu.pack import decode, read_description
from tools.gpu.processes import Ended, Watched, python
from tools.gpu.settings import Settings

PARTS = {"bench": 180.0, "student": 360.0, "paper": 560.0}
"""The parts in order, with their seconds where nothing else is said."""
WAYS = ("graphs", "default", "eager")
"""From the fastest to the safest."""
TRIES = 6
LAST = 4.0
"""Seconds kept at the end for the last line of the log."""


@dataclass
class Order:
    """What is to be done.

    Attributes
    ----------
    parts
        Name -> seconds, in order.
    limit
        Seconds for everything, from the start of this process.
    previous
        Folders with files that came back before; those in ``out`` are found too.
    ways
        Of :data:`WAYS`, those to try.
    """

    pack: Path
    out: Path
    parts: dict[str, float]
    settings: Settings
    limit: float = 585.0
    device: str = "cuda"
    previous: list[Path] = field(default_factory=list)
    work: Path | None = None
    ways: tuple[str, ...] = WAYS


class Quarter:
    """One call. ``run`` returns the process's exit status."""

    def __init__(self, order: Order) -> None:
        self.order, self.began = order, time.time()
        self.end = self.began + order.limit - LAST
        unknown = [name for name in order.parts if name not in PARTS]
        if unknown or not order.parts:
            raise UsageError(f"parts {', '.join(unknown) or 'none'}: wanted some of {', '.join(PARTS)}")
        order.out.mkdir(parents=True, exist_ok=True)
        self.work = order.work or Path(tempfile.mkdtemp(prefix="hierattn-gpu-"))
        self.work.mkdir(parents=True, exist_ok=True)
        self.lock, self.alive = threading.RLock(), list[Watched]()
        self.ahead: threading.Thread | None = None
        self.stopped = False
        self.status: dict[str, Any] = {"began": _clock(self.began), "limit": order.limit, "parts": {}}
        self.environment = {
            "TORCHINDUCTOR_CACHE_DIR": str(self.work / "inductor"), "TRITON_CACHE_DIR": str(self.work / "triton"),
            "TORCHINDUCTOR_FX_GRAPH_CACHE": "1", "TORCHINDUCTOR_AUTOGRAD_CACHE": "1",
        }  # fmt: skip

    # --- what is written -------------------------------------------------------------------------------------------

    def hear(self, part: str) -> Any:
        """A listener that writes the lines of ``part`` down."""

        def listen(event: dict[str, Any]) -> None:
            with self.lock:
                line = {"at": round(time.time() - self.began, 1), "part": part, **event}
                with (self.order.out / outputs.LOG).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(_in_words(line), flush=True)
                known = self.status["parts"].setdefault(part, {})
                kind = event["event"]
                if kind in ("step", "saved", "finished", "resumed"):
                    known.update({key: value for key, value in event.items() if key != "event"})
                if kind in ("note", "failed"):
                    known.setdefault("notes", []).append(event["text"])
                if kind == "benchmark":
                    known[event["model"]] = event
                self.write_status()

        return listen

    def note(self, part: str, text: str) -> None:
        """Write a sentence down."""
        self.hear(part)({"event": "note", "text": text})

    def write_status(self) -> None:
        """``status.json``, whole at any second."""
        self.status["seconds"] = round(time.time() - self.began, 1)
        made = self.work / outputs.STATUS
        write_json(made, self.status)
        outputs.publish(made, self.order.out / outputs.STATUS, self.largest)

    @property
    def largest(self) -> int:
        """Bytes of the largest file that comes back."""
        return int(self.order.settings["limits"]["file_megabytes"] * 1e6)

    # --- the course of a call --------------------------------------------------------------------------------------

    def run(self) -> int:
        """Do the parts in order; 0 if all ran to the end of their time, 1 if some did not, 2 if none could begin."""
        former = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._run()
        finally:
            self.stopped = True
            for watched in list(self.alive):
                watched.end()
            for number, handler in former.items():
                signal.signal(number, handler)

    def _stop(self, *_: Any) -> None:
        self.stopped = True
        self.end = min(self.end, time.time() + 1)
        for watched in list(self.alive):
            watched.ask_to_end()

    def _run(self) -> int:
        order = self.order
        described = self._described()
        if described is None:
            return 2
        tables = {part: self._table(part, described) for part in order.parts if part != "bench"}
        starts = self._starts(described) if "student" in order.parts else []
        for number, start in enumerate(starts):
            tables[f"teacher-{number}"] = {**self._table("teacher", described), "network": start["network"]}
        self._check_files(len(starts))
        if not self._probed(tables):
            return 2
        parts = [part for part in order.parts if part not in self.status["without"]]
        well = len(parts) == len(order.parts)
        for part in parts:
            seconds = min(order.parts[part], self.end - time.time())
            if seconds < 3 or self.stopped:
                self.note(part, "no time was left for it")
                well = False
                continue
            until = time.time() + seconds
            if part != "bench" and self.ahead is None:  # the benchmark is alone on the device
                self._ways_ahead(parts, tables, starts, described)
            well &= self._part(part, until, tables, starts, described)
        self.status["ended"] = "stopped" if self.stopped else "well" if well else "with failures"
        self.write_status()
        return 0 if well and not self.stopped else 1

    def _described(self) -> dict[str, Any] | None:
        try:
            return read_description(self.order.pack)
        except Exception as error:
            self.status["fatal"] = [str(error)]
            self.note("probe", str(error))
            return None

    def _table(self, part: str, described: dict[str, Any]) -> Settings:
        table = copy.deepcopy(self.order.settings[part])
        table["set"] = table["set"] or described["sets"][0]["name"]
        if self.order.device != "cuda":
            table["optimiser"]["precision"] = "32-true"
        return table

    def _starts(self, described: dict[str, Any]) -> list[dict[str, Any]]:
        """The networks to fine-tune first: those packed, where no trained teacher is."""
        kinds = [one["kind"] for one in described["weights"]]
        if "teacher" in kinds:
            return []
        if "start" not in kinds:
            self.note("student", "no teachers in the pack: the student is trained on labels alone")
        return [one for one in described["weights"] if one["kind"] == "start"]

    def _check_files(self, teachers: int) -> None:
        most = int(self.order.settings["limits"]["files"])
        names = outputs.names_of(list(self.order.parts), teachers)
        if len(names) > most:
            raise UsageError(
                f"{', '.join(self.order.parts)} would leave {len(names)} files, and {most} come back: use two calls, "
                "or pack fewer starting weights"
            )

    def _probed(self, tables: dict[str, Settings]) -> bool:
        order = self.order
        described = read_description(order.pack)
        networks = [(table["network"], table["size"], table["options"]) for table in tables.values()]
        if "student" in tables:
            size = tables["student"]["size"]
            networks += [(one["network"], size, {}) for one in described["weights"] if one["kind"] == "teacher"]
        names = sorted({one["name"] for one in described["sets"]})
        decoding = threading.Thread(target=self._decode, args=(names,), daemon=True)
        decoding.start()
        job = self.work / "probe.json"
        write_json(job, {"device": order.device, "pack": str(order.pack), "out": str(order.out), "work": str(self.work),
                         "networks": networks})  # fmt: skip
        ended = self._watch("probe", ["probe", str(job)], min(time.time() + 120, self.end))
        decoding.join()
        found = next((event for event in ended.events if event["event"] == "probed"), None)
        if found is None:
            found = {"fatal": [f"the probe ended with {ended.status} ({ended.why or ended.words})"], "without": {}}
        self.status["probe"] = {key: value for key, value in found.items() if key != "event"}
        self.status["without"] = {part: why for part, why in found["without"].items() if part in order.parts}
        self.status["fatal"] = found["fatal"]
        self.write_status()
        for text in [*found["fatal"], *(f"{part}: {why}" for part, why in self.status["without"].items())]:
            self.note("probe", text)
        return not found["fatal"]

    def _decode(self, names: list[str]) -> None:
        for name in names:
            try:
                decode(self.order.pack, name, self.work)
            except Exception as error:
                self.note("probe", f"{name} could not be decoded: {error}")

    def _watch(self, part: str, words: list[str], until: float, *, silence: Any = None, name: str = "") -> Ended:
        watched = Watched(python("-m", "tools.gpu", *words), self.work / f"{name or part}.err", self.hear(part),
                          self.environment)  # fmt: skip
        self.alive.append(watched)
        try:
            return watched.wait(until, silence=silence)
        finally:
            with suppress(ValueError):
                self.alive.remove(watched)

    def _part(
        self,
        part: str,
        until: float,
        tables: dict[str, Settings],
        starts: list[dict[str, Any]],
        described: dict[str, Any],
    ) -> bool:
        if part == "bench":
            return self._bench(until, described)
        if part == "paper":
            return self._learn(part, tables[part], until)
        teachers = [str(self.order.pack / one["file"]) for one in described["weights"] if one["kind"] == "teacher"]
        if starts:
            share = self.order.settings["teacher"]["share"] * (until - time.time()) / len(starts)
            for number, start in enumerate(starts):
                name = f"teacher-{number}"
                self._learn(name, tables[name], time.time() + share, start=str(self.order.pack / start["file"]))
                places = [folder / f"{name}.safetensors" for folder in (self.order.out, *self.order.previous)]
                teachers += [str(place) for place in places if place.is_file()][:1]
            if not teachers:
                self.note(part, "no teacher could be fine-tuned: the student is trained on labels alone")
        return self._learn(part, tables[part], until, teachers=teachers)

    # --- learning --------------------------------------------------------------------------------------------------

    def _job(self, part: str, table: Settings, until: float, **more: Any) -> Job:
        start = table["start"]
        if start.startswith("released:"):
            from hierattn.deploy.predict.released import released_bundle

            start = str(released_bundle(start.removeprefix("released:")))
        values = {"start": start, **{key: value for key, value in more.items() if value}}
        return Job(
            part=part,
            table=table,
            pack=str(self.order.pack),
            work=str(self.work),
            out=str(self.order.out),
            until=until,
            device=self.order.device,
            previous=[str(folder) for folder in self.order.previous],
            parent=os.getpid(),
            save_every=float(self.order.settings["limits"]["save_every"]),
            largest=self.largest,
            **values,
        )

    def _learn(
        self, part: str, table: Settings, until: float, *, teachers: list[str] | None = None, start: str = ""
    ) -> bool:
        """One training, restarted until it has used its time."""
        mode_file = self.work / f"{part}.way"
        for attempt in range(TRIES):
            if until - time.time() < 3 or self.stopped:
                return False
            job = self._job(part, table, until, teachers=teachers or [], start=start, mode_file=str(mode_file))
            path = self.work / f"{part}.json"
            write_json(path, asdict(job))
            ended = self._watch(part, ["learn", str(path)], until + 3, silence=self._patience(time.time()))
            finished = any(event["event"] == "finished" for event in ended.events)
            if finished and ended.status == 0:
                return True
            if ended.why.startswith("its time"):
                self.note(part, "its time was over before it had ended; its last saving counts")
                return True
            why = ended.why or next((event["text"] for event in reversed(ended.events) if event["event"] == "failed"),
                                    ended.words)  # fmt: skip
            table = self._safer(table, ended.status)
            mode_file.write_text("eager", encoding="utf-8")
            rules = table["optimiser"]
            self.note(part, f"try {attempt + 1} ended with {ended.status} ({why}): again from the last saving, eager, "
                            f"{rules['precision']}, batches of {rules['batch_size']}")  # fmt: skip
        return False

    def _patience(self, begun: float) -> Callable[[Watched], float]:
        """How long a training may say nothing: longer while it is imported and while it compiles."""
        limits = self.order.settings["limits"]

        def seconds(watched: Watched) -> float:
            compiling = bool(watched.events) and watched.events[-1]["event"] == "compiling"
            return float(limits["warm_seconds"] if compiling or time.time() - begun < 150 else limits["stall"])

        return seconds

    def _safer(self, table: Settings, status: int) -> Settings:
        rules = table["optimiser"]
        if status == DIVERGED:
            if rules["precision"] == "bf16-mixed":
                return {**table, "optimiser": {**rules, "precision": "32-true"}}
            return {**table, "optimiser": {**rules, "learning_rate": rules["learning_rate"] / 2}}
        if status == FULL:
            return {**table, "optimiser": {**rules, "batch_size": max(rules["batch_size"] // 2, 2)}}
        return table

    def _ways_ahead(
        self, parts: list[str], tables: dict[str, Settings], starts: list[dict[str, Any]], described: dict[str, Any]
    ) -> None:
        """Find the fastest ways that work, in another process at a time, while the minutes are already used.

        Two networks that compile at once take longer than one after the other.
        """
        teachers = [str(self.order.pack / one["file"]) for one in described["weights"] if one["kind"] == "teacher"]
        known: list[tuple[str, dict[str, Any]]] = []
        for part in tables:
            if part.startswith("teacher") and "student" in parts:
                place = starts[int(part.removeprefix("teacher-"))]
                known.append((part, {"start": str(self.order.pack / place["file"])}))
            elif part in parts:
                known.append((part, {"teachers": teachers if part == "student" else []}))
        known.sort(key=lambda one: not one[0].startswith("teacher"))  # teachers are the first to run

        def find() -> None:
            for part, more in known:
                self._way_ahead(part, tables[part], **more)

        self.ahead = threading.Thread(target=find, daemon=True, name="ahead")
        self.ahead.start()

    def _way_ahead(self, part: str, table: Settings, **more: Any) -> None:
        ways = [way for way in self.order.ways if way != "eager"]
        if more.get("teachers") and ways:
            ways.insert(0, f"{ways[0]}+teachers")
        for way in ways:
            if self.stopped or time.time() >= self.end:
                return
            limit = min(time.time() + float(self.order.settings["limits"]["warm_seconds"]), self.end)
            job = replace(self._job(part, table, limit, **more), mode=way, only_steps=8)
            path = self.work / f"{part}-{way}.json"
            write_json(path, asdict(job))
            ended = self._watch(f"{part}-ahead", ["learn", str(path)], limit, name=f"{part}-{way}")
            if ended.well and any(event["event"] == "tried" for event in ended.events):
                (self.work / f"{part}.way").write_text(way, encoding="utf-8")
                return
            self.note(part, f"{way} does not work here ({ended.why or ended.words}): trying a safer way")
        if ways:
            self.note(part, "nothing but eager works here")

    def _bench(self, until: float, described: dict[str, Any]) -> bool:
        rules = self.order.settings["bench"]
        folder = self.work / "bench"
        hear = self.hear("bench")
        try:
            photographs = decode(self.order.pack, described["sets"][0]["name"], self.work)
            write_set(photographs, folder, rules["size"], rules["images"])
            bench = Bench(folder, self.work, rules, self.order.device, list(self.order.ways), self.environment, hear)
            results = bench.run(until)
        except Exception as error:
            self.note("bench", f"it failed: {error}")
            return False
        self.status["benchmark"] = results
        self.write_status()
        return bool(results)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _in_words(line: dict[str, Any]) -> str:
    values = " ".join(f"{key}={value}" for key, value in line.items() if key not in ("at", "part", "event"))
    return f"{line['at']:6.1f} s  {line['part']:<9} {line['event']} {values[:400]}"
