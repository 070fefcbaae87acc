"""``prepare --table``: what was understood of the table, on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hierattn.cli.console import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.any_table.understanding import Understanding

_MOST_LINES, _MOST_NAMES, _MOST_SPELLINGS = 60, 5, 6


def columns_asked(roles: dict[str, str], more: Sequence[str]) -> dict[str, str]:
    """Role -> column, of the options that were given and of ``ROLE=NAME``.

    Raises
    ------
    UsageError
        Where one is not of that form, or a role has two columns.
    """
    from hierattn.data.any_table.columns import ROLES
    from hierattn.errors import UsageError

    asked = {role: name for role, name in roles.items() if name}
    for word in more:
        role, _, name = (part.strip() for part in word.partition("="))
        role = role.lower().replace("_", "-")
        if role not in ROLES or not name:
            raise UsageError(f"--column {word!r}: wanted ROLE=NAME with one of {', '.join(ROLES)}")
        if role in asked:
            raise UsageError(f"--column {word!r} and {role} = {asked[role]}: wanted one column for {role}")
        asked[role] = name
    return asked


def show_account(console: Console, account: Understanding) -> None:
    """All that was understood of a table; notes and problems last."""
    from rich.table import Table

    columns = Table(title=f"{account.table}: {account.form}, {account.rows} rows", title_justify="left")
    for heading in ("what", "column", "found", "for example"):
        columns.add_column(heading)
    for column in account.columns:
        columns.add_row(column.role, column.name, column.how, ", ".join(column.examples))
    print_table(console, columns)
    _line(console, "Not used", account.not_used)
    found = ", ".join(f"{count} {how}" for how, count in account.found.items() if count) or "none"
    console.print(f"Photographs of the rows, among {account.photographs} in the folder: {found}", soft_wrap=True)
    _line(console, "Rows without a photograph", account.no_photograph)
    _line(console, "Photographs without a row", account.no_row)
    _line(console, "Rows without a label", [f"{word or 'empty'} ({rows})" for word, rows in account.no_label.items()])
    if account.classes:
        _show_classes(console, account)
    ids = [f"{account.lesions} lesions"] * bool(account.lesions) + [f"{account.patients} patients"] * bool(
        account.patients
    )
    console.print(f"Kept together in folds: {' and '.join(ids) or 'nothing but near-duplicates'}", soft_wrap=True)
    _line(console, "Folds", [f"{fold} ({images} images)" for fold, images in account.folds.items()])
    for note in account.notes:
        console.print(f"Note: {note}", style="yellow", soft_wrap=True)
    for problem in account.problems:
        console.print(f"Problem: {problem}", style="red", soft_wrap=True)


def _show_classes(console: Console, account: Understanding) -> None:
    from rich.table import Table

    said = "which of them need a doctor is known" if account.referral else "nothing is said of which need a doctor"
    own = "made of the labels" if account.taxonomy == "table" else f"of the taxonomy {account.taxonomy}"
    table = Table(title=f"{len(account.classes)} classes {own}; {said}", title_justify="left")
    # What says nothing here is left out, so that the table stays one in 80 columns.
    named = any(list(each.labels) != [each.name] for each in account.classes)
    counts = ["images", *["lesions"] * bool(account.lesions), *["patients"] * bool(account.patients)]
    for heading in ("class", *["name"] * named):
        table.add_column(heading)
    for heading in counts:
        table.add_column(heading, justify="right")
    table.add_column("labels in the table, with their rows")
    for each in account.classes[:_MOST_LINES]:
        labels = [f"{label!r} {rows}" for label, rows in each.labels.items()]
        table.add_row(
            each.code,
            *[each.name] * named,
            *(str(getattr(each, count) or "unknown") for count in counts),
            _few(labels, _MOST_SPELLINGS),
        )
    print_table(console, table)
    if not account.referral:
        console.print(
            "prepare writes the classes to OUT-taxonomy.toml: say there which need a doctor, and prepare again with "
            "--taxonomy; without it there is no advice",
            soft_wrap=True,
        )
    if len(account.classes) > _MOST_LINES:
        console.print(f"and {len(account.classes) - _MOST_LINES} more classes: --json lists all", soft_wrap=True)


def _line(console: Console, title: str, names: Iterable[str]) -> None:
    if names := list(names):
        console.print(f"{title}: {len(names)}: {_few(names, _MOST_NAMES)}", soft_wrap=True)


def _few(names: Sequence[str], shown: int) -> str:
    from hierattn.data.source_table import first_few

    return first_few(names, shown)
