"""Labels become classes, and what can be no class is one line."""

from __future__ import annotations

import pytest

from hierattn.data.any_table.labels import Labels, read_labels
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy


def read(values: list[str], taxonomy: Taxonomy | None = None, column: str = "dx") -> Labels:
    labels = read_labels("t.csv, column dx", values, taxonomy, column, "table")
    assert len(labels.codes) == len(values)
    assert not any("\n" in problem for problem in labels.problems)
    return labels


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["Melanoma", " melanoma ", "MEL", "naevus", "NV"], ["MEL", "MEL", "MEL", "NV", "NV"]),
        (["Eczema", "eczema", "psoriasis"], ["Eczema", "Eczema", "psoriasis"]),
        (["benign", "Malignant"], ["benign", "malignant"]),
        (["MEL", "", "nan", "NV", "unknown"], ["MEL", "", "", "NV", ""]),
        (["grade 1.0", "grade 2"], ["grade_1_0", "grade_2"]),
    ],
)
def test_spellings_of_one_label_are_one_class_and_blanks_are_none(values, codes):
    assert read(values).codes == codes
    assert not read(values).problems


@pytest.mark.parametrize(("column", "codes"), [("target", ["benign", "malignant"]), ("melanoma", ["other", "MEL"])])
@pytest.mark.parametrize("values", [["0", "1"], ["0.0", "1.0"]])
def test_zeros_and_ones_are_what_their_column_says(values, column, codes):
    assert read(values, column=column).codes == codes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["0", "1", "2"], "numbers for labels (0, 1, 2) and nothing says"),
        (["0", "1"], "numbers for labels"),
        (["", "NA"], "no label in any of 2 rows"),
        (["MEL", "MEL"], "one class alone (MEL)"),
        (["eczema", "eczema"], "1 different labels"),
        (["MEL", "NV", "MEL|NV"], "several labels in one cell in 1 rows (for example 'MEL|NV')"),
        (["a", "b", "a; b", "b, a"], "several labels in one cell in 2 rows"),
        (["['Eczema', 'Psoriasis']", "['Eczema']"], "several labels in one cell"),
        ([f"a note {k}" for k in range(40)], "40 different values in 40 rows"),
        ([f"c{k}" for k in range(1200) for _ in range(3)], "1200 different values"),
        ([f"{k / 7:.3f}" for k in range(40)], "40 different values"),
    ],
)
def test_what_can_be_no_classes_is_one_line(values, words):
    (problem,) = read(values).problems
    assert problem.startswith("t.csv, column dx")
    assert words in problem


@pytest.mark.parametrize(
    "value",
    ["actinic keratosis and intraepithelial carcinoma", "nevus, dysplastic", "lentigo/other", "eczema (atopic)"],
)
def test_a_name_with_a_separator_is_one_label(value):
    assert not read([value, value, "psoriasis", "acne", "MEL"]).problems


def test_the_users_own_classes_decide_even_on_numbers_and_unknown():
    own = Taxonomy(
        "own", (LesionClass("NV", aliases=("0",)), LesionClass("MEL", aliases=("1",)), LesionClass("unknown"))
    )
    assert read(["0", "1.0", "unknown", ""], own).codes == ["NV", "MEL", "unknown", ""]
    (problem,) = read(["0", "1", "meln", "meln"], own).problems
    assert "no class of the taxonomy own: 'meln' in 2 rows" in problem
    assert "is 'meln' MEL?" in problem


def test_the_account_says_which_label_means_what_and_in_how_many_rows():
    labels = read(["Melanoma", "mel", "mel", "nevus", "-"])
    assert labels.taxonomy == EIGHT
    assert labels.spellings == {"MEL": {"Melanoma": 1, "mel": 2}, "NV": {"nevus": 1}}
    assert labels.without == {"-": 1}
