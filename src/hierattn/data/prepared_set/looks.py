"""``looks.json``: every look at an outer fold of a prepared set, and the plan that was frozen for it.

A fold that is looked at again and again is no longer unseen: whoever chooses by what was seen fits the choice to it. So
each command that judges photographs of an outer fold writes here when, with which weights and what came out, before the
result is shown. The file lies in the prepared folder and is no part of the set: no digest of the set covers it, and a
copied set takes it along.

The entries are a chain. ``sha256`` of an entry is that of its other keys as JSON (keys sorted, no spaces, UTF-8);
``previous`` is that of the entry before, the first one's that of the manifest; ``last`` beside the entries is that of
the last. An entry that is changed, removed, moved or added by hand breaks it. A break stays: the next entry says in
``found`` what was found broken. Whoever makes the whole chain anew leaves no trace here, but every report keeps the
digest of its own look, and the run's next evaluation misses it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hierattn.data.prepared_set.looker import looker
from hierattn.data.prepared_set.manifest import Record
from hierattn.errors import DataError, TableError, UsageError
from hierattn.files import lock, write_json

LOOKS = "looks.json"
FORMAT = 1
FIGURES = ("balanced_accuracy", "top1", "macro_auc", "malignant_auc", "melanoma_auc", "melanoma_sensitivity")
"""What a look keeps of what was seen, under the report's names."""
_LOCK = ".looks.lock"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Look:
    """What was looked at, by whom, and what came out.

    Attributes
    ----------
    weights
        SHA-256 of the file of weights: what tells one model from another.
    run
        Name of its folder.
    fold, source
        The photographs: those of a fold (None: of all folds) and of a source (empty: of all sources).
    images
        Their number.
    figures
        Name -> value, of :data:`FIGURES` as far as they were measured; None is undefined.
    choose_by
        By which figure of the inner fold the run kept its epoch; empty where it does not say.
    """

    weights: str
    run: str
    fold: int | None
    source: str
    images: int
    figures: Mapping[str, float | None]
    choose_by: str = ""


@dataclass(frozen=True)
class Plan:
    """What was fixed before the outer fold was looked at: the keys of ``plan.toml``.

    Attributes
    ----------
    outer_fold
        The one that judges; the next one is the inner fold, which chooses.
    metric
        The figure that counts, of :data:`FIGURES`.
    choice
        How the model that is judged is chosen, in words.
    choose_by
        The recipe's key of that name, which every run must have; empty: any.
    most_models
        How many may look at the outer fold; 0: any number.
    left_out_sources
        Sources whose photographs may be judged by runs that leave them out.
    """

    outer_fold: int
    metric: str
    choice: str
    choose_by: str = ""
    most_models: int = 0
    left_out_sources: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan.

        Raises
        ------
        UsageError
            Where it is missing or no TOML; where a key is missing, unknown, or of another type.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as a plan ({error}): wanted a TOML file; see docs") from None
        if unknown := sorted(set(values) - {each.name for each in fields(cls)}):
            raise UsageError(
                f"{path} has the key {unknown[0]!r}: wanted {', '.join(each.name for each in fields(cls))}"
            )
        values["left_out_sources"] = values.get("left_out_sources", [])
        wanted: Mapping[str, tuple[Callable[[Any], bool], str]] = {
            "outer_fold": (_is_count, "the number of a fold"),
            "metric": (FIGURES.__contains__, f"one of {', '.join(FIGURES)}"),
            "choice": (lambda text: isinstance(text, str) and bool(text.strip()), "the rule in words"),
            "choose_by": (lambda text: isinstance(text, str), "a text"),
            "most_models": (_is_count, "a number; 0 is any"),
            "left_out_sources": (
                lambda names: isinstance(names, list) and all(isinstance(name, str) for name in names),
                "a list of names",
            ),
        }
        for key, (fits, what) in wanted.items():
            if not fits(values.get(key, getattr(cls, key, None))):
                raise UsageError(f"{path}: {key} is {values.get(key)!r}: wanted {what}")
        return cls(**{**values, "left_out_sources": tuple(values["left_out_sources"])})

    def broken_by(self, look: Look, number: int) -> list[str]:
        """How a look breaks the plan, a sentence each; its weights are the ``number``-th to look at the outer fold."""
        found = []
        if look.source not in self.left_out_sources and (look.source or look.fold != self.outer_fold):
            found.append(f"It allows looks at fold {self.outer_fold}, and this one was at {look_at(look)}.")
        if self.choose_by and look.choose_by != self.choose_by:
            kept = look.choose_by or "a figure that it does not name"
            found.append(f"Runs are to keep their epoch by {self.choose_by}, and this one did by {kept}.")
        if self.most_models and number > self.most_models:
            models = "one model" if self.most_models == 1 else f"{self.most_models} models"
            found.append(f"It allows {models} to look at the outer fold, and this is number {number}.")
        return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def look_at(look: Look | Looked) -> str:
    """The photographs of a look in words: ``fold 0``, ``source pad``, ``all folds``."""
    return f"source {look.source}" if look.source else "all folds" if look.fold is None else f"fold {look.fold}"


