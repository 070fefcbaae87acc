"""What tables call their columns: one account for class folders, split files and tables of any kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAMES: dict[str, tuple[str, ...]] = {
    "image": (
        *("image", "image_id", "isic_id", "img_id", "file", "filename", "file_name", "name", "path", "image_path"),
        *("image_name", "image_file", "img", "img_path", "img_name", "imgpath", "filepath", "file_path", "full_path"),
        *("photo", "photo_id", "photograph", "picture", "picture_id", "midas_file_name", "derm", "bild", "imagen"),
    ),
    "label": (
        *("label", "dx", "diagnosis", "diagnostic", "class", "class_name", "label_name", "target", "category"),
        *("disease", "condition", "diagnosis_name", "lesion_type", "lesion_class", "ground_truth", "gt", "y"),
        *("final_diagnosis", "final_dx", "dx_name", "pathology", "histopathology", "histology"),
        *("diagnose", "diagnostico", "diagnóstico", "diagnosi", "klasse", "classe"),
    ),
    "lesion": ("lesion", "lesion_id", "lesion_number", "lesion_no", "nevus_id", "läsion"),
    "patient": (
        *("patient", "patient_id", "subject", "subject_id", "case", "case_id", "person", "person_id", "participant"),
        *("participant_id", "patient_number", "patient_no", "patientid", "pid", "mrn", "paciente", "individual"),
    ),
    "fold": ("fold", "split", "subset", "set", "partition"),
    "age": ("age", "age_approx", "age_years", "patient_age", "age_at_diagnosis", "alter", "edad", "idade"),
    "sex": ("sex", "gender", "patient_sex", "m/f", "geschlecht", "sexo", "sexe"),
    "site": (
        *("site", "localization", "localisation", "anatom_site_general", "anatom_site", "anatomical_site"),
        *("body_site", "location", "region", "body_region", "body_part", "lokalisation"),
    ),
    "skin-type": (
        *("skin_type", "fitzpatrick", "fitspatrick", "fitzpatrick_skin_type", "fitzpatrick_scale", "fst"),
        *("fitzpatrick_type", "skin_tone", "phototype"),
    ),
    "itch": ("itch", "itches", "itching", "itchy", "pruritus", "juckreiz", "juckt", "prurido", "coceira", "picor"),
    "grew": ("grew", "grown", "grows", "growing", "has_grown", "growth", "gewachsen", "cresceu", "creció"),
    "hurt": ("hurt", "hurts", "pain", "painful", "schmerz", "schmerzen", "dor", "dolor", "douleur"),
    "changed": ("changed", "has_changed", "changes", "changing", "verändert", "mudou", "cambió"),
    "bleed": ("bleed", "bleeds", "bleeding", "bled", "has_bled", "blutung", "blutet", "sangrou", "sangra"),
    "elevation": ("elevation", "elevated", "raised", "palpable", "erhaben", "relevo"),
    "diameter-mm": ("diameter_mm", "largest_diameter_mm", "size_mm", "width_mm", "clin_size_long_diam_mm"),
    "biopsied": ("biopsied", "biopsed", "biopsy"),
    "source": ("source", "dataset", "data_set"),
    "domain": ("domain", "image_type", "modality", "imaging_modality"),
}
"""What a column says of an image -> the names that it has in tables, the usual ones first."""


def spelled(name: str) -> str:
    """One spelling for ``Image ID``, ``ImageID`` and ``image_id``."""
    return re.sub(r"[\s_.-]+", "", name).casefold()


def named(role: str, columns: Iterable[str]) -> list[str]:
    """The columns that by their names say this of an image, the usual names first.

    >>> named("image", ["Dx", "File Name", "image_id"])
    ['image_id', 'File Name']
    """
    order = {spelled(name): number for number, name in reversed(list(enumerate(NAMES[role])))}
    return sorted((column for column in columns if spelled(column) in order), key=lambda column: order[spelled(column)])
