"""``audit.html``: the findings to look through, one card each. One file; it loads nothing and runs no script."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import hierattn
from hierattn.audit.findings import COPIES, KINDS, LABEL, Found
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.pages.gallery import may_show, thumbnail
from hierattn.evaluation.pages.html_report import fill_page
from hierattn.shares import percent

TEMPLATE = "audit.html.jinja"


def shown(found: Sequence[Found], most: int) -> dict[str, list[tuple[Found, ...]]]:
    """Kind -> the cards that the page shows, each of one finding or of the two of a pair; at most ``most`` a kind."""
    cards: dict[str, list[tuple[Found, ...]]] = {kind: [] for kind in KINDS}
    for one in found:
        kind = one.finding.kind
        if kind == COPIES and cards[kind] and len(cards[kind][-1]) == 1:
            cards[kind][-1] += (one,)
        elif len(cards[kind]) < most:
            cards[kind].append((one,))
    return cards


def by_class(packed: PackedSet, judged: Sequence[int], found: Sequence[Found]) -> list[dict[str, Any]]:
    """A row a class, as its photographs are labelled: how many were judged, how many labels are likely wrong."""
    images = Counter(packed.records[row].label for row in judged)
    wrong = Counter(one.given for one in found if one.finding.kind == LABEL)
    instead: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        if one.finding.kind == LABEL:
            instead[one.given][one.suggested] += 1
    return [
        {
            "code": code,
            "name": packed.taxonomy.by_code[code].name,
            "images": images[code],
            "wrong": wrong[code],
            "share": percent(wrong[code] / images[code]),
            "instead": ", ".join(f"{other} ({count})" for other, count in instead[code].most_common(3)),
        }
        for code in sorted(images)
    ]


def render_audit(
    packed: PackedSet,
    found: Sequence[Found],
    judged: Sequence[int],
    notes: Sequence[str],
    facts: Mapping[str, Any],
    most: int,
) -> str:
    """The page as text.

    Parameters
    ----------
    packed
        The set.
    found
        All findings, in the order of the table.
    judged
        Rows whose label was judged.
    notes
        What was left out, and what weakens the result.
    facts
        Name -> value, for the last card.
    most
        Cards of a kind, at most.
    """
    cards = shown(found, most)
    counts = Counter(one.finding.kind for one in found)
    counts[COPIES] //= 2
    pictures = {
        row: thumbnail(packed.images[row])
        for kind in cards
        for card in cards[kind]
        for one in card
        for row in (one.row,)
    }
    return fill_page(
        TEMPLATE,
        title=packed.folder.resolve().name,
        kinds=[(kind, heading, counts[kind], cards[kind]) for kind, heading in KINDS.items()],
        total=len(found),
        pictures=pictures,
        classes=by_class(packed, judged, found),
        images=len(packed),
        judged=len(judged),
        notes=notes,
        private=not may_show(packed),
        provenance=[*((name, str(value)) for name, value in facts.items()), ("Made with", hierattn.__version__)],
    )
