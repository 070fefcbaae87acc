"""An answer as a DICOM Comprehensive SR in the photograph's own study (TID 1500; needs ``[dicom]``).

Marked in three places as not for diagnosis: the content qualification is RESEARCH, the report is partial, preliminary
and unverified, and its first words to a reader say so. An unfit photograph gets a report without probabilities.

The codes of our own classes and advices are in a private scheme, :data:`SCHEME`: a class of this network is no
diagnosis, and borrowing a clinical code would make it one. A class that is none of the built-in ones is coded in a
scheme of its taxonomy's name (:func:`scheme_of`), because one code may mean two things in two clinics.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hierattn
from hierattn.bundle.bundle import Bundle
from hierattn.deploy.archive.answers import written_answers
from hierattn.deploy.predict.advice_texts import KNOWN
from hierattn.deploy.predict.dicom_photo import DERMOSCOPIC, quiet_pydicom
from hierattn.deploy.predict.predictor import Diagnosis
from hierattn.errors import ImageError, require
from hierattn.files import write_bytes
from hierattn.taxonomy.records import LesionClass, Taxonomy

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept, MeasurementReport
    from pydicom import Dataset

SCHEME = "99HIERATTN"
"""The designator of our private coding scheme; DICOM keeps names with 99 for such (PS3.16, section 8.2)."""

SERIES_DESCRIPTION = "hierattn, research, not for diagnosis"
NOT_FOR_DIAGNOSIS = (
    "NOT FOR DIAGNOSIS. Made by research software that is not a medical device and was not verified by a person."
)
SERIES_NUMBER = 9901
"""Of our series in the photograph's study: high, so that it meets no camera's."""

_PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""What a report must have, if only empty (type 2)."""

_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


def write_report(
    folder: Path, header: Dataset, diagnosis: Diagnosis, bundle: Bundle, digest: str, *, name: str = "the image"
) -> Path:
    """Write the report about one photograph into a folder, which is made where it is missing.

    The report's own identity follows from the photograph, the bundle, the rule of the advice and the answers that were
    given: asking again writes the same file again, and no archive gets it twice.

    Parameters
    ----------
    folder
        Where ``<SOP instance UID>.dcm`` is written, whole or not at all.
    header
        Of the photograph; from :class:`~hierattn.deploy.predict.dicom_photo.DicomPhoto`.
    diagnosis, bundle, digest
        The answer, what gave it, and the SHA-256 of the bundle's file.
    name
        What an error calls the image.

    Raises
    ------
    ImageError
        Where the photograph does not say which study, series or instance it is, or another file has the report's name.
    MissingPackageError
        Where highdicom is not installed.
    """
    require("highdicom", "dicom")
    file = io.BytesIO()
    with quiet_pydicom():
        try:
            report = make_report(header, diagnosis, bundle, digest, name=name)
            report.save_as(file, enforce_file_format=True)
        except ImageError:
            raise
        except Exception:  # of values in the photograph's header, which the error would repeat
            raise ImageError(f"{name} has values in its header that no report can take over: export it again") from None
        path = folder / f"{report.SOPInstanceUID}.dcm"
        if path.exists() and not _is_ours(path):
            raise ImageError(
                f"{name} has no place for its report: {path.name} is there and is no report of ours; move it"
            )
    write_bytes(path, file.getvalue())
    return path


def _is_ours(path: Path) -> bool:
    from pydicom import dcmread

    try:
        return bool(dcmread(path, specific_tags=["SOPInstanceUID"]).get("SOPInstanceUID") == path.stem)
    except Exception:  # a damaged file makes parsers raise nearly anything
        return False