@dataclass(frozen=True)
class Looked:
    """What a report says of the looks at its photographs, its own among them.

    Attributes
    ----------
    fold, source
        The photographs, as in :class:`Look`.
    times, models
        Looks at any of them, and how many different weights looked.
    entry
        Digest of the report's own entry.
    plan
        SHA-256 of the frozen plan's file; empty without one.
    metric
        The plan's.
    before_plan
        Looks at the plan's outer fold before it was frozen.
    broken
        How this look breaks the plan.
    problem
        What is wrong with the log; empty where the chain is whole.
    elsewhere
        Why the look is not in the set's log but in the run's own; empty where it is.
    """

    fold: int | None
    source: str
    times: int
    models: int
    entry: str
    plan: str = ""
    metric: str = ""
    before_plan: int = 0
    broken: tuple[str, ...] = ()
    problem: str = ""
    elsewhere: str = ""

    def warnings(self) -> list[str]:
        """What must not be overlooked."""
        found = [f"This look breaks the plan {self.plan[:12]}. {line}" for line in self.broken]
        if self.problem:
            found.append(f"The log of looks is not as it was written ({self.problem}): there may have been more looks.")
        return found + ([self.elsewhere] if self.elsewhere else [])

    def sentences(self) -> list[str]:
        """What the log says, a line each, without the warnings."""
        place = look_at(self)
        subject = "This fold" if self.fold is not None and not self.source else place[:1].upper() + place[1:]
        verb = "have" if self.fold is None and not self.source else "has"
        models = "one model" if self.models == 1 else f"{self.models} models"
        lines = [f"{subject} {verb} been looked at {_times(self.times)}, by {models}, this look included."]
        if self.plan:
            line = (
                f"The plan {self.plan[:12]} was frozen: {self.metric.replace('auc', 'AUC').replace('_', ' ')} counts."
            )
            line += "" if self.broken else " This look keeps to it."
            if self.before_plan:
                line += f" Its outer fold had been looked at {_times(self.before_plan)} before."
            lines.append(line)
        return lines


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


