"""A clinic's own cases with truth, as answers of one bundle: from a table of answers, or from photographs.

A table with a column for each class (``MEL`` as ``hierattn evaluate BUNDLE`` writes it, ``p_MEL`` as ``hierattn predict
--batch`` does) holds answers. Any other table names photographs, which the bundle answers here. The truth stands in a
column ``truth``, or in one that is called as tables call it (``diagnosis``, ``dx``, ``label``). Photographs that the
weights were trained on are left out as far as the bundle and the table tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hierattn.bundle.bundle import Bundle
from hierattn.data.any_table.columns import TableOptions
from hierattn.data.any_table.labels import read_labels
from hierattn.data.any_table.read_table import read_any_table
from hierattn.data.column_names import named, spelled
from hierattn.data.prepared_set.asked import answer_of
from hierattn.data.prepared_set.manifest import Record
from hierattn.data.source_table import first_few
from hierattn.data.table_files.table_file import TableFile, read_table
from hierattn.deploy.archive.table import ANSWERED, PHOTO
from hierattn.deploy.predict.photo_file import read_photo_file
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.triage import UNFIT_LEVEL
from hierattn.errors import ImageError, TableError
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.predictions import Predictions
from hierattn.evaluation.report import Report
from hierattn.files import file_sha256
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.progress import Progress, silent

TRUTH = "truth"
SEEN, UNFIT = "photographs that its weights have seen", "unfit photographs"
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class HomeTable:
    """Cases, read.

    Attributes
    ----------
    answers
        The bundle's calibrated answers with the truth, from the photographs alone.
    told
        What it says where a question was answered, of those cases alone; None for a bundle that asks nothing.
    sha256
        Of the table's file.
    left_out
        Why -> how many rows have no part.
    """

    answers: Predictions
    sha256: str
    left_out: Mapping[str, int]
    told: Predictions | None = None


def read_cases(
    path: Path,
    bundle: Bundle,
    sha256: str,
    predictor: Predictor,
    seen: TrainedOn | None = None,
    *,
    images: Path | None = None,
    truth: str = "",
    progress: Progress | None = None,
) -> HomeTable:
    """Read a table of cases.

    Parameters
    ----------
    path
        CSV, TSV, Excel or Parquet.
    bundle, sha256
        Whose answers these are.
    predictor
        The same bundle, loaded: answers for photographs.
    seen
        The photographs that its weights have seen; None where the file does not say.
    images
        Where the photographs lie; None: beside the table.
    truth
        The column of the truth; empty: by its name.
    progress
        Told of photographs answered.

    Raises
    ------
    TableError
        Where the table is damaged, lacks a column or holds another bundle's answers.
    UsageError
        Where the column that was asked for, or the folder, is missing.
    """
    columns = {"label": truth} if truth else {}
    table = read_table(path, list(columns.values()))
    answers = _answer_columns(table, bundle.classes)
    if answers:
        read, told, left_out = _answers(table, answers, bundle, sha256, truth, seen)
    else:
        if not truth and (exact := [name for name in table.columns if spelled(name) == TRUTH]):
            columns = {"label": exact[0]}
        listing = read_any_table(images or path.parent, None, TableOptions(path, columns), bundle.taxonomy).usable()
        read, told, left_out = _answered(listing.records, bundle, predictor, seen, progress or silent)
    return HomeTable(read, file_sha256(path), left_out, told if bundle.questions else None)


def _answer_columns(table: TableFile, codes: Sequence[str]) -> list[str]:
    """The columns of the answers; empty for a table of photographs."""
    for prefix in ("p_", ""):
        there = [prefix + code for code in codes if prefix + code in table.columns]
        if len(there) == len(codes):
            return there
        if len(there) > 1:
            missing = [prefix + code for code in codes if prefix + code not in table.columns]
            raise TableError(f"{table.path} has answers, but no {first_few(missing)}: wanted a column for every class")
    return []


def _answers(
    table: TableFile, columns: Sequence[str], bundle: Bundle, sha256: str, truth: str, seen: TrainedOn | None
) -> tuple[Predictions, Predictions, dict[str, int]]:
    _check_whose(table, sha256)
    taken = {*columns, *(("label",) if columns and columns[0].startswith("p_") else ())}  # there, what was answered
    free = [name for name in table.columns if name not in taken]
    label = truth or next((name for name in free if spelled(name) == TRUTH), "") or next(iter(named("label", free)), "")
    image = next(iter(named("image", free)), "")
    if label not in table.columns or not image:
        what = f"column {label}" if truth else "column of the truth" if not label else "column of images"
        raise TableError(f"{table.path} has no {what}: wanted one called {label or TRUTH if image else 'image'}")
    where = f"{table.path}, column {label}"
    labels = read_labels(where, table.columns[label], bundle.taxonomy, label, table.path.stem)
    if labels.problems:
        raise TableError(labels.problems[0])
    left_out: Counter[str] = Counter()
    rows = [row for row, code in enumerate(labels.codes) if _is_case(table, row, code, columns, left_out)]
    names, digests, lesions = (
        table.columns.get(name, [""] * len(table.lines))
        for name in (image, "sha256", next(iter(named("lesion", table.columns)), ""))
    )
    told = [Record(names[row], labels.codes[row], lesion=lesions[row], sha256=digests[row]) for row in rows]
    rows = [row for row, known in zip(rows, _known(told, seen), strict=True) if not known]
    left_out += Counter({SEEN: len(told) - len(rows)})
    alone = [f"{PHOTO}{column}" for column in columns]  # there, of a photograph of which a question was answered
    asked = [row for row in rows if alone[0] in table.columns and table.columns[alone[0]][row]]
    place = {row: number for number, row in enumerate(rows)}
    of_asked = [place[row] for row in asked]
    values = _shares(table, columns, rows)
    own = values.copy()
    own[of_asked] = _shares(table, alone, asked)
    groups = _groups(table)

    def of(some: Sequence[int], shares: np.ndarray) -> Predictions:
        images, codes, parts = ([each[row] for row in some] for each in (names, labels.codes, groups))
        return _table(images, codes, shares, parts, bundle, table.path)

    return of(rows, own), of(asked, values[of_asked]), dict(left_out)


def _shares(table: TableFile, columns: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """Probabilities of some rows, (rows, columns), each adding up to 1."""
    if missing := [column for column in columns if rows and column not in table.columns]:
        raise TableError(f"{table.path} has no column {first_few(missing)}: wanted one for every class")
    values = np.array([[_share(table, column, row) for column in columns] for row in rows], np.float64)
    values = values.reshape(len(rows), len(columns))
    sums = values.sum(axis=1, keepdims=True)
    if len(rows) and (worst := int(np.abs(sums - 1).argmax())) >= 0 and abs(sums[worst, 0] - 1) > _TOLERANCE:
        line = table.lines[rows[worst]]
        raise TableError(f"{table.path}:{line}: the answers sum to {sums[worst, 0]:.4g}: wanted probabilities, sum 1")
    return np.asarray(values / np.where(sums > 0, sums, 1))


def _check_whose(table: TableFile, sha256: str) -> None:
    """Refuse what says that another bundle, or a run's network before calibration, answered."""
    folder = EvaluationFolder(table.path.parent)
    if table.path.name == folder.predictions.name and folder.report.is_file():
        whose = Report.load(folder.report).bundle or "a run before its calibration"
    else:
        others = set(table.columns.get("bundle", ())) - {"", sha256}
        whose = min(others, default=sha256)
    if whose != sha256:
        raise TableError(
            f"{table.path} has the answers of {whose[:26]}, and the bundle is {sha256[:12]}: wanted answers of this "
            "bundle, by 'hierattn predict --batch' or 'hierattn evaluate BUNDLE'"
        )