def make_report(
    header: Dataset, diagnosis: Diagnosis, bundle: Bundle, digest: str, *, name: str = "the image"
) -> Dataset:
    """The report as a data set; the arguments and errors are those of :func:`write_report`."""
    from highdicom import ContentQualificationValues
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import ComprehensiveSR

    evidence = _evidence(header, name)
    about: tuple[str, ...] = (
        str(evidence.SOPInstanceUID),
        digest,
        _rule(diagnosis),
        diagnosis.language,
        hierattn.__version__,
    )
    about += (written_answers(diagnosis.answers),) if diagnosis.answers else ()
    taxonomy = diagnosis.taxonomy
    schemes = {SCHEME: "Codes of the hierattn software"}
    if any(scheme_of(each, taxonomy) != SCHEME for each in taxonomy.classes):
        schemes[_own_scheme(taxonomy)] = f"Classes of the taxonomy {taxonomy.name}"
    return ComprehensiveSR(
        evidence=[evidence],
        content=_content(evidence, diagnosis, bundle, digest, _uid("subject", *about)),
        series_instance_uid=_uid("series", str(evidence.StudyInstanceUID), digest),
        series_number=SERIES_NUMBER,
        series_description=SERIES_DESCRIPTION,
        sop_instance_uid=_uid("report", *about),
        instance_number=1,
        manufacturer="hierattn",
        manufacturer_model_name=bundle.model,
        software_versions=hierattn.__version__,
        device_serial_number=digest,
        content_qualification=ContentQualificationValues.RESEARCH,
        coding_schemes=[CodingSchemeIdentificationItem(designator=key, name=name) for key, name in schemes.items()],
        specific_character_set="ISO_IR 192",  # UTF-8: the advice may be in Chinese
        is_complete=False,
        is_final=False,
        is_verified=False,
    )


def _evidence(header: Dataset, name: str) -> Dataset:
    """The photograph as the report refers to it: what identifies it, its patient and its study, and nothing else."""
    from pydicom import Dataset

    evidence = Dataset()
    try:
        missing = [keyword for keyword in _IDENTITY if not header.get(keyword)]
        if missing:
            raise ImageError(f"{name} has no {', '.join(missing)}: a report cannot say what it is about; export again")
        for keyword in (*_IDENTITY, *_PATIENT_AND_STUDY):
            setattr(evidence, keyword, header.get(keyword) or "")
        for keyword in ("SpecificCharacterSet", "Rows", "Columns", "Modality"):
            if header.get(keyword):
                setattr(evidence, keyword, header.get(keyword))
    except ImageError:
        raise
    except Exception:  # pydicom converts values as they are asked for, and its errors repeat them
        raise ImageError(f"{name} has a damaged DICOM header: no report can be written; export it again") from None
    return evidence


