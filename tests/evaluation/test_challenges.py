"""Outside judges: the challenges' own headers, each probability in its place, every rule, scikit-learn's score."""

import csv

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from hierattn import metrics
from hierattn.errors import TableError, UsageError
from hierattn.evaluation.challenges import (
    CHALLENGES,
    find_challenge,
    ids_of,
    read_submission,
    score_submission,
    sums_of,
    write_submission,
)
from hierattn.evaluation.isic_form import read_isic_form
from hierattn.taxonomy.built_in import EIGHT, MALIGNANT_OR_BENIGN
from hierattn.taxonomy.records import LesionClass, Taxonomy

CODES = EIGHT.codes
HEADERS = {
    "isic2018": "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
    "isic2019": "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
    "isic2020": "image_name,target",
    "isic2024": "isic_id,target",
    "milk10k": "lesion_id,AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC",
}
"""As the challenges' own pages and sample submissions give them."""
SUMS = {
    "isic2018": {"AKIEC": ("ACK", "SCC"), "MEL": ("MEL",)},
    "isic2019": {"AK": ("ACK",), "SCC": ("SCC",), "UNK": ()},
    "isic2020": {"target": ("MEL",)},
    "isic2024": {"target": ("BCC", "MEL", "SCC")},
    "milk10k": {"AKIEC": ("ACK",), "SCCKA": ("SCC",), "INF": (), "MAL_OTH": (), "BEN_OTH": ()},
}


def answers(count, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(8, 0.3), count)


def files_of(name, count):
    if name == "milk10k":
        return [f"test/IL_{number // 2:07}/ISIC_{number:07}.jpg" for number in range(count)]
    return [f"ISIC_{number:07}.jpg" for number in range(count)]


@pytest.mark.parametrize("name", CHALLENGES)
def test_the_file_has_the_challenges_header_and_each_probability_in_its_place(name, tmp_path):
    given, files, path = answers(10), files_of(name, 10), tmp_path / "form.csv"
    rows = write_submission(path, find_challenge(name), files, given, EIGHT)
    text = path.read_text(encoding="utf-8").splitlines()
    assert text[0] == HEADERS[name]
    assert rows == len(text) - 1 == (5 if name == "milk10k" else 10)
    table = list(csv.DictReader(text))
    for column, codes in SUMS[name].items():
        wanted = sum((given[:, CODES.index(code)] for code in codes), np.zeros(10))
        wanted = wanted.reshape(5, 2).mean(axis=1) if name == "milk10k" else wanted
        np.testing.assert_allclose([float(row[column]) for row in table], wanted, atol=1e-12)
    if name not in ("isic2020", "isic2024"):
        total = np.sum([[float(value) for value in list(row.values())[1:]] for row in table], axis=1)
        np.testing.assert_allclose(total, 1, atol=1e-9)  # nothing of an answer is lost
    if name in ("isic2018", "isic2019"):
        assert read_isic_form(path).year == name[-4:]
    with pytest.raises(UsageError, match="replaces nothing"):
        write_submission(path, find_challenge(name), files, given, EIGHT)


def test_ids_are_the_challenges_and_each_stands_once():
    assert ids_of(find_challenge("isic2019"), ["a/ISIC_0034321.jpg", "ISIC_0000001_downsampled.jpg"]) == [
        "ISIC_0034321",
        "ISIC_0000001_downsampled",
    ]
    with pytest.raises(UsageError, match="have one id"):
        ids_of(find_challenge("isic2020"), ["a/ISIC_0034321.jpg", "b/ISIC_0034321.jpg"])
    with pytest.raises(UsageError, match="has no id of isic2024"):
        ids_of(find_challenge("isic2024"), ["photo.jpg"])
    with pytest.raises(UsageError, match="folder of its lesion"):
        ids_of(find_challenge("milk10k"), ["ISIC_0034321.jpg"])
    with pytest.raises(UsageError, match="isic2017"):
        find_challenge("isic2017")


