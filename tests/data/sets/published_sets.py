"""Tables of the published sets' own size and shape, generated, with the awkward rows that people report.

Every photograph is an empty file: readers look at names alone. Labels, lesions and patients are drawn so that the
totals are the published ones; what a set does not publish is drawn alike from a seed.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hierattn.data.prepared_set.folds import check_leaks, join_groups, make_folds
from hierattn.data.prepared_set.manifest import Record

WINDOWS = {"encoding": "utf-8-sig", "lineterminator": "\r\n"}


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=options.get("encoding", "utf-8")) as file:
        writer = csv.writer(file, lineterminator=options.get("lineterminator", "\n"))
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def touch(folder: Path, names: Iterable[str]) -> None:
    made: set[Path] = set()
    for name in names:
        path = folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.touch()


def drawn(counts: Mapping[str, int], seed: int = 0) -> list[str]:
    """Each label as often as it is counted, in any order."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    np.random.default_rng(seed).shuffle(labels)
    return labels


def folds_without_leaks(records: Sequence[Record], folds: int = 3) -> list[Record]:
    """Folds, proven here by other means than the package's own."""
    placed = make_folds(join_groups(records), folds, seed=0)
    check_leaks(placed)
    for kind in ("lesion", "patient"):
        found: dict[tuple[str, str], set[int]] = defaultdict(set)
        for record in placed:
            if value := getattr(record, kind):
                found[record.collection or record.source, value].add(record.fold)
        assert all(len(one) == 1 for one in found.values()), kind
    return placed


def isic2018(folder: Path, counts: Mapping[str, int], lesions: int = 7_470) -> list[str]:
    """Training part: half of the ids in the groupings are spelled with ``_downsampled``; the truth is in a folder."""
    labels = drawn(counts)
    names = [f"ISIC_{24_306 + number:07d}" for number in range(len(labels))]
    truth = folder / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    rows = (
        [name, *("1.0" if code == label else "0.0" for code in counts)]
        for name, label in zip(names, labels, strict=True)
    )
    write(truth, ["image", *counts], rows, **WINDOWS)
    lesion = [f"HAM_{number % lesions:07d}" for number in range(len(names))]
    groupings = (
        (name + "_downsampled" * (number % 2), lesion[number], "histopathology") for number, name in enumerate(names)
    )
    write(
        folder / "ISIC2018_Task3_Training_LesionGroupings.csv",
        ["image", "lesion_id", "diagnosis_confirm_type"],
        groupings,
    )
    touch(
        folder / "ISIC2018_Task3_Training_Input",
        (f"{name}.{'JPG' if k % 3 else 'jpg'}" for k, name in enumerate(names)),
    )
    return names


DIAGNOSES_2020 = {
    "unknown": 27_124, "nevus": 5_193, "melanoma": 584, "seborrheic keratosis": 135, "lentigo NOS": 44,
    "lichenoid keratosis": 37, "solar lentigo": 7, "cafe-au-lait macule": 1, "atypical melanocytic proliferation": 1,
}  # fmt: skip


def isic2020(folder: Path, patients: int = 2_056, duplicates: int = 425) -> list[str]:
    """33,126 rows of 2,056 patients; 425 photographs are there twice, 5 pairs under two patients; ages with ``.0``."""
    labels = drawn(DIAGNOSES_2020)
    names = [f"ISIC_{number * 7:07d}" for number in range(len(labels))]
    patient = [f"IP_{number % patients:07d}" for number in range(len(names))]
    pairs = [(names[2 * k], names[2 * k + (1 if k < 5 else patients)]) for k in range(duplicates)]
    place = {name: number for number, name in enumerate(names)}
    for first, second in pairs:  # copies have one diagnosis
        labels[place[second]] = labels[place[first]]
    rows = (
        (name, patient[k], f"IL_{k:07d}", ["male", "female", ""][k % 3], ["45.0", "", "NA"][k % 3],
         ["torso", "", " head/neck "][k % 3], label, *(("malignant", 1) if label == "melanoma" else ("benign", 0)))
        for k, (name, label) in enumerate(zip(names, labels, strict=True))
    )  # fmt: skip
    columns = ["image_name", "patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge",
               "diagnosis", "benign_malignant", "target"]  # fmt: skip
    write(folder / "ISIC_2020_Training_GroundTruth_v2.csv", columns, rows)
    write(folder / "ISIC_2020_Training_Duplicates.csv", ["image_name_1", "image_name_2"], pairs)
    touch(folder / "train", (f"{name}.jpg" for name in names))
    return names