@dataclass(frozen=True)
class LookLog:
    """The log of a set as it lies on the disk.

    Attributes
    ----------
    path
        The file; it need not be there.
    manifest_sha256
        Of the set.
    entries
        As they are in the file, oldest first.
    problem
        What is broken, first of all; empty where the chain is whole.
    """

    path: Path
    manifest_sha256: str
    entries: tuple[Mapping[str, Any], ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, path: Path, manifest_sha256: str) -> LookLog:
        """Read a log and check its chain; one that is not there is empty.

        Raises
        ------
        TableError
            Where it is damaged so far that nothing can be added, or of a later version.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError("it is too large")
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}, wanted {FORMAT}")
            entries = tuple(values["entries"])
            for entry in entries:
                read_entry(entry)
            problem = _first_break(entries, manifest_sha256, values["last"])
        except FileNotFoundError:
            return cls(path, manifest_sha256)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TableError(
                f"{path} is damaged ({type(error).__name__}: {error}): wanted the log of looks as hierattn wrote it; "
                "put it back from a copy, and look at nothing more before"
            ) from None
        return cls(path, manifest_sha256, entries, problem)

    def save(self) -> None:
        """Write the log whole; the caller has held the lock since it was read."""
        write_json(self.path, self.to_dict(), indent=1)

    def to_dict(self) -> dict[str, Any]:
        """The contents of the file."""
        last = self.entries[-1]["sha256"] if self.entries else self.manifest_sha256
        return {"format": FORMAT, "entries": self.entries, "last": last}

    @property
    def plan(self) -> Mapping[str, Any] | None:
        """The entry of the frozen plan."""
        return next((entry for entry in self.entries if entry["kind"] == "plan"), None)

    def looks(self) -> list[Look]:
        """Every look, oldest first."""
        return [read_entry(entry) for entry in self.entries if entry["kind"] == "look"]

    def broken(self) -> dict[str, list[str]]:
        """Digest of a look's entry -> how it breaks the plan; looks from before the plan break nothing."""
        if self.plan is None:
            return {}
        plan: Plan = read_entry(self.plan)
        seen: list[str] = []
        found: dict[str, list[str]] = {}
        frozen = False
        for entry in self.entries:
            if entry["kind"] == "plan":
                frozen = True
                continue
            look = read_entry(entry)
            outer = look.fold in (None, plan.outer_fold) and not look.source
            if outer and look.weights not in seen:
                seen.append(look.weights)
            if frozen:
                found[entry["sha256"]] = plan.broken_by(look, seen.index(look.weights) + 1 if outer else 0)
        return found

    def looked(self, entry: Mapping[str, Any], elsewhere: str = "") -> Looked:
        """What the log says to the report whose look is ``entry``."""
        own = read_entry(entry)
        met = [look for look in self.looks() if _meet(own, look)]
        plan = self.plan
        before = 0
        if plan is not None:
            outer = Look("", "", plan["outer_fold"], "", 0, {})
            before = sum(_meet(outer, read_entry(each)) for each in self.entries[: self.entries.index(plan)])
        return Looked(
            own.fold,
            own.source,
            len(met),
            len({look.weights for look in met}),
            entry["sha256"],
            "" if plan is None else plan["plan_sha256"],
            "" if plan is None else plan["metric"],
            before,
            tuple(self.broken().get(entry["sha256"], ())),
            self.problem,
            elsewhere,
        )