def test_a_model_that_does_not_answer_the_question_is_refused():
    two = Taxonomy("two", (LesionClass("A", "alpha"), LesionClass("B", "beta")))
    with pytest.raises(UsageError, match="what is malignant"):
        sums_of(find_challenge("isic2024"), two)
    with pytest.raises(UsageError, match="answers A, B, which isic2019 has no column for"):
        sums_of(find_challenge("isic2019"), two)
    assert sums_of(find_challenge("isic2020"), MALIGNANT_OR_BENIGN)["target"] == tuple(MALIGNANT_OR_BENIGN.malignant)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ISIC_0000001,1.5", "2: a value outside 0 to 1"),
        ("ISIC_0000001,nan", "2: a value outside 0 to 1"),
        ("ISIC_1,0.5", "is no id of isic2020"),
        ("ISIC_0000001,0.5\nISIC_0000001,0.4", "3: ISIC_0000001 stands twice"),
        ("ISIC_0000001", "2: 1 values, wanted 2"),
        ("ISIC_0000001,much", "wanted numbers"),
    ],
)
def test_every_rule_is_checked_and_the_line_is_named(line, said, tmp_path):
    (tmp_path / "form.csv").write_text(f"image_name,target\n{line}\n", encoding="utf-8")
    with pytest.raises(TableError, match=said):
        read_submission(tmp_path / "form.csv", find_challenge("isic2020"))
    (tmp_path / "form.csv").write_text("image,target\n", encoding="utf-8")
    with pytest.raises(TableError, match="wanted image_name,target"):
        read_submission(tmp_path / "form.csv", find_challenge("isic2020"))


@pytest.mark.parametrize("name", ["isic2018", "isic2019"])
def test_the_score_is_scikit_learns_balanced_accuracy_on_the_rows_that_count(name, tmp_path):
    challenge, count = find_challenge(name), 60
    path, truth = tmp_path / "form.csv", tmp_path / "truth.csv"
    write_submission(path, challenge, files_of(name, count), answers(count), EIGHT)
    columns, rng = challenge.columns, np.random.default_rng(1)
    labels, counts = rng.integers(0, len(columns), count), rng.random(count) < 0.8
    weighted = name == "isic2019"
    lines = [",".join(("image", *columns, *(("score_weight", "validation_weight") if weighted else ())))]
    for row, label in enumerate(labels):
        values = [f"{float(place == label)}" for place in range(len(columns))]
        values += [f"{float(counts[row])}", "0.0"] if weighted else []
        lines.append(",".join((f"ISIC_{row:07}", *values)))
    truth.write_text("\n".join(lines) + "\n", encoding="utf-8")
    used = counts if weighted else np.ones(count, bool)
    predicted = np.array(list(read_submission(path, challenge).values())).argmax(axis=1)
    figure, rows = score_submission(path, truth, challenge)
    assert rows == used.sum()
    by_hand = np.mean([(predicted[used & (labels == each)] == each).mean() for each in np.unique(labels[used])])
    assert figure == pytest.approx(by_hand, abs=1e-12)
    present = used & np.isin(predicted, labels[used])  # scikit-learn warns of answers that are nobody's class
    again = read_submission(path, challenge)
    figure_of_present = metrics.balanced_accuracy(labels[present], np.array(list(again.values()))[present])
    assert figure_of_present == pytest.approx(balanced_accuracy_score(labels[present], predicted[present]), abs=1e-12)
    with pytest.raises(UsageError, match="not public"):
        score_submission(path, truth, find_challenge("milk10k"))
    one_hot = ",".join(["1.0", *["0.0"] * (len(columns) - 1)])
    strange = f"ISIC_9999999,{one_hot}" + (",1.0,0.0" if weighted else "")
    truth.write_text("\n".join([*lines, strange]) + "\n", encoding="utf-8")
    with pytest.raises(TableError, match="no answer to ISIC_9999999"):
        score_submission(path, truth, challenge)