def slice_3d(malignant: int, images: int, patients: int) -> Iterable[tuple[str, int, str, str, str]]:
    """isic_id, target, patient_id, lesion_id, iddx_1; one lesion in ten has an id, those that were biopsied."""
    step = images // malignant
    for number in range(images):
        target = int(number % step == 0 and number // step < malignant)
        lesion = f"IL_{number:07d}" if number % 10 == 0 else ""
        yield (
            f"ISIC_{number * 20:07d}",
            target,
            f"IP_{number % patients:07d}",
            lesion,
            "Malignant" if target else "Benign",
        )


def isic2024_kaggle(
    folder: Path, malignant: int = 393, images: int = 401_059, patients: int = 1_042, measured: int = 40
) -> int:
    """55 columns in one table, 40 of them the crop's own measures."""
    measures = [f"tbp_lv_{number}" for number in range(measured)]
    rows = (
        (isic_id, target, patient, "60.0", "male", "lower extremity", "3.04", "TBP tile: close-up", "3D: white",
         *("20.244422",) * len(measures), lesion, full, full, "", "", "")
        for isic_id, target, patient, lesion, full in slice_3d(malignant, images, patients)
    )  # fmt: skip
    columns = ["isic_id", "target", "patient_id", "age_approx", "sex", "anatom_site_general", "clin_size_long_diam_mm",
               "image_type", "tbp_tile_type", *measures, "lesion_id", "iddx_full",
               *(f"iddx_{level}" for level in range(1, 5))]  # fmt: skip
    write(folder / "train-metadata.csv", columns, rows)
    return images


MILK10K_LESIONS = {
    "AKIEC": 303, "BCC": 2_522, "BEN_OTH": 44, "BKL": 544, "DF": 52, "INF": 50, "MAL_OTH": 9, "MEL": 450, "NV": 746,
    "SCCKA": 473, "VASC": 47,
}  # fmt: skip


def milk10k(folder: Path) -> None:
    """10,480 photographs of 5,240 lesions, a folder a lesion; sites with underscores, skin tones from 0 to 5."""
    labels = drawn(MILK10K_LESIONS)
    lesions = [f"IL_{number:07d}" for number in range(len(labels))]
    truth = (
        [lesion, *("1" if code == label else "0" for code in MILK10K_LESIONS)]
        for lesion, label in zip(lesions, labels, strict=True)
    )
    write(folder / "MILK10k_Training_GroundTruth.csv", ["lesion_id", *MILK10K_LESIONS], truth)
    photographs = [
        (lesion, kind, f"ISIC_{2 * number + place:07d}")
        for number, lesion in enumerate(lesions)
        for place, kind in enumerate(("clinical: close-up", "dermoscopic"))
    ]
    rows = (
        (lesion, kind, isic_id, "MILK study team", "CC-BY-NC", "instrument only", "70" if number % 9 else "",
         "male", number % 6, "head_neck_face", "0.57")
        for number, (lesion, kind, isic_id) in enumerate(photographs)
    )  # fmt: skip
    columns = ["lesion_id", "image_type", "isic_id", "attribution", "copyright_license", "image_manipulation",
               "age_approx", "sex", "skin_tone_class", "site", "MONET_hair"]  # fmt: skip
    write(folder / "MILK10k_Training_Metadata.csv", columns, rows)
    of = dict(zip(lesions, labels, strict=True))
    full = {"NV": "Nevus", "MEL": "Melanoma in situ", "BCC": "Basal cell carcinoma"}
    supplement = ((isic_id, full.get(of[lesion], "Other, NOS"), "histopathology") for lesion, _, isic_id in photographs)
    write(
        folder / "MILK10k_Training_Supplement.csv", ["isic_id", "diagnosis_full", "diagnosis_confirm_type"], supplement
    )
    touch(folder / "MILK10k_Training_Input", (f"{lesion}/{isic_id}.jpg" for lesion, _, isic_id in photographs))


def bcn20000(folder: Path, images: int = 12_413, part: str = "train") -> None:
    """Codes of the eight, every hundredth row without one, some of a ninth class; several photographs a lesion."""
    codes = ["NV", "MEL", "BCC", "BKL", "AK", "SCC", "DF", "VASC"]
    label = ["" if k % 100 == 0 else "OOD" if k % 250 == 1 else codes[(k // 3) % 8] for k in range(images)]
    rows = (
        (f"BCN_{k:010d}.jpg", "55.0", "anterior torso", label[k], "nan" if k % 30 == 2 else f"BCN_{k // 3:07d}",
         "2012-05-16", "male", part)
        for k in range(images)
    )  # fmt: skip
    columns = [
        "bcn_filename",
        "age_approx",
        "anatom_site_general",
        "diagnosis",
        "lesion_id",
        "capture_date",
        "sex",
        "split",
    ]
    write(folder / f"bcn_20k_{part}.csv", columns, rows)
    touch(folder / f"BCN_20k_{part}" / f"bcn_20k_{part}", (f"BCN_{k:010d}.jpg" for k in range(images)))


DERM7PT = {
    "basal cell carcinoma": 42, "blue nevus": 28, "clark nevus": 399, "combined nevus": 13, "congenital nevus": 17,
    "dermal nevus": 33, "dermatofibroma": 20, "lentigo": 24, "melanoma": 1, "melanoma (in situ)": 64,
    "melanoma (less than 0.76 mm)": 102, "melanoma (0.76 to 1.5 mm)": 53, "melanoma (more than 1.5 mm)": 28,
    "melanoma metastasis": 4, "melanosis": 16, "miscellaneous": 8, "recurrent nevus": 6, "reed or spitz nevus": 79,
    "seborrheic keratosis": 45, "vascular lesion": 29,
}  # fmt: skip
"""1,011 cases; the atlas's words, and counts such as public code prints them."""


def derm7pt(folder: Path) -> None:
    """Paths in another letter case than the files', one clinical photograph for two cases of one ``case_id``."""
    labels = drawn(DERM7PT)
    cases = [
        (number, label, f"NEL/Nel{number:03d}.jpg", f"NEL/NEL{number:03d}_c.JPG")
        for number, label in enumerate(labels, 1)
    ]
    rows = (
        (f"{number}.0" if number % 2 else number, label, 3, "absent", "back", "female", clinic, derm,
         "A7" if number in (10, 500) else "", "")
        for number, label, derm, clinic in cases
    )  # fmt: skip
    columns = [
        "case_num",
        "diagnosis",
        "seven_point_score",
        "streaks",
        "location",
        "sex",
        "clinic",
        "derm",
        "case_id",
        "notes",
    ]
    write(folder / "meta" / "meta.csv", columns, rows, **WINDOWS)
    touch(folder / "images", (name.upper() for _, _, *both in cases for name in both))


def ph2(folder: Path) -> None:
    """80, 80 and 40; most histological cells are blank, and three masks lie beside each photograph."""
    codes = [0] * 80 + [1] * 80 + [2] * 40
    lines = [
        "PH2 dataset",
        "",
        "|| Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Streaks || Colors ||",
    ]
    for number, code in enumerate(codes, 1):
        histology = "Melanoma" if code == 2 and number % 2 else ""
        lines.append(f"|| IMD{number:03d} ||{histology:>23} ||{code:>19} ||  0 |  A ||  3  4 ||")
    lines += ["", "Legends:", "Clinical Diagnosis:", "      0 - Common Nevus;", "      2 - Melanoma."]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "PH2_dataset.txt").write_bytes("\r\n".join(lines).encode("latin-1"))
    for number in range(1, 201):
        name = f"IMD{number:03d}"
        place = folder / "PH2 Dataset images" / name
        touch(place, [f"{name}_Dermoscopic_Image/{name}.bmp", f"{name}_lesion/{name}_lesion.bmp"])
        if number % 4 == 0:
            touch(place, [f"{name}_roi/{name}_R1_Label4.bmp"])


def fitzpatrick17k(folder: Path, images: int = 16_577, conditions: int = 114) -> list[str]:
    """114 conditions; a fifth of the photographs are not there, some rows are wrongly labelled, -1 is no skin type."""
    partition = [
        ("malignant epidermal", "malignant"),
        ("benign dermal", "benign"),
        *[("inflammatory", "non-neoplastic")] * 5,
    ]
    hashes = [f"{number * 7919:032x}" for number in range(1, images + 1)]
    rows = (
        (name, [-1, 1, 2, 3, 4, 5, 6][k % 7], 1, f"condition {k % conditions}", *partition[k % conditions % 7],
         "3 Wrongly labelled" if k % 600 == 3 else "1 Diagnostic" if k % 600 == 4 else "",
         "" if k % 400 == 0 else f"https://example.org/{k}.jpg", f"httpsexampleorg{k}jpg.jpg")
        for k, name in enumerate(hashes)
    )  # fmt: skip
    columns = ["md5hash", "fitzpatrick_scale", "fitzpatrick_centaur", "label", "nine_partition_label",
               "three_partition_label", "qc", "url", "url_alphanum"]  # fmt: skip
    write(folder / "fitzpatrick17k.csv", columns, rows)
    touch(
        folder / "data" / "finalfitz17k",
        (f"httpsexampleorg{k}jpg.jpg" if k % 11 == 0 else f"{name}.jpg" for k, name in enumerate(hashes) if k % 5),
    )
    return hashes


def ddi(folder: Path) -> None:
    """656 rows in the older spelling of malignant; 208, 241 and 207 of each skin tone."""
    tones = drawn({"12": 208, "34": 241, "56": 207})
    answers = drawn({"1": 171, "0": 485}, seed=1)
    diseases = [
        "melanoma-in-situ",
        "basal-cell-carcinoma",
        "seborrheic-keratosis-irritated",
        "melanocytic-nevi",
        "wart",
    ]
    rows = (
        (k, k + 1, f"{k + 1:06d}.png", tones[k], answers[k], diseases[k % 2 if answers[k] == "1" else 2 + k % 3])
        for k in range(656)
    )
    write(folder / "ddi_metadata.csv", ["", "DDI_ID", "DDI_file", "skin_tone", "malignancy(malig=1)", "disease"], rows)
    touch(folder, (f"{k + 1:06d}.PNG" if k % 9 == 0 else f"{k + 1:06d}.png" for k in range(656)))


def scin(folder: Path, cases: int = 5_033, images: int = 10_408) -> None:
    """Cases of one to three photographs; 27 photographs are of two cases, some cases have no label or a tie."""
    conditions = ["Eczema", "Acne", "Urticaria", "Psoriasis", "Tinea", "Folliculitis", "Insect Bite", "Drug Rash"]
    many = images - 2 * cases
    rows, names, labels = [], [], []
    for number in range(cases):
        case = str((-1) ** number * (10**18 + number * 7_919))
        own = [f"dataset/images/{case}_{place}.png" for place in range(3 if number < many else 2)]
        if 0 < number <= 27:
            own[0] = rows[number - 1][4] if number % 2 else own[0]
        names += own
        paths = [*own, "", ""][:3]
        rows.append(
            (case, "SCIN", "AGE_18_TO_29" if number % 3 else "AGE_UNKNOWN", "FEMALE", *paths, "YES", "", "FST2")
        )
        name, other = conditions[number % 8], conditions[(number + 1) % 8]
        weights = f"{{'{name}': 0.69, '{other}': 0.31}}" if number % 50 else "{}"
        weights = f"{{'{name}': 0.5, '{other}': 0.5}}" if number % 50 == 7 else weights
        labels.append((case, weights, "FST3", "FST5" if number % 2 else "", ""))
    columns = ["case_id", "source", "age_group", "sex_at_birth", "image_1_path", "image_2_path", "image_3_path",
               "body_parts_arm", "body_parts_leg", "fitzpatrick_skin_type"]  # fmt: skip
    write(folder / "dataset" / "scin_cases.csv", columns, rows)
    skin = [f"dermatologist_fitzpatrick_skin_type_label_{number}" for number in (1, 2, 3)]
    write(folder / "dataset" / "scin_labels.csv", ["case_id", "weighted_skin_condition_label", *skin], labels)
    touch(folder, dict.fromkeys(names))


ARCHIVE_COLUMNS = (
    "isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general", "diagnosis_1", "diagnosis_2",
    "diagnosis_3", "image_manipulation", "image_type", "lesion_id", "patient_id", "sex",
)  # fmt: skip


def isic_archive(folder: Path, images: int = 80_000) -> None:
    """Two downloads: new columns in metadata.csv, old ones in another table, and what must be left out."""
    kinds = [
        ("Benign", "Benign melanocytic proliferations", "Nevus"),
        ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma Invasive"),
        ("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, Invasive"),
        ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
        ("Benign", "", ""),
    ]
    givers = ["Hospital Clínic de Barcelona", "ViDIR Group, Medical University of Vienna", "Anonymous"]
    new = (
        (f"ISIC_{k:07d}", givers[k % 3], ["CC-BY-NC", "CC-0"][k % 2], ["60.0", "", "85+"][k % 3], " head/neck",
         *kinds[k % 5],
         "synthetic" if k % 1000 == 5 else "instrument only",
         "RCM: mosaic" if k % 1000 == 6 else ["dermoscopic", "clinical: close-up", "TBP tile: close-up"][k % 3],
         "" if k % 4 else f"IL_{k // 8:07d}", f"IP_{k // 40:07d}", ["male", "female", ""][k % 3])
        for k in range(images)
    )  # fmt: skip
    write(folder / "metadata.csv", ARCHIVE_COLUMNS, new)
    old = (
        (f"ISIC_{k:07d}", "MSK", "CC-0", "45", ["nevus", "melanoma", ""][k % 3],
         ["benign", "malignant", "indeterminate"][k % 3],
         "dermoscopic")
        for k in range(images, images + 3_000)
    )  # fmt: skip
    columns = [
        "isic_id",
        "attribution",
        "copyright_license",
        "age_approx",
        "diagnosis",
        "benign_malignant",
        "image_type",
    ]
    write(folder / "metadata_old.csv", columns, old)
    ending = ["", "", "_downsampled"]
    touch(folder, (f"ISIC_{k:07d}{ending[k % 3]}.jpg" for k in range(images + 3_000)))
