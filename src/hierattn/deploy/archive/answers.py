"""A clinic's table of answers beside its archive: a row a photograph, a column a question, checked as a whole first.

    file,age,grew,site
    b/1.png,54,yes,face
    2.png,,unknown,

``file`` is the photograph's name as the table of ``hierattn predict --batch`` writes it. An empty cell, ``unknown`` and
what tables write for it (``NA``, ``?``) are not asked. An error names lines and never a file, whose name may be a
person's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hierattn.data.column_names import spelled
from hierattn.data.source_table import first_few, text_of
from hierattn.data.table_files.table_file import TableFile, read_table
from hierattn.errors import TableError, UsageError
from hierattn.taxonomy.questions import BY_NAME, Question, read_answers

FILE = "file"
"""The column that names the photograph."""


def read_batch_answers(path: Path, questions: Sequence[Question], files: Iterable[str]) -> dict[str, dict[str, str]]:
    """The answers of a table: file -> question -> allowed value; what is not known is left out.

    Parameters
    ----------
    path
        CSV or TSV; Excel and Parquet with the extra ``tables``.
    questions
        The bundle's.
    files
        All files of the archive, as its table writes them.

    Raises
    ------
    UsageError
        Where the model asks nothing, or the table cannot be read, has a column that is no question, no question at all,
        a row without a file, a file twice or none of the archive's, or a value that is no answer: one line, which
        says every kind of mistake and names the first few of each.
    """
    if not questions:
        raise UsageError(f"--answers {path}: this model asks nothing; leave it out, or choose a model that asks")
    try:
        table = read_table(path, (FILE,))
    except TableError as error:
        raise UsageError(f"--answers: {error}") from None
    known = {spelled(name): name for name in (FILE, *(question.name for question in questions))}
    columns = {known[spelled(name)]: values for name, values in table.columns.items() if spelled(name) in known}
    problems = _wrong_columns(table, list(known.values()), columns)
    if FILE in columns:
        problems += _wrong_files(table, columns[FILE], files)
    answers, wrong = _answers(table, columns, questions)
    problems += wrong
    if problems:
        raise UsageError(f"--answers {path} has {'; '.join(problems)}")
    return answers


def _wrong_columns(table: TableFile, known: Sequence[str], columns: Mapping[str, object]) -> list[str]:
    wanted = f"wanted {FILE}, and some of {', '.join(known[1:])}"
    if unknown := [name for name in table.columns if spelled(name) not in map(spelled, known)]:
        return [f"columns that this model does not ask ({first_few(unknown)}): {wanted}; remove them"]
    if table.repeated or len(columns) < len(table.columns):
        return [f"a column twice: {wanted}, each once"]
    return [] if FILE in columns and len(columns) > 1 else [f"too few columns: {wanted}"]


def _wrong_files(table: TableFile, named: Sequence[str], files: Iterable[str]) -> list[str]:
    lines: dict[str, list[int]] = {}
    for name, line in zip(named, table.lines, strict=True):
        lines.setdefault(name, []).append(line)
    nameless = lines.pop("", [])
    twice = [line for found in lines.values() for line in found[1:]]
    for file in files:  # of an archive of any size only the table's names are held
        if file in lines:
            lines[file] = []
    missing = sorted(line for found in lines.values() for line in found)
    problems = []
    if nameless:
        problems.append(f"no {FILE} in {_lines(nameless)}: wanted the photograph's name in every row")
    if twice:
        problems.append(f"a photograph's second row in {_lines(sorted(twice))}: wanted one row a photograph")
    if missing:
        problems.append(
            f"rows that match no photograph in {_lines(missing)}: wanted the path below the archive's folder, as the "
            "table of --batch writes it, such as b/1.png"
        )
    return problems


def _answers(
    table: TableFile, columns: Mapping[str, Sequence[str]], questions: Sequence[Question]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    answers: dict[str, dict[str, str]] = {}
    wrong: dict[str, list[int]] = {}
    asked = [question.name for question in questions if question.name in columns]
    for row, line in enumerate(table.lines):
        for name in asked:
            try:
                said = read_answers(questions, {name: text_of(columns[name][row])})
            except UsageError as error:
                wrong.setdefault(str(error), []).append(line)
            else:
                if FILE in columns:
                    answers.setdefault(columns[FILE][row], {}).update(said)
    few = [f"{error} ({_lines(lines)})" for error, lines in wrong.items()]
    return answers, [f"values that are no answers: {first_few(few)}"] * bool(few)


def _lines(numbers: Sequence[int]) -> str:
    return f"line{'s' * (len(numbers) > 1)} {first_few(list(map(str, numbers)))}"


def written_answers(answers: Mapping[str, str]) -> str:
    """Answers as a cell of the archive's table has them, in the questions' one order.

    >>> written_answers({"grew": "yes", "age": "54"})
    'age=54 grew=yes'
    """
    return " ".join(f"{name}={answers[name]}" for name in BY_NAME if name in answers)
