"""DICOM reports: in the photograph's own study, marked as not for diagnosis, and the same when asked again."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom")
pytest.importorskip("highdicom")

from dicom_files import PATIENT, dicom_bytes
from PIL import Image
from pydicom import dcmread
from small_bundles import CLINIC, HUNDRED, OWN, bundle_of, write_small_bundle
from small_checkpoints import write_asking_bundle
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.archive.dicom_report import NOT_FOR_DIAGNOSIS, SCHEME, scheme_of, write_report
from hierattn.deploy.predict.dicom_photo import read_dicom
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import HierAttnError, ImageError
from hierattn.taxonomy.records import LesionClass, Taxonomy

DIGEST = "ab" * 32
LIMIT = 1_000_000


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return render_lesion("MEL", np.random.default_rng(3), 160).image[:140]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx"))


def report_on(image, predictor, folder, language="en", **elements):
    photo = read_dicom(dicom_bytes(image, **elements), max_pixels=LIMIT)
    diagnosis = predictor(photo.pixels, language=language)
    path = write_report(folder, photo.header, diagnosis, predictor.bundle, DIGEST)
    return photo.header, diagnosis, path


def test_report_is_in_the_photographs_study_and_says_what_the_predictor_said(image, predictor, tmp_path):
    from highdicom.sr import ComprehensiveSR, MeasurementReport

    header, diagnosis, path = report_on(image, predictor, tmp_path)
    report = ComprehensiveSR.from_dataset(dcmread(path))
    assert [report.StudyInstanceUID, str(report.PatientName), report.PatientID] == [
        header.StudyInstanceUID, PATIENT, "Secret42",
    ]  # fmt: skip
    assert report.SeriesInstanceUID != header.SeriesInstanceUID
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == header.SeriesInstanceUID
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert isinstance(report.content, MeasurementReport)
    (group,) = report.content.get_image_measurement_groups()
    (source,) = group.source_images
    assert source.referenced_sop_instance_uid == header.SOPInstanceUID
    measured = {one.name.value: float(one.value) for one in group.get_measurements()}
    expected = {f"P-{code}": value for code, value in diagnosis.probabilities.items()} | {"RISK": diagnosis.risk}
    assert measured == pytest.approx(expected, abs=1e-6)
    found = {one.name.value: one.value for one in group.get_qualitative_evaluations()}
    assert found["ADVICE"].value == diagnosis.advice.level.upper()
    assert found["ADVICE"].scheme_designator == SCHEME


def measured_in(path: Path) -> dict[tuple[str, str], tuple[str, float]]:
    """(scheme, code) -> (meaning, value) of a report's measurements."""
    from highdicom.sr import ComprehensiveSR

    (group,) = ComprehensiveSR.from_dataset(dcmread(path)).content.get_image_measurement_groups()
    return {
        (one.name.scheme_designator, one.name.value): (one.name.meaning, float(one.value))
        for one in group.get_measurements()
    }


