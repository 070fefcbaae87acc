"""``hierattn predict --batch``: the command line's side of :mod:`hierattn.deploy.archive.archive`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ORDER = ("see_soon", "have_checked", "watch", "retake", "refused")
"""In which the summary counts, the most urgent first."""


def predict_archive(
    folder: Path,
    out: Path,
    model: str,
    *,
    jobs: int,
    rule: str,
    language: str,
    reports: Path | None,
    as_json: bool,
) -> None:
    """Judge an archive, with a bar on standard error and a summary on standard output; no file is named in either.

    Raises
    ------
    UsageError
        For a rule, a number of jobs or a folder that cannot be.
    """
    from rich.console import Console

    from hierattn.cli.progress_bars import step_bars
    from hierattn.deploy.archive.archive import judge_archive
    from hierattn.deploy.predict.triage import RULES
    from hierattn.errors import UsageError

    if rule not in RULES:
        raise UsageError(f"triage rule {rule!r}: wanted one of {', '.join(RULES)}")
    jobs = jobs or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else jobs or os.cpu_count() or 1
    console = Console(stderr=True)
    try:
        with step_bars(console, as_json) as advance:
            counts = judge_archive(
                folder, out, model, jobs=jobs, rule=rule, language=language, reports=reports,
                advance=(lambda done, total: advance("Judging", done, total)) if advance else lambda *_: None,
            )  # fmt: skip
    except KeyboardInterrupt:
        print(f"hierattn: stopped; the rows so far are in {out}.part, and the same command goes on", file=sys.stderr)
        raise SystemExit(1) from None
    if as_json:
        print(json.dumps({"table": str(out), "files": counts.total(), **{name: counts[name] for name in ORDER}}))
        return
    said = ", ".join(f"{name} {counts[name]}" for name in ORDER)
    print(f"{counts.total()} files judged now: {said}\n{out} has a row for every file. Not a medical device.")
