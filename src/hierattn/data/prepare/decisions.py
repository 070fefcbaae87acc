r"""Decisions on labels: the table that an audit leaves and a person fills in, and what preparing makes of it.

One row a finding. Read are ``image`` and ``decision``, and where they stand there ``given``, ``digest`` and ``other``;
the other columns are for people. ``decision`` is one of::

    (nothing)           not decided: as if the row were not there
    keep                the label is right
    relabel:CODE        the label is CODE
    drop                leave the photograph out
    same_group          it belongs together with the row's ``other`` (one lesion, one photograph): never in two folds
    same_group:IMAGE    or with the image of that name

The table is made to survive a spreadsheet. No value that is read back looks like a number, a date or a formula: an
image has its ending, a label its name in brackets behind it, a digest the word ``sha256`` before it.

**The outer fold.** A label that was changed because a model disagreed with it is no longer a fair judge of that model,
nor of any other that was trained alike: of the labels that are wrong, only those are ever looked at of which the model
says so. So the folds stay those of the set that was audited (its split file is wanted), and what would change a test
label, ``relabel`` and ``drop``, is applied to the outer fold only when that is said. Each application is recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast, get_args

from hierattn.data.image_ids import ImageIndex, join
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.prepared_set.record_table import columns_of
from hierattn.data.source_table import first_few, read_rows
from hierattn.errors import TableError, UsageError
from hierattn.files import file_sha256, write_table

Word = Literal["keep", "relabel", "drop", "same_group"]
WORDS: tuple[str, ...] = get_args(Word)
WANTED = "keep, relabel:CODE, drop, same_group, same_group:IMAGE or nothing"
_DIGEST = "sha256:"
_DIGITS = 16


@dataclass(frozen=True)
class Finding:
    """One row of the table, as an audit writes it.

    Attributes
    ----------
    finding
        Its name, for instance ``label-12``.
    kind
        ``label``, ``off-topic`` or ``copies``.
    image
        The image's name, as :func:`table_name` gives it.
    given, suggested
        Labels, as :func:`table_label` gives them; ``suggested`` may be empty.
    score
        0 to 1, the surest findings near 0.
    why
        For people.
    other
        The image that it is a copy of; empty where there is none.
    fold
        In the set that was audited.
    digest
        Of the photograph's bytes, as :func:`table_digest` gives it.
    decision
        Empty until a person has decided.
    """

    finding: str
    kind: str
    image: str
    given: str
    suggested: str
    score: float
    why: str
    other: str
    fold: int
    digest: str
    decision: str = ""


def table_name(name: str) -> str:
    """An image's name with its ending, as no spreadsheet takes it for anything else.

    >>> table_name("007.jpg"), table_name("=1+1.jpg")
    ('007.jpg', './=1+1.jpg')
    """
    return f"./{name}" if name[:1] in "=+-@" else name


def table_label(code: str, name: str) -> str:
    """A class as ``MEL (Melanoma)``: the code alone might be taken for a number or a date."""
    return f"{code} ({name})"


def table_digest(sha256: str) -> str:
    """Enough of a photograph's SHA-256 to tell that it is another; empty where it is unknown."""
    return f"{_DIGEST}{sha256[:_DIGITS]}" if sha256 else ""


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write the table, whole or not at all, with the byte-order mark by which a spreadsheet knows UTF-8."""
    columns = columns_of(Finding)
    rows = ([getattr(row, column) for column in columns] for row in findings)
    write_table(path, ("\ufeff" + columns[0], *columns[1:]), rows)


@dataclass(frozen=True)
class Decision:
    """One row in which something was decided."""

    image: str
    word: Word
    value: str = ""
    given: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """As it is written in the table."""
        return f"{self.word}:{self.value}" if self.value else self.word


@dataclass(frozen=True)
class DecisionTable:
    """A table of decisions, read.

    Attributes
    ----------
    path, sha256
        Of the file.
    decisions
        In its order; rows without a decision are left out.
    undecided
        How many those are.
    """

    path: Path
    sha256: str
    decisions: tuple[Decision, ...]
    undecided: int


def read_decisions(path: Path) -> DecisionTable:
    """Read a table of decisions.

    Raises
    ------
    TableError
        Where it is no table, or a decision is none of :data:`WANTED`; names the image.
    """
    rows = read_rows(path, ["image", "decision"], columns_of(Finding))
    decisions = []
    for row in rows:
        word, colon, value = (part.strip() for part in row["decision"].partition(":"))
        word = word.lower().replace(" ", "_")
        if not word and not colon:
            continue
        value = value or (row.get("other", "") if word == "same_group" else "")
        if not row["image"] or word not in WORDS or bool(value) != (word in ("relabel", "same_group")):
            where = f"{path}: {row['image'] or 'a row without image'}: decision {row['decision']!r}"
            raise TableError(f"{where}: wanted {WANTED}; correct the row")
        found = (row.get(name, "") for name in ("given", "digest"))
        decisions.append(Decision(row["image"], cast("Word", word), value, *found))
    return DecisionTable(path, file_sha256(path), tuple(decisions), len(rows) - len(decisions))


@dataclass
class DecisionRecord:
    """What was decided on a prepared set; in its ``prepared.json``.

    Attributes
    ----------
    files
        Name -> SHA-256 of the tables, in the order in which they were applied.
    outer_fold
        The fold whose labels stay as they are given; None: none.
    decide_outer_fold
        Whether decisions on the outer fold were applied, too.
    relabelled, dropped
        Photographs in each fold, without those of sources for training or testing only.
    train_only, test_only
        Of those sources: photographs that were relabelled or left out.
    kept, same_group
        Decisions that change no label.
    withheld
        Decisions on test labels, of the outer fold or for testing only, that were not applied.
    undecided
        Rows without a decision.
    unchecked
        Decisions without a digest: whether the photograph is the one that was looked at is not known.
    """

    files: dict[str, str]
    outer_fold: int | None
    decide_outer_fold: bool
    relabelled: list[int]
    dropped: list[int]
    train_only: int = 0
    test_only: int = 0
    kept: int = 0
    same_group: int = 0
    withheld: int = 0
    undecided: int = 0
    unchecked: int = 0

    def count(self, folds: list[int], record: Record, fold: int) -> None:
        """Count a photograph that is relabelled or left out."""
        if record.use == "train":
            self.train_only += 1
        elif record.use == "test":
            self.test_only += 1
        else:
            folds[fold] += 1

    def notes(self) -> list[str]:
        """What to say of it, a line each."""
        changed = f"{sum(self.relabelled)} relabelled, {sum(self.dropped)} left out"
        if self.train_only or self.test_only:
            changed += f", {self.train_only} for training only and {self.test_only} for testing only changed"
        lines = [f"decisions: {changed}, {self.kept} kept, {self.same_group} grouped, {self.undecided} rows undecided"]
        if self.decide_outer_fold:
            lines.append("the outer fold's labels were decided, too: no figure on them is on the labels as given")
        if self.withheld:
            lines.append(
                f"decisions on test labels not applied (outer fold {self.outer_fold}, or for testing only): "
                f"{self.withheld}; audit.csv names them, and --decide-outer-fold would apply them"
            )
        if self.unchecked:
            lines.append(f"decisions without digest, so that nothing shows which photograph was seen: {self.unchecked}")
        return lines


def notes_on_test_labels(info: Mapping[str, Any], fold: int | None = None) -> tuple[str, ...]:
    """What an evaluation must say of the labels that it judges by.

    Parameters
    ----------
    info
        The contents of a set's ``prepared.json``.
    fold
        The fold that tests; None: all of them do.
    """
    if not info.get("decisions"):
        return ()
    record = DecisionRecord(**info["decisions"])
    tested = slice(None) if fold is None else slice(fold, fold + 1)
    changed = sum(record.relabelled[tested]) + sum(record.dropped[tested]) + record.test_only
    if not changed:
        return ()
    return (
        f"Test labels that were changed, or whose photographs were left out, after an audit with a model: {changed}. "
        "The figures flatter models that agree with that one. Give those on the labels as published, too.",
    )


@dataclass
class Decided:
    """Records to which decisions were applied.

    Attributes
    ----------
    records
        All that came, relabelled ones with their new label.
    record
        For the report.
    dropped
        Image -> why it is to be left out.
    reasons
        Image -> what was decided of it, for the audit: relabelled, or withheld.
    pairs
        Images that belong together.
    """

    records: list[Record]
    record: DecisionRecord
    dropped: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)


def decide(
    records: Sequence[Record],
    folds_of: Sequence[int | None],
    tables: Sequence[DecisionTable],
    classes: Sequence[str],
    *,
    content: Callable[[Path], bytes],
    folds: int,
    outer_fold: int | None,
    decide_outer_fold: bool,
) -> Decided:
    """Apply tables of decisions, one after the other.

    Parameters
    ----------
    records
        As listed: ``image`` is the path of a file.
    folds_of
        The fold of each; None where the split file does not name it.
    tables
        The decisions; a later table is checked against what the former have made.
    classes
        Codes that a label may be.
    content
        Gives the bytes of a photograph.
    folds
        How many there are.
    outer_fold
        The fold whose labels stay as given; None: every fold may be decided.
    decide_outer_fold
        Apply decisions on it all the same.

    Raises
    ------
    UsageError
        For an outer fold that is none of ``folds``.
    TableError
        For an image that is not there, a photograph or a given label that is another than when it was looked at, a
        code that is none of ``classes``, two decisions that contradict one another, and images of two folds in one
        group. Nothing is applied.
    """
    if outer_fold is not None and not 0 <= outer_fold < folds:
        raise UsageError(f"--outer-fold {outer_fold}: the split file has folds 0 to {folds - 1}; choose one of them")
    record = DecisionRecord(
        files={table.path.name: table.sha256 for table in tables},
        outer_fold=outer_fold,
        decide_outer_fold=decide_outer_fold,
        relabelled=[0] * folds,
        dropped=[0] * folds,
        undecided=sum(table.undecided for table in tables),
    )
    decided = Decided(list(records), record)
    fold_of = {one.image: fold for one, fold in zip(records, folds_of, strict=True) if fold is not None}
    place_of = {one.image: place for place, one in enumerate(records)}
    images = ImageIndex(place_of)
    for table in tables:
        for one, decision in _joined(table, decided, classes, content):
            if one.image not in fold_of:
                raise TableError(
                    f"{table.path}: {decision.image} has no fold in --splits: wanted the audited set's file"
                )
            fold = fold_of[one.image]
            tests = one.use == "test" or (one.use == "" and fold == outer_fold)
            record.unchecked += not decision.digest
            if decision.word == "same_group":
                decided.pairs.append(_pair(table, one.image, decision, images, fold_of))
                record.same_group += 1
            elif decision.word == "keep" or decision.value == one.label:
                record.kept += 1
            elif tests and not decide_outer_fold:
                record.withheld += 1
                where = "for testing only" if one.use else f"outer fold {fold}"
                decided.reasons[one.image] = f"{decision} not applied: {where}"
            elif decision.word == "drop":
                record.count(record.dropped, one, fold)
                decided.dropped[one.image] = f"by decision ({table.path.name})"
            else:
                record.count(record.relabelled, one, fold)
                decided.records[place_of[one.image]] = replace(one, label=decision.value)
                decided.reasons[one.image] = f"{one.label} as given, {decision.value} by decision"
    return decided


def _joined(
    table: DecisionTable, decided: Decided, classes: Sequence[str], content: Callable[[Path], bytes]
) -> list[tuple[Record, Decision]]:
    """Each decision with its record, every check made; of decisions that say the same of one image, the first."""
    there = [record for record in decided.records if record.image not in decided.dropped]
    images = ImageIndex(record.image for record in there)
    record_of = {name: there[row] for name, row in _rows(table, [row.image for row in table.decisions], images).items()}
    codes = {code.casefold(): code for code in classes}
    labels: dict[str, set[str]] = defaultdict(set)
    joined: dict[tuple[str, str], tuple[Record, Decision]] = {}
    for decision in table.decisions:
        record = record_of[decision.image]
        where = f"{table.path}: {decision.image}"
        if decision.word == "relabel":
            if decision.value.casefold() not in codes:
                raise TableError(f"{where}: {decision}: wanted one of {first_few(list(classes), 20)}; correct the row")
            decision = replace(decision, value=codes[decision.value.casefold()])
        if decision.given and not f"{decision.given} (".startswith(f"{record.label} ("):
            raise TableError(
                f"{where} was labelled {decision.given} when it was looked at and is {record.label} now: wanted the "
                "labels that were audited; audit the set again"
            )
        if decision.digest and table_digest(sha256(content(Path(record.image))).hexdigest()) != decision.digest:
            raise TableError(
                f"{where} was changed since it was looked at (other bytes): wanted the photograph that was audited; "
                "audit the set again, or take the row out"
            )
        if decision.word != "same_group":
            labels[record.image].add(str(decision))
        if len(labels[record.image]) > 1:
            both = " and ".join(sorted(labels[record.image]))
            raise TableError(f"{where}: {both} contradict one another: wanted one decision an image; correct a row")
        joined.setdefault((record.image, str(decision)), (record, decision))
    return list(joined.values())


def _rows(table: DecisionTable, names: Sequence[str], images: ImageIndex) -> Mapping[str, int]:
    """Name -> number of its image."""
    unique = list(dict.fromkeys(names))
    found = join(table.path, unique, images, anywhere=True)
    if found.unmatched:
        missing = first_few([unique[row] for row in found.unmatched])
        raise TableError(
            f"{table.path} decides on {missing}, which is no image of this source, or was left out before: wanted "
            "images of the set that was audited; take the row out, or check SOURCE"
        )
    return {unique[row]: number for number, row in found.row_of.items()}


def _pair(
    table: DecisionTable, image: str, decision: Decision, images: ImageIndex, fold_of: Mapping[str, int]
) -> tuple[str, str]:
    pair = image, images.names[_rows(table, [decision.value], images)[decision.value]]
    folds = [fold_of.get(one) for one in pair]
    if None not in folds and folds[0] != folds[1]:
        names = (f"{PurePosixPath(one).name} in fold {fold}" for one, fold in zip(pair, folds, strict=True))
        raise TableError(
            f"{table.path}: {' and '.join(names)} are to be one group: wanted one fold, and no image may change its "
            "fold; drop one of them, or name their lesion in the source's table and make new folds"
        )
    return pair