@pytest.mark.parametrize("name", OWN)
def test_any_classes_are_reported_each_with_a_code_of_its_own(image, tmp_path, name):
    taxonomy = OWN[name].taxonomy
    own = Predictor.load(write_small_bundle(tmp_path / "own.onnx", OWN[name]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, diagnosis, path = report_on(image, own, tmp_path / "reports")
    measured = measured_in(path)
    assert len(measured) == len(taxonomy.codes) + taxonomy.has_referral
    values = [value for (_, code), (_, value) in measured.items() if code != "RISK"]
    assert values == pytest.approx(list(diagnosis.probabilities.values()), abs=1e-6)
    schemes = {scheme_of(each, taxonomy) for each in taxonomy.classes} | {SCHEME}
    report = dcmread(path)
    named = {one.CodingSchemeDesignator: one.CodingSchemeName for one in report.CodingSchemeIdentificationSequence}
    assert schemes <= set(named)
    assert {scheme for scheme, _ in measured} <= schemes
    assert all(len(code) <= 16 and code.isascii() and len(scheme) <= 16 for scheme, code in measured)
    assert all(len(meaning) <= 64 for meaning, _ in measured.values())


def test_known_classes_keep_their_codes_and_others_are_coded_in_their_taxonomys_scheme(image, tmp_path):
    own = Predictor.load(write_small_bundle(tmp_path / "own.onnx", OWN["clinic"]))
    path = report_on(image, own, tmp_path)[2]
    scheme = scheme_of(CLINIC.by_code["PSO"], CLINIC)
    measured = measured_in(path)
    assert measured[SCHEME, "P-MEL"][0] == "Probability of the class melanoma"
    assert measured[scheme, "P-NV"][0] == "Probability of the class naevus of Ota"
    assert scheme != scheme_of(HUNDRED.classes[0], HUNDRED)
    named = dcmread(path).CodingSchemeIdentificationSequence
    assert {one.CodingSchemeDesignator: one.CodingSchemeName for one in named}[scheme].endswith("Klinik Süd")


@pytest.mark.parametrize(
    "name", ["left\\right", "a^b=c", "x" * 200, "naïve 银屑病", "psoriasis, inverse (flexural) of the groin"]
)
def test_odd_names_of_classes_make_a_valid_report(image, tmp_path, name):
    taxonomy = Taxonomy(
        "odd\\name", (LesionClass("CLASS-2", name), LesionClass("two", "2"), LesionClass("drei", "P-3"))
    )
    bundle = bundle_of(taxonomy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = report_on(image, Predictor.load(write_small_bundle(tmp_path / "own.onnx", bundle)), tmp_path)[2]
    meanings = [meaning for meaning, _ in measured_in(path).values()]
    assert len(meanings) == 3
    assert name.replace("\\", "/")[:30] in meanings[0]


def test_report_is_marked_as_not_for_diagnosis(image, predictor, tmp_path):
    report = dcmread(report_on(image, predictor, tmp_path)[2])
    assert report.ContentQualification == "RESEARCH"
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "PARTIAL", "UNVERIFIED", "PRELIMINARY",
    )  # fmt: skip
    assert "not for diagnosis" in report.SeriesDescription
    words = [one.TextValue for one in report.ContentSequence if one.ValueType == "TEXT" and "Comment" in str(one)]
    assert words[0] == NOT_FOR_DIAGNOSIS


def test_unfit_photograph_is_reported_without_numbers(predictor, tmp_path):
    grey = np.full((150, 150, 3), 128, np.uint8)
    report = dcmread(report_on(grey, predictor, tmp_path)[2])
    items = str(report)
    assert "Measured Value Sequence" not in items
    assert "PHOTO-BLURRED" in items
    assert "RETAKE" in items


def test_asking_again_writes_the_same_report_and_another_bundle_another(image, predictor, tmp_path):
    photo = read_dicom(dicom_bytes(image), max_pixels=LIMIT)
    diagnosis = predictor(photo.pixels)
    paths = [write_report(tmp_path, photo.header, diagnosis, predictor.bundle, digest) for digest in (DIGEST, DIGEST)]
    assert paths[0] == paths[1]
    assert write_report(tmp_path, photo.header, diagnosis, predictor.bundle, "cd" * 32) != paths[0]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
def test_report_passes_an_independent_validator(image, predictor, tmp_path, language):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is missing: apt-get install dicom3tools to validate reports independently")
    path = report_on(image, predictor, tmp_path, language)[2]
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
    assert "ComprehensiveSR" in said
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


def test_photograph_that_names_no_study_gets_no_report(image, predictor, tmp_path):
    with pytest.raises(ImageError, match="StudyInstanceUID"):
        report_on(image, predictor, tmp_path, StudyInstanceUID=None)
    assert list(tmp_path.iterdir()) == []


def call(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    assert result.exit_code == code or isinstance(result.exception, HierAttnError), result.output
    return result


def test_command_answers_dicom_as_it_answers_the_same_pixels(image, predictor, tmp_path):
    Image.fromarray(image).save(tmp_path / "photo.png")
    (tmp_path / "photo.dcm").write_bytes(dicom_bytes(image))
    bundle = write_small_bundle(tmp_path / "m.onnx")
    rows = json.loads(call(tmp_path / "photo.png", tmp_path / "photo.dcm", "-m", bundle, "--json").stdout)
    assert rows[0]["probabilities"] == rows[1]["probabilities"]
    call(tmp_path / "photo.dcm", "-m", bundle, "--dicom-sr", tmp_path / "reports")
    (report,) = (tmp_path / "reports").iterdir()
    assert dcmread(report).Modality == "SR"
    refused = call(tmp_path / "photo.png", "-m", bundle, "--dicom-sr", tmp_path / "reports", code=1)
    assert "no DICOM file" in refused.stderr


def test_archive_of_dicom_gets_a_report_each_and_its_table_names_them(image, tmp_path: Path):
    from csv import DictReader

    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(3):
        (archive / f"IM{number}").write_bytes(dicom_bytes(np.roll(image, number, axis=0)))  # without an ending
    (archive / "ct").write_bytes(dicom_bytes(image, SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))
    bundle = write_small_bundle(tmp_path / "m.onnx")
    out = call(
        "--batch",
        archive,
        "--out",
        tmp_path / "t.csv",
        "-m",
        bundle,
        "--jobs",
        1,
        "--dicom-sr",
        archive / "reports",
        code=1,
    )
    assert "ecret" not in out.stdout + out.stderr
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in DictReader(file)}
    assert set(rows) == {"IM0", "IM1", "IM2", "ct"}
    assert rows["ct"]["status"] == "refused"
    written = {path.name for path in (archive / "reports").iterdir()}
    assert {rows[f"IM{number}"]["report"] for number in range(3)} == written
    assert "ecret" not in (tmp_path / "t.csv").read_text(encoding="utf-8")


def test_a_file_that_has_the_reports_name_and_is_none_is_not_touched(image, predictor, tmp_path):
    path = report_on(image, predictor, tmp_path, SOPInstanceUID="1.2.3")[2]
    for content in (b"a note", dicom_bytes(image)):
        path.write_bytes(content)
        with pytest.raises(ImageError, match="no place for its report"):
            report_on(image, predictor, tmp_path, SOPInstanceUID="1.2.3")
        assert path.read_bytes() == content


def said_of(work: Callable[[], object]) -> str:
    """The error that it ends in; empty where it ends well."""
    try:
        work()
    except ImageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        (b"19500101", b"195\xff0101"), (b"19500101", b"SECRETIV"), (b"20240229", b"2024SECR"), (b"101500", b"SECRET"),
        (b"ISO_IR 100", b"ISO_SECRET"), (b"CS\x02\x00F ", b"CS\x02\x00\x01\xff"), (b"Secret42", b"Secret\\2"),
    ],
    ids=str,
)  # fmt: skip
def test_odd_values_of_the_patient_are_warned_of_nowhere(image, predictor, tmp_path, caplog, capfd, was, is_now):
    content = dicom_bytes(image)
    assert was in content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = read_dicom(content.replace(was, is_now), max_pixels=LIMIT)
        said = said_of(lambda: write_report(tmp_path, photo.header, predictor(photo.pixels), predictor.bundle, DIGEST))
    said += caplog.text + "".join(capfd.readouterr())
    assert "secr" not in said.lower()


