"""What a set holds, on the screen: its classes, its sources, and what is left out; before it is prepared and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from hierattn.cli.console import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.data.prepare.dry_run import DryRun
    from hierattn.data.prepare.report import ClassCount
    from hierattn.data.prepare.sources import SourceCount
    from hierattn.taxonomy.records import Taxonomy

_MOST_LABELS = 60


class LeftOut(Protocol):
    """An image that is not taken, and why."""

    @property
    def image(self) -> str:
        """Its file, or its row."""

    @property
    def reason(self) -> str:
        """In a few words."""


def show_classes(console: Console, title: str, taxonomy: Taxonomy, classes: Mapping[str, ClassCount]) -> None:
    """Images, lesions and patients of every class, and images a fold where there are folds."""
    from rich.table import Table

    from hierattn.taxonomy.spelling import spelled

    # Where the codes say all that the names say, they are left out: the table stays one in 80 columns.
    named = any(spelled(each.name) != spelled(each.code) for each in taxonomy.classes)
    folded = any(count.per_fold for count in classes.values())
    table = Table(title=title, title_justify="left")
    for heading in ("class", *["name"] * named):
        table.add_column(heading)
    for heading in ("images", "lesions", "patients", *["a fold"] * folded):
        table.add_column(heading, justify="right")
    for code in filter(classes.__contains__, taxonomy.codes):
        count = classes[code]
        fewest, most = min(count.per_fold, default=0), max(count.per_fold, default=0)
        table.add_row(
            code,
            *[taxonomy.by_code[code].name] * named,
            str(count.images),
            str(count.lesions),
            str(count.patients or "unknown"),
            *[f"{fewest}" if fewest == most else f"{fewest} to {most}"] * folded,
        )
    print_table(console, table)


def show_sources(console: Console, sources: Sequence[SourceCount]) -> None:
    """The sources, and how their own labels were mapped."""
    from rich.table import Table

    table = Table(title="sources", title_justify="left")
    for heading in ("source", "layout", "domain", "use"):
        table.add_column(heading)
    for heading in ("images", "groups", "shared"):
        table.add_column(heading, justify="right")
    labels = Table(title="labels as each source has them", title_justify="left")
    for heading in ("source", "label", "class"):
        labels.add_column(heading)
    labels.add_column("images", justify="right")
    for source in sources:
        counts = (source.images, source.groups, source.shared_groups)
        table.add_row(source.name, source.layout, ", ".join(source.domains), source.used, *map(str, counts))
        rows = [(label, code, images) for label, own in source.labels.items() for code, images in own.items()]
        for label, code, images in rows[:_MOST_LABELS]:
            labels.add_row(source.name, label, code, str(images))
        if len(rows) > _MOST_LABELS:
            labels.add_row(source.name, f"and {len(rows) - _MOST_LABELS} more: --json lists all", "", "")
        labels.add_section()
    print_table(console, table)
    print_table(console, labels)


def show_left_out(console: Console, rows: Sequence[LeftOut], where: str) -> None:
    """How many are left out, the first few with their reasons, and the reasons of the others."""
    from collections import Counter

    if not rows:
        return
    console.print(f"{len(rows)} left out ({where}):", style="yellow")
    for example in rows[:5]:
        console.print(f"  {example.image}: {example.reason}", soft_wrap=True)
    rest = Counter(row.reason for row in rows[5:])
    for reason, images in rest.most_common(3):
        console.print(f"  {images} more: {reason}", soft_wrap=True)


def show_dry_run(console: Console, seen: DryRun) -> None:
    """All that was understood; problems last."""
    from hierattn.cli.table_account import show_account

    for account in seen.tables:
        show_account(console, account)
    if seen.sources and not seen.of_a_table:  # of which its account has told all of this
        show_sources(console, seen.sources)
        if seen.taxonomy is not None:
            said = "" if seen.taxonomy.has_referral else "; nothing is said of which need a doctor"
            show_classes(console, f"{len(seen.classes)} classes{said}", seen.taxonomy, seen.classes)
        show_left_out(console, seen.left_out, "--json lists all")
        console.print(
            f"Kept together in folds: {seen.images} images are {seen.groups} groups by lesion and patient; "
            "near-duplicates and damaged photographs are found when it is prepared",
            soft_wrap=True,
        )
    for note in seen.notes:
        console.print(f"Note: {note}", style="yellow", soft_wrap=True)
    for problem in seen.problems:
        console.print(f"Problem: {problem}", style="red", soft_wrap=True)
    problems = len(seen.all_problems)
    end = f"{problems} to be put right first" if problems else "the same command without --dry-run prepares it"
    console.print(f"Nothing was written: {end}", soft_wrap=True)
