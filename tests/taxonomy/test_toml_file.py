import pytest

from hierattn.errors import TaxonomyError, UsageError
from hierattn.taxonomy.built_in import BUILT_IN
from hierattn.taxonomy.from_labels import from_labels
from hierattn.taxonomy.records import LesionClass, Taxonomy
from hierattn.taxonomy.toml_file import find_taxonomy, read_taxonomy, write_taxonomy

AWKWARD = Taxonomy(
    'a "clinic" \\ Nr. 1',
    (
        LesionClass(
            "湿疹", "湿疹 (eczema)", ('with "quotes"', "back\\slash"), plain={"zh-Hans": "湿疹", "en": "a = b # c"}
        ),
        LesionClass("ß", colour="#ABCDEF"),
    ),
)


@pytest.mark.parametrize("template", [False, True])
@pytest.mark.parametrize(
    "known",
    [*BUILT_IN.values(), AWKWARD, from_labels(f"class {number}" for number in range(1000))],
    ids=[*BUILT_IN, "awkward", "thousand"],
)
def test_what_is_written_is_read_again(tmp_path, known, template):
    path = tmp_path / "taxonomy.toml"
    write_taxonomy(path, known, template=template)
    assert read_taxonomy(path) == known
    assert find_taxonomy(str(path)) == known


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_of_windows_editors_are_read(tmp_path, mark, ending):
    path = tmp_path / "taxonomy.toml"
    text = 'name = "own"\n[[classes]]\ncode = "A"\nrefer = true\n[[classes]]\ncode = "B"\nrefer = false\n'
    path.write_bytes((mark + text.replace("\n", ending)).encode())
    assert read_taxonomy(path).triage_group == {"A"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nothing"),
        (b"\xff\xfe\x00", "not TOML"),
        (b"name = \n", "line 1"),
        (b'name = "x"\n', "wanted a name and"),
        (b'name = "x"\nclasses = 3\n', "[[classes]]"),
        (b'name = "x"\n[[classes]]\ncode = "A"\n[[classes]]\ncode = "B"\nmalignancy = "bad"\n', "class B: malignancy"),
        (b'name = "x"\n[[classes]]\ncode = "A"\nrefer = \n', "line 4"),
        (b"a = " + b"[" * 100_000, "not TOML"),
    ],
)
def test_a_file_that_is_none_has_one_line_with_its_name(tmp_path, content, said):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(TaxonomyError) as error:
        read_taxonomy(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(TaxonomyError, match=tmp_path.name):
            read_taxonomy(path)
        with pytest.raises(UsageError, match="isic2018"):
            find_taxonomy(str(path))


def test_the_template_says_what_is_known_of_a_class_and_asks_for_the_rest(tmp_path):
    path = tmp_path / "taxonomy.toml"
    write_taxonomy(path, from_labels(["Melanoma", "psoriasis"]), template=True)
    text = path.read_text(encoding="utf-8")
    assert '# malignancy = "malignant"' in text
    assert "# refer = true" in text
    assert "# refer =   # true or false" in text
    assert not read_taxonomy(path).has_referral


def test_a_template_with_its_lines_uncommented_is_read(tmp_path):
    path = tmp_path / "taxonomy.toml"
    write_taxonomy(path, from_labels(["eczema", "psoriasis"]), template=True)
    edited = path.read_text(encoding="utf-8").replace("# refer = ", "refer = false")
    path.write_text(
        edited.replace("# plain.en", "plain.en").replace("refer = false", "refer = true", 1), encoding="utf-8"
    )
    assert read_taxonomy(path).triage_group == {"eczema"}