def test_a_damaged_file_in_the_reports_place_is_not_touched(image, predictor, tmp_path):
    path = report_on(image, predictor, tmp_path, SOPInstanceUID="1.2.3")[2]
    path.write_bytes(dicom_bytes(image)[:700])
    with pytest.raises(ImageError, match="no place for its report"):
        report_on(image, predictor, tmp_path, SOPInstanceUID="1.2.3")


def test_report_lists_the_answers_used_and_other_answers_make_another(image, tmp_path):
    write_asking_bundle(tmp_path / "asking.onnx")
    asking = Predictor.load(tmp_path / "asking.onnx")
    photo = read_dicom(dicom_bytes(image), max_pixels=LIMIT)
    paths = {}
    for grew in ("", "yes", "no"):
        diagnosis = asking(photo.pixels, answers={"grew": grew, "age": 54} if grew else None)
        paths[grew] = write_report(tmp_path / "reports", photo.header, diagnosis, asking.bundle, DIGEST)
    assert len(set(paths.values())) == 3
    words = [one.TextValue for one in dcmread(paths["yes"]).ContentSequence if one.ValueType == "TEXT"]
    assert "Answers used beside the photograph: age=54 grew=yes" in words
    assert any(line.startswith("From the photo alone: ") for line in words)
    assert "Answers used" not in str(dcmread(paths[""]))
