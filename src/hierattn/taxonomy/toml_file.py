"""``taxonomy.toml``: a user's own classes, read strictly; the same file with comments, to be edited."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hierattn.errors import TaxonomyError, UsageError
from hierattn.files import write_text
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT
from hierattn.taxonomy.from_labels import OWN, Own
from hierattn.taxonomy.questions import UNKNOWN
from hierattn.taxonomy.records import CODE_RULE, FEWEST, MALIGNANCIES, MOST, LesionClass, Taxonomy

LARGEST_FILE = 16 * 1024**2
"""Bytes; a thousand classes with many names take about one million."""

_HEAD = f"""\
# The classes, in the order of the model's probabilities: {FEWEST} to {MOST} of them, one class an image.
#   code        what tables, files and models call it: {CODE_RULE}
#   name        the clinical name
#   aliases     further names: of folders, of tables, of diagnoses that are counted to the class
#   malignancy  one of {", ".join(MALIGNANCIES)}
#   refer       true where a doctor must see the lesion, else false; for every class or for none.
#               Without it there is no threshold and no advice: probabilities alone
#   plain.en    a few words for a patient, also plain.pt, plain.zh ...
#   colour, colour_dark   in figures, on a light and on a dark page
"""
_ASKED = f"""
# What may be asked beside the photograph, in the columns of the manifest. An empty cell is {UNKNOWN}.
#   name          of the column
#   values        allowed answers of a choice; words.en what a patient reads, in the same order
#   least, most   of a number, in unit; step: the network interpolates between points so far apart
#   ask.en        the question, in a patient's words"""


def read_taxonomy(path: Path) -> Taxonomy:
    """A taxonomy file.

    Raises
    ------
    TaxonomyError
        Where it is no such file, or a value in it is not allowed; names the file, the class and the key.
    """
    try:
        size = path.stat().st_size
        if path.is_file() and size > LARGEST_FILE:
            raise TaxonomyError(f"{path} has {size:,} bytes: wanted a taxonomy, at most {LARGEST_FILE:,}")
        text = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
        values = tomllib.loads(text.replace("\r\n", "\n"))
    except FileNotFoundError:
        raise TaxonomyError(f"no taxonomy at {path}: wanted a .toml file; check the path") from None
    except OSError as error:
        raise TaxonomyError(f"{path} cannot be read ({error.strerror}): wanted a taxonomy, a .toml file") from None
    except (ValueError, RecursionError) as error:  # of TOML and of UTF-8
        raise TaxonomyError(f"{path} is not TOML ({' '.join(str(error).split())}): correct it there") from None
    try:
        return Taxonomy.from_dict(values)
    except TaxonomyError as error:
        raise TaxonomyError(f"{path}: {error}") from None


def find_taxonomy(name_or_path: str) -> Taxonomy:
    """A built-in taxonomy by its name, or one of a file.

    Raises
    ------
    UsageError
        For what is neither a name nor a file.
    TaxonomyError
        As :func:`read_taxonomy`.

    >>> find_taxonomy("melanoma").codes
    ('other', 'MEL')
    """
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise UsageError(f"no taxonomy {name_or_path!r}: wanted {', '.join(BUILT_IN)}, or the path of a .toml file")
    return read_taxonomy(path)


def classes_asked(word: str) -> Taxonomy | Own | None:
    """What ``prepare --taxonomy`` asks for: as :func:`find_taxonomy`; ``own``; None for an empty word."""
    return OWN if word == OWN else find_taxonomy(word) if word else None


def write_taxonomy(path: Path, taxonomy: Taxonomy, *, template: bool = False) -> None:
    """Write a taxonomy file, whole or not at all. As a template, what is not said yet stands there as a comment."""
    write_text(path, taxonomy_text(taxonomy, template=template))


def taxonomy_text(taxonomy: Taxonomy, *, template: bool = False) -> str:
    """The content of :func:`write_taxonomy`'s file; :func:`read_taxonomy` gives back the same taxonomy."""
    lines = [_HEAD, f"name = {_value(taxonomy.name)}"]
    for each in taxonomy.classes:
        lines += ["", "[[classes]]", *_key_values(each.to_dict())]
        lines += _suggestions(each) if template else []
    lines += [_ASKED] if taxonomy.questions else []
    for question in taxonomy.questions:
        lines += ["", "[[questions]]", *_key_values(question.to_dict())]
    return "\n".join(lines) + "\n"


def _key_values(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from (f"{key}.{language} = {_value(words)}" for language, words in value.items())
        else:
            yield f"{key} = {_value(value)}"


def _suggestions(each: LesionClass) -> Iterator[str]:
    """What could be said, as comments: of a class that is one of the eight, what is known of that."""
    known = EIGHT.by_code.get(EIGHT.code_of(each.name) or "")
    if each.malignancy == "unknown" and known is not None:
        yield f"# malignancy = {_value(known.malignancy)}  # instead of the line above: what is known of {known.name}"
    if each.refer is None:
        yield f"# refer = {'' if known is None else _value(known.refer)}  # true or false, for every class or for none"
    if not each.aliases:
        yield '# aliases = ["another name"]'
    if not each.plain:
        yield '# plain.en = "in a few words for a patient"'


def _value(value: Any) -> str:
    """A TOML value; JSON writes texts, booleans and lists of texts in the same way."""
    return json.dumps(value, ensure_ascii=False)
