"""What a report answers of a checklist: what is so, and nothing where it cannot tell."""

from dataclasses import replace

from reports import made

from hierattn.evaluation.pages import checklist_answers as says
from hierattn.evaluation.report import EvaluatedOn, Protocol


def test_answers_follow_the_report():
    report, _ = made()
    triage = report.triage
    assert f"{100 * triage.target_sensitivity:.0f}" in says.threshold(report)
    assert triage.fitted_on in says.threshold(report)
    assert says.sizes(report).startswith(f"training unknown, inner fold {triage.validation.images}, evaluated 120")
    assert says.external(report) is None
    elsewhere = replace(report, protocol=Protocol("external", "", None, "clinic"))
    assert says.external(elsewhere) == "evaluated on clinic, an external set"


def test_what_a_report_cannot_tell_is_none():
    report, _ = made()
    bare = replace(report, triage=None, subgroups=None, robustness=None, notes=())
    for answer in (says.threshold, says.metadata, says.skin_tone, says.bias, says.robust, says.variability,
                   says.missing):  # fmt: skip
        assert answer(bare) is None, answer.__name__
    unknown = replace(report, provenance=replace(report.provenance, evaluated_on=EvaluatedOn("my own folder")))
    for answer in (says.image_types, says.data_source, says.retrospective, says.blind_labels, says.citation):
        assert answer(unknown) is None, answer.__name__