def _is_case(table: TableFile, row: int, code: str, columns: Sequence[str], left_out: Counter[str]) -> bool:
    status, advice = (table.columns[name][row] if name in table.columns else "" for name in ("status", "advice"))
    if not code:
        left_out["without truth"] += 1
    elif status not in ("", ANSWERED) or not table.columns[columns[0]][row]:
        left_out["without an answer"] += 1
    elif advice == UNFIT_LEVEL:
        left_out[UNFIT] += 1
    else:
        return True
    return False


def _share(table: TableFile, column: str, row: int) -> float:
    text = table.columns[column][row]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise TableError(f"{table.path}:{table.lines[row]}: {text[:40]!r} as {column}: wanted a probability, 0 to 1")
    return value


def _groups(table: TableFile) -> list[str]:
    """Of each row its patient, else its lesion, else what ``predictions.csv`` calls its group."""
    groups = [""] * len(table.lines)
    for role, names in (
        ("patient", named("patient", table.columns)),
        ("lesion", named("lesion", table.columns)),
        ("group", ["group"] if "group" in table.columns else []),
    ):
        for name in names[:1]:
            for row, value in enumerate(table.columns[name]):
                groups[row] = groups[row] or (f"{role}:{value}" if value else "")
    return groups


def _answered(
    records: Sequence[Record], bundle: Bundle, predictor: Predictor, seen: TrainedOn | None, progress: Progress
) -> tuple[Predictions, Predictions, dict[str, int]]:
    left_out: Counter[str] = Counter()
    kept: list[tuple[Record, Mapping[str, float]]] = []
    told: list[tuple[Record, Mapping[str, float]]] = []
    for done, record in enumerate(records, start=1):
        try:
            path = Path(record.image)
            if _known([replace(record, sha256=file_sha256(path))], seen)[0]:
                left_out[SEEN] += 1
                continue
            said = {question.name: answer_of(record, question) for question in bundle.questions}
            answer = predictor(read_photo_file(path).pixels, answers=said)
            if answer.unfit:
                left_out[UNFIT] += 1
                continue
            alone = answer.photo_alone
            kept.append((record, answer.probabilities if alone is None else alone.probabilities))
            told += [] if alone is None else [(record, answer.probabilities)]
        except ImageError:
            left_out["unreadable photographs"] += 1
        finally:
            progress("answers", done, len(records))
    return _of_records(kept, bundle), _of_records(told, bundle), dict(left_out)