def read_entry(entry: Mapping[str, Any]) -> Any:
    """The :class:`Look` or :class:`Plan` of an entry."""
    kind: Any = Plan if entry["kind"] == "plan" else Look
    values = {each.name: entry[each.name] for each in fields(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _meet(one: Look, other: Look) -> bool:
    """Whether two looks share photographs."""
    folds = one.fold is None or other.fold is None or one.fold == other.fold
    return folds and (not one.source or not other.source or one.source == other.source)


def digest(entry: Mapping[str, Any]) -> str:
    """The digest of an entry: the SHA-256 of all its keys but ``sha256``."""
    rest = {key: value for key, value in entry.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _first_break(entries: Sequence[Mapping[str, Any]], manifest_sha256: str, last: str) -> str:
    previous = manifest_sha256
    for number, entry in enumerate(entries, start=1):
        if entry["number"] != number or entry["previous"] != previous:
            return f"entry {number} does not follow the one before: one was removed, added or moved"
        if entry["sha256"] != digest(entry):
            return f"entry {number} was changed"
        if entry.get("found"):
            return f"at entry {number} it was found that {entry['found']}"
        previous = entry["sha256"]
    return "" if last == previous else "the last entries are missing"


def _extended(log: LookLog, values: Mapping[str, Any], missed: str = "") -> LookLog:
    """The log with one entry more."""
    entry: dict[str, Any] = {
        "number": len(log.entries) + 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **values,
        "previous": log.entries[-1]["sha256"] if log.entries else log.manifest_sha256,
    }
    found = log.problem or missed
    if found and not log.problem.startswith("at entry"):
        entry["found"] = found
    entry["sha256"] = digest(entry)
    return LookLog(log.path, log.manifest_sha256, (*log.entries, entry), found)


def record_look(folder: Path, manifest_sha256: str, look: Look, *, instead: Path, known: str = "") -> Looked:
    """Add a look to the log of a prepared set.

    Of several processes each adds its own; one that is killed adds it whole or not at all.

    Parameters
    ----------
    folder, manifest_sha256
        The set, and the digest of its manifest.
    look
        What was looked at.
    instead
        A log beside the run or the evaluation, for a set that cannot be written; what it holds of this set is counted,
        too.
    known
        The entry of the run's former report, which must be in one of the two; empty without one.

    Raises
    ------
    TableError
        Where the log is damaged so far that nothing can be added.
    """
    values = {"kind": "look", "command": looker(), **asdict(look)}

    def add(path: Path, other: LookLog) -> LookLog:
        with lock(path.with_name(_LOCK), "", wait=True):
            log = extended(LookLog.read(path, manifest_sha256), other)
            log.save()
        return log

    def extended(log: LookLog, other: LookLog) -> LookLog:
        there = {"", *(entry["sha256"] for entry in (*log.entries, *other.entries))}
        return _extended(
            log, values, "" if known in there else f"the look {known[:12]} of an earlier report is missing"
        )

    own, elsewhere = LookLog.read(instead, manifest_sha256), ""
    try:
        log = add(folder / LOOKS, own)
        entries = (*log.entries, *own.entries)
    except TableError:
        raise
    except (OSError, UsageError, DataError) as error:
        own_set = LookLog.read(folder / LOOKS, manifest_sha256)
        reason = getattr(error, "strerror", None) or "it is protected, or its disk is full"
        elsewhere = f"The log of looks in {folder.resolve().name} cannot be written ({reason}): "
        try:
            log = add(instead, own_set)
            place = instead.parent.resolve().name
            elsewhere += (
                f"this look is in {instead.name} in {place}, and evaluations of other models do not know of it."
            )
        except (OSError, UsageError, DataError):
            log = extended(own, own_set)
            elsewhere += f"nor can {instead.name}, so this look is recorded nowhere."
        entries, own = (*own_set.entries, *log.entries), own_set
    joined = LookLog(log.path, manifest_sha256, entries, log.problem or own.problem)
    return joined.looked(log.entries[-1], elsewhere)


def freeze(folder: Path, manifest_sha256: str, records: Sequence[Record], plan_file: Path) -> LookLog:
    """Add a plan to the log of a set, with its digest and its images; the same file again changes nothing.

    Raises
    ------
    UsageError
        Where the plan is none, names a fold or a source that the set has not, or another is frozen already.
    TableError, DataError, OSError
        Where the log is damaged, or cannot be written.
    """
    plan = Plan.read(plan_file)
    sha256 = hashlib.sha256(plan_file.read_bytes()).hexdigest()
    folds = 1 + max(record.fold for record in records)
    sources = sorted({record.source for record in records})
    if plan.outer_fold >= folds:
        raise UsageError(f"{plan_file}: outer_fold is {plan.outer_fold}: {folder} has folds 0 to {folds - 1}")
    if strange := sorted(set(plan.left_out_sources) - set(sources)):
        raise UsageError(f"{plan_file}: no source {strange[0]!r} in {folder}: wanted some of {', '.join(sources)}")
    values = {"kind": "plan", "plan_sha256": sha256, "inner_fold": (plan.outer_fold + 1) % folds, **asdict(plan)}
    values["left_out_sources"] = list(plan.left_out_sources)
    with lock(folder / _LOCK, "", wait=True):
        log = LookLog.read(folder / LOOKS, manifest_sha256)
        if log.plan is None:
            log = _extended(log, values)
            log.save()
            return log
    if log.plan["plan_sha256"] != sha256:
        raise UsageError(
            f"{folder} has the plan {log.plan['plan_sha256'][:12]}, frozen {log.plan['at']}, and {plan_file} is "
            f"{sha256[:12]}: a frozen plan is not changed; state what differs beside your results"
        )
    return log
