"""Answers to checklists: what the report says, and nothing where it cannot tell."""

from dataclasses import replace

import pytest
from reports import made

from hierattn.evaluation.measures.subgroups import Gap, Subgroups
from hierattn.evaluation.pages import checklist_answers as says
from hierattn.evaluation.pages.checklists import CHECKLISTS, checklists
from hierattn.evaluation.pages.html_report import gap_sentence
from hierattn.evaluation.report import EvaluatedOn, Protocol
from hierattn.taxonomy.built_in import EIGHT

CODES = EIGHT.codes


@pytest.fixture(scope="module")
def report():
    return made()[0]


def filled(report, name="STARD-AI"):
    return {item["number"]: item for item in checklists(report)[name]}


def on(report, source, licence=""):
    """The same report, as if of another set."""
    return replace(report, provenance=replace(report.provenance, evaluated_on=EvaluatedOn(source, licence)))


def test_a_set_that_nobody_knows_gets_no_answer_that_only_its_makers_could_give(report):
    data = EvaluatedOn("my own folder")
    report = replace(report, provenance=replace(report.provenance, evaluated_on=data))
    found = filled(report)
    for number in ("5", "11", "17b"):
        assert found[number]["answer"] is None
        assert found[number]["open"]
    assert filled(report, "CLEAR Derm")["1"]["answer"] is None


def test_answers_say_what_the_report_says(report):
    found = filled(report)
    assert f"{100 * report.balanced_accuracy.value:.1f}" in found["31"]["answer"]
    assert str(report.images) in found["15b"]["answer"]
    assert "12 images left out." in found["20"]["answer"]
    for code in ("BKL", "DF", "NV"):
        assert f"{code} {report.classes[code].images}" in found["26b"]["answer"]
    for code in ("ACK", "BCC", "MEL", "SCC", "VASC"):
        assert code not in found["26b"]["answer"]


def test_artefacts_that_training_drew_are_told_with_their_share_and_the_others_are_not(report):
    recipe = {"augmentation": {"hair": 0.1, "ink": 0.15, "ruler": 0.2, "stickers": 0.0, "blur": 0.5, "frame": 0.05}}
    provenance = replace(
        report.provenance, recipe=recipe, image_spec={**report.provenance.image_spec, "hair_removal": True}
    )
    found = says.artefacts(replace(report, provenance=provenance, robustness=None))
    assert found.replace("\N{NARROW NO-BREAK SPACE}", " ") == (
        "drawn on training images: hairs on 10 %, pen marks on 15 %, rulers on 20 %, "
        "black frames on 5 %; hairs removed from every image"
    )
    assert (
        says.artefacts(replace(report, provenance=replace(provenance, recipe={}, image_spec={}), robustness=None))
        is None
    )


def test_the_gap_is_told_in_the_words_of_the_report(report):
    gap = Gap(
        attribute="sex", figure="spared", worst="male", best="female", worst_value=0.41, best_value=0.63, gap=0.22,
        intervals_overlap=True,
    )  # fmt: skip
    report = replace(report, subgroups=Subgroups({}, gap))
    assert filled(report)["23"]["answer"] == gap_sentence(report.subgroups)


def test_every_answer_belongs_to_an_item():
    used = {item.answer for checklist in CHECKLISTS.values() for item in checklist.items if item.answer is not None}
    written = {value for value in vars(says).values() if getattr(value, "__module__", "") == says.__name__}
    assert {each for each in written if not each.__name__.startswith("_")} == used


def test_only_a_public_set_was_there_before_the_network(report):
    assert "retrospective" in says.retrospective(on(report, "ham10000"))
    assert "CC0" in says.data_source(on(report, "pad-ufes-20", "CC0"))
    for source in ("clinic", "synthetic"):
        assert says.retrospective(on(report, source)) is None
        assert says.blind_labels(on(report, source)) is None
    assert says.data_source(on(report, "clinic")) is None
    assert "all images are rendered" in says.synthetic(on(report, "synthetic"))
    assert "no rendered image" in says.synthetic(on(report, "clinic"))


def test_counts_are_the_reports(report):
    counts = dict(part.split(" ") for part in says.distribution(report).split(", "))
    assert {code: int(count) for code, count in counts.items()} == {code: report.classes[code].images for code in CODES}
    assert says.alternatives(report).endswith(", ".join(f"{code} {counts[code]}" for code in ("BKL", "DF", "NV")))
    assert says.sizes(report).startswith("training unknown, inner fold")
    trained = replace(report, provenance=replace(report.provenance, training_images=24))
    assert says.sizes(trained).startswith("training 24, inner fold")


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
    for answer in (says.threshold, says.metadata, says.skin_tone, says.bias, says.artefacts, says.variability,
                   says.missing):  # fmt: skip
        assert answer(bare) is None, answer.__name__
    unknown = replace(report, provenance=replace(report.provenance, evaluated_on=EvaluatedOn("my own folder")))
    for answer in (says.image_types, says.data_source, says.retrospective, says.blind_labels, says.citation):
        assert answer(unknown) is None, answer.__name__