def _of_records(kept: Sequence[tuple[Record, Mapping[str, float]]], bundle: Bundle) -> Predictions:
    rows = [record for record, _ in kept]
    shares = [[row[code] for code in bundle.classes] for _, row in kept]
    values = np.array(shares, np.float64).reshape(len(kept), len(bundle.classes))
    named_groups = [
        f"patient:{row.patient}" if row.patient else f"lesion:{row.lesion}" if row.lesion else "" for row in rows
    ]
    images = [row.image for row in rows]
    return _table(images, [row.label for row in rows], values, named_groups, bundle, Path())


def _known(records: Sequence[Record], seen: TrainedOn | None) -> np.ndarray:
    """Whether the weights have seen each photograph, as far as the bundle says, bool (N,)."""
    if seen is None:
        return np.zeros(len(records), bool)
    return seen.saw(records)


def _table(
    images: Sequence[str],
    labels: Sequence[str],
    values: np.ndarray,
    groups: Sequence[str],
    bundle: Bundle,
    path: Path,
) -> Predictions:
    if twice := [image for image, count in Counter(images).items() if count > 1]:
        raise TableError(f"{path}: {first_few(twice)} stands twice: wanted a row a photograph")
    numbers = np.array([bundle.classes.index(label) for label in labels], np.int64)
    return Predictions(tuple(images), bundle.taxonomy, values, numbers, np.zeros(len(images), np.int64), tuple(groups))