def _content(
    evidence: Dataset, diagnosis: Diagnosis, bundle: Bundle, digest: str, subject_uid: str
) -> MeasurementReport:
    """The tree of TID 1500: who observed, what was measured, and in words what it is not."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=_uid("device", digest), name="hierattn", model_name=bundle.model, serial_number=digest
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    algorithm = sr.AlgorithmIdentification(
        name=bundle.model, version=hierattn.__version__, family=codes.DCM.ArtificialIntelligence,
        parameters=[f"bundle SHA-256 {digest}", f"advice by the rule {_rule(diagnosis)}"],
    )  # fmt: skip
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=subject_uid, identifier="Photograph"),
        algorithm_id=algorithm,
        measurements=_measurements(diagnosis) or None,
        qualitative_evaluations=_evaluations(diagnosis),
        source_images=[sr.SourceImageForMeasurementGroup(evidence.SOPClassUID, evidence.SOPInstanceUID)],
    )
    code, meaning = _LANGUAGES[diagnosis.language]
    dermoscopic = evidence.SOPClassUID == DERMOSCOPIC
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=None, observer_device_context=observer),
        procedure_reported=codes.SCT.DermoscopicPhotography if dermoscopic else _own("PHOTO", "Photography of skin"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(
            sr.CodedConcept(code, "RFC5646", meaning)
        ),
    )
    for line in (NOT_FOR_DIAGNOSIS, *_words(diagnosis)):
        report[0].ContentSequence.append(
            sr.TextContentItem(codes.DCM.Comment, line, sr.RelationshipTypeValues.CONTAINS)
        )
    return report


def _measurements(diagnosis: Diagnosis) -> list[Any]:
    """A probability for each class and the summed risk; none for an unfit photograph, where they mean nothing."""
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    if diagnosis.unfit:
        return []
    taxonomy = diagnosis.taxonomy
    named = [
        (_own(_short_code(code), _meaning(taxonomy.by_code[code]), scheme_of(taxonomy.by_code[code], taxonomy)), value)
        for code, value in diagnosis.probabilities.items()
    ]
    if diagnosis.risk is not None:
        named.append((_own("RISK", "Summed probability of the referred classes"), diagnosis.risk))
    return [Measurement(name=name, value=round(value, 6), unit=codes.UCUM.NoUnits) for name, value in named]


def _evaluations(diagnosis: Diagnosis) -> list[Any]:
    """The advice, and each thing that is wrong with the photograph."""
    from highdicom.sr import QualitativeEvaluation

    advice = diagnosis.advice
    level = ("NONE", "No advice: nothing is said of which classes need a doctor")
    if advice is not None:
        level = (advice.level.upper(), _MEANINGS[advice.level])
    evaluations = [QualitativeEvaluation(_own("ADVICE", "Advice"), _own(*level))]
    return evaluations + [
        QualitativeEvaluation(
            _own("PROBLEM", "Problem of the photograph"), _own(f"PHOTO-{problem.upper()}", f"Photograph: {problem}")
        )
        for problem in diagnosis.quality.problems
    ]


_MEANINGS = {
    "see_soon": "See a doctor soon",
    "have_checked": "Have it checked",
    "watch": "Keep an eye on it",
    "retake": "No answer: take another photograph",
}


_LANGUAGES = {"en": ("en", "English"), "pt": ("pt-BR", "Portuguese (Brazil)"), "zh": ("zh", "Chinese")}


def _words(diagnosis: Diagnosis) -> list[str]:
    """The advice's reason and limits, then the answers that were used and both results."""
    advice = diagnosis.advice
    words = [diagnosis.note] if advice is None else [advice.why, *advice.limits]
    told = [f"Answers used beside the photograph: {written_answers(diagnosis.answers)}"] if diagnosis.answers else []
    return [*words, *told, *diagnosis.both_results]


def _rule(diagnosis: Diagnosis) -> str:
    return "none" if diagnosis.advice is None else diagnosis.advice.rule


def scheme_of(each: LesionClass, taxonomy: Taxonomy) -> str:
    """The designator of the scheme that a class is coded in.

    >>> from hierattn.taxonomy.built_in import EIGHT
    >>> scheme_of(EIGHT.classes[0], EIGHT), scheme_of(LesionClass("MEL", "melasma"), EIGHT)
    ('99HIERATTN', '99HA-C195D2D8')
    """
    return SCHEME if KNOWN.get(each.code) == each.name else _own_scheme(taxonomy)


def _own_scheme(taxonomy: Taxonomy) -> str:
    return f"99HA-{hashlib.sha256(taxonomy.name.encode()).hexdigest()[:8].upper()}"


def _short_code(code: str) -> str:
    """A class's probability in its scheme; one whose code is too long for DICOM, or not ASCII, goes by its digest."""
    return f"P-{code}" if len(code) <= 14 and code.isascii() else f"PH-{hashlib.sha256(code.encode()).hexdigest()[:12]}"


def _meaning(each: LesionClass) -> str:
    name = each.name.replace("\\", "/")  # which separates values in DICOM
    said = f"Probability of the class {name}"
    return said if len(said) <= _LONGEST_MEANING else f"Probability of {name}"


_LONGEST_MEANING = 64


def _own(code: str, meaning: str, scheme: str = SCHEME) -> CodedConcept:
    """A concept of a private scheme; DICOM allows codes of 16 characters and meanings of 64."""
    from highdicom.sr import CodedConcept

    if len(meaning) > _LONGEST_MEANING:
        meaning = f"{meaning[: _LONGEST_MEANING - 1]}…"
    return CodedConcept(code[:16], scheme, meaning)


def _uid(*about: str) -> str:
    """A UID that follows from what it is about: a UUID of version 5, written as DICOM writes UUIDs (PS3.5, B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(('hierattn', *about))).int}"
