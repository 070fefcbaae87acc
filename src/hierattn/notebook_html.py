"""A short table as HTML, for what notebooks show of a value: no style, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

NOT_A_DEVICE = "Not a medical device."
"""Below everything that is shown of a diagnosis or a report."""


def notebook_table(
    title: str, rows: Iterable[Sequence[str]], notes: Iterable[str] = (), heads: Sequence[str] = ()
) -> str:
    """A title, a table and lines below it. Every text is escaped.

    >>> notebook_table("<b>", [("AUC", "0.9")], ["Not a medical device."])[:33]
    '<div><strong>&lt;b&gt;</strong><t'

    Parameters
    ----------
    title
        Above the table.
    rows
        Cells, each row as long as ``heads`` where there are any; the first is the row's name.
    notes
        A paragraph each.
    heads
        Of the columns.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    table = f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>" if body else ""
    return f"<div><strong>{escape(title)}</strong>{table}{''.join(f'<p>{escape(note)}</p>' for note in notes)}</div>"
