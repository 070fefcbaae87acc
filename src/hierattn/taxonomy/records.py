"""A list of classes as a record that travels: prepared set, checkpoint, bundle, report, advice, web app, service.

Everything that knows a class's name, colour or meaning has it from the :class:`Taxonomy` of what it reads. An image has
one class: a taxonomy for several labels an image is not supported.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.colours import COLOUR, colours_for
from hierattn.taxonomy.questions import Question
from hierattn.taxonomy.spelling import readings, spelled

Malignancy = Literal["malignant", "pre-malignant", "benign", "unknown"]
MALIGNANCIES: tuple[Malignancy, ...] = get_args(Malignancy)

FEWEST, MOST = 2, 1000
"""Classes of a taxonomy."""

LONGEST_CODE, LONGEST_TEXT, MOST_ALIASES = 40, 200, 200
"""Characters of a code, and of any other text; further names of a class."""

CODE_RULE = f"1 to {LONGEST_CODE} letters or digits of any script, and _ or - after the first"
_COLUMNS = (
    *("image", "label", "lesion", "patient", "group", "fold", "role", "parent", "source", "domain", "licence"),
    *("age", "sex", "site", "skin_type", "width", "height", "sha256"),
    *("itch", "grew", "hurt", "changed", "bleed", "elevation", "diameter_mm", "biopsied"),
)
_DEVICES = ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
RESERVED_CODES = frozenset((*_COLUMNS, *_DEVICES))
"""Codes that no class may have, in lower case: columns of our tables, and names that no file may have on Windows."""

NO_REFERRAL = "Nothing is said of which classes need a doctor, so there is no risk, no threshold and no advice."
"""The sentence of whatever shows a diagnosis or a report of a taxonomy without referral."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class LesionClass:
    """One class.

    Attributes
    ----------
    code
        What tables, files and models call it, e.g. ``"MEL"``: :data:`CODE_RULE`, and none of :data:`RESERVED_CODES`.
        Safe as a file's name, a CSV column and a JSON key.
    name
        The clinical name; empty: the code.
    aliases
        Further names of the class, or of a diagnosis that is counted to it; American spelling, singular. They are
        looked up by :meth:`Taxonomy.code_of`.
    malignancy
        ``malignant``, ``pre-malignant`` (actinic keratosis can become squamous cell carcinoma), ``benign``, or
        ``unknown`` where nothing is said.
    refer
        Whether the class belongs to the group that a doctor must see. None: nothing is said.
    plain
        Language (``en``, ``pt``, ``zh-Hans``) -> what it is, in a few words for a patient.
    colour, colour_dark
        In figures, ``#rrggbb``, on a light and on a dark page; empty: chosen by the taxonomy.
    gathers
        Classes of a finer taxonomy with this malignancy are counted to this one, where no name says otherwise: how
        ``benign`` takes all that is benign (mapping.py).

    Raises
    ------
    TaxonomyError
        For a value that is not allowed; names the class and the key.
    """

    code: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    malignancy: Malignancy = "unknown"
    refer: bool | None = None
    plain: Mapping[str, str] = field(default_factory=dict, hash=False)
    colour: str = ""
    colour_dark: str = ""
    gathers: tuple[Malignancy, ...] = ()

    def __post_init__(self) -> None:
        """Check every value; of whatever type, as files give it."""
        values: dict[str, Any] = vars(self)
        aliases, refer, plain, gathers = (values[key] for key in ("aliases", "refer", "plain", "gathers"))
        if objection := code_objection(self.code):
            raise TaxonomyError(f"class code {_short(self.code)}: {objection}")
        object.__setattr__(self, "code", unicodedata.normalize("NFC", self.code))
        object.__setattr__(self, "name", self._text("name", self.name or self.code))
        if not isinstance(aliases, list | tuple) or len(aliases) > MOST_ALIASES:
            raise self._error("aliases", aliases, f"a list of at most {MOST_ALIASES} names")
        object.__setattr__(self, "aliases", tuple(self._text("aliases", alias) for alias in aliases))
        if self.malignancy not in MALIGNANCIES:
            raise self._error("malignancy", self.malignancy, f"one of {', '.join(MALIGNANCIES)}")
        if not (refer is None or isinstance(refer, bool)):
            raise self._error("refer", refer, "true, false, or no such key")
        if not isinstance(plain, Mapping):
            raise self._error("plain", plain, 'words by language, e.g. plain.en = "ordinary mole"')
        for language, words in plain.items():
            if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
                raise self._error("plain", language, "a language such as en, pt or zh-Hans")
            self._text(f"plain.{language}", words)
        object.__setattr__(self, "plain", dict(plain))
        for key in ("colour", "colour_dark"):
            if getattr(self, key) and not (
                isinstance(getattr(self, key), str) and COLOUR.fullmatch(getattr(self, key))
            ):
                raise self._error(key, getattr(self, key), 'six hexadecimal digits such as "#d55e00"')
        if not isinstance(gathers, list | tuple) or any(each not in MALIGNANCIES for each in gathers):
            raise self._error("gathers", gathers, f"a list of {', '.join(MALIGNANCIES)}")
        object.__setattr__(self, "gathers", tuple(gathers))

    def _text(self, key: str, value: Any) -> str:
        """A text that is fit for a table's cell and one line of a page, with single blanks."""
        text = unicodedata.normalize("NFC", " ".join(value.split())) if isinstance(value, str) else ""
        if not text or len(text) > LONGEST_TEXT or not is_plain_text(text):
            raise self._error(key, value, f"a text of 1 to {LONGEST_TEXT} characters in one line")
        return text

    def _error(self, key: str, value: Any, wanted: str) -> TaxonomyError:
        return TaxonomyError(f"class {self.code}: {key} is {_short(value)}: wanted {wanted}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is not said."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: value for key, value in values.items() if value not in ("", [], {}, None)}

    @classmethod
    def from_dict(cls, values: Any) -> LesionClass:
        """The inverse of :meth:`to_dict`.

        Raises
        ------
        TaxonomyError
            For a missing or unknown key, or a value that is not allowed.
        """
        known = [entry.name for entry in fields(cls)]
        if not isinstance(values, Mapping) or "code" not in values:
            raise TaxonomyError(
                f"class {_short(values)}: wanted a table with a code, and any of {', '.join(known[1:])}"
            )
        if unknown := [key for key in values if key not in known]:
            raise TaxonomyError(
                f"class {_short(values['code'])}: unknown key {_short(unknown[0])}: wanted any of {', '.join(known)}"
            )
        return cls(**values)


@dataclass(frozen=True)
class Taxonomy:
    """Classes, in the order of every probability vector.

    Attributes
    ----------
    name
        E.g. ``"ham10000"`` or a clinic's; shown to people.
    classes
        2 to 1000, each with a colour: one that gives none is given one.
    questions
        What is asked beside the photograph: of a prepared set, what its columns can answer; of a network, what it
        reads. Two taxonomies of the same classes are equal, whatever they ask.

    Raises
    ------
    TaxonomyError
        For too few or too many classes, two with one code (whatever the letter case) or one name, or where some say
        ``refer`` and others do not; for a question that comes twice.
    """

    name: str
    classes: tuple[LesionClass, ...]
    questions: tuple[Question, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Check the classes against one another, and give colours."""
        given_name: Any = self.name
        name = " ".join(given_name.split()) if isinstance(given_name, str) else ""
        if not name or len(name) > LONGEST_TEXT or not is_plain_text(name):
            raise TaxonomyError(f"name is {_short(self.name)}: wanted a text of 1 to {LONGEST_TEXT} characters")
        object.__setattr__(self, "name", unicodedata.normalize("NFC", name))
        if not FEWEST <= len(self.classes) <= MOST:
            raise TaxonomyError(f"{len(self.classes)} classes: wanted {FEWEST} to {MOST}")
        seen: dict[str, str] = {}
        for each in self.classes:
            if other := seen.get(each.code.casefold()):
                raise TaxonomyError(
                    f"classes {other} and {each.code}: wanted codes that differ, not in letter case alone"
                )
            seen[each.code.casefold()] = each.code
        _ = self._code_of_name
        if len({question.name for question in self.questions}) < len(self.questions):
            raise TaxonomyError("a question comes twice: wanted each once")
        silent = [each.code for each in self.classes if each.refer is None]
        if silent and len(silent) < len(self.classes):
            raise TaxonomyError(
                f"{_few(silent)} of {len(self.classes)} classes do not say refer, and the others do: wanted refer = "
                "true or false for every class, or for none (then there is no advice)"
            )
        given = [(each.colour, each.colour_dark) for each in self.classes]
        object.__setattr__(
            self,
            "classes",
            tuple(
                each if each.colour and each.colour_dark else replace(each, colour=light, colour_dark=dark)
                for each, (light, dark) in zip(self.classes, colours_for(given), strict=True)
            ),
        )

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The codes, in order."""
        return tuple(each.code for each in self.classes)

    @cached_property
    def by_code(self) -> dict[str, LesionClass]:
        """Code -> class, in order."""
        return {each.code: each for each in self.classes}

    @cached_property
    def malignant(self) -> frozenset[str]:
        """The classes that are cancer: the cancer AUC counts these, and no pre-malignant ones.

        Empty where any class does not say its malignancy: cancer against all others would then mean nothing.
        """
        if any(each.malignancy == "unknown" for each in self.classes):
            return frozenset()
        return frozenset(each.code for each in self.classes if each.malignancy == "malignant")

    @cached_property
    def triage_group(self) -> frozenset[str]:
        """The classes that a doctor must see (§5 of the paper); empty where nothing is said."""
        return frozenset(each.code for each in self.classes if each.refer)

    @property
    def has_referral(self) -> bool:
        """Whether it says which classes a doctor must see. Otherwise there is no risk, threshold or advice."""
        return bool(self.triage_group)

    def code_of(self, name: str) -> str | None:
        """The code for what people call a class: a code, name or alias, in British or American spelling, singular or
        plural, numbered or not; None if unknown. Several names of one class may follow each other.

        >>> from hierattn.taxonomy.built_in import EIGHT
        >>> [EIGHT.code_of(name) for name in ("akiec", "Basal_Cell_Carcinoma", "02 SEK", "naevi (nv)", "eczema")]
        ['ACK', 'BCC', 'BKL', 'NV', None]
        """
        return next(filter(None, (self._code_of_words(reading.split(" ")) for reading in readings(name))), None)

    def _code_of_words(self, words: Sequence[str]) -> str | None:
        """The class that all of the names mean."""
        if code := self._code_of_name.get(" ".join(words)):
            return code
        for length in range(1, len(words)):
            code = self._code_of_name.get(" ".join(words[:length]))
            if code and code == self._code_of_words(words[length:]):
                return code
        return None

    @cached_property
    def _code_of_name(self) -> dict[str, str]:
        codes: dict[str, str] = {}
        for each in self.classes:
            for name in (each.code, each.name, *each.aliases):
                if codes.setdefault(spelled(name), each.code) != each.code:
                    raise TaxonomyError(
                        f"classes {codes[spelled(name)]} and {each.code} both have the name {name!r}: wanted each name "
                        "in one class, whatever its letter case, blanks or plural"
                    )
        return codes

    def nearest(self, name: str, likeness: float = 0.6) -> str | None:
        """The code of the class that has the name most like this one; None where none is as like as that (0 to 1).

        >>> from hierattn.taxonomy.built_in import EIGHT
        >>> EIGHT.nearest("Melanmoa"), EIGHT.nearest("eczema", 0.8)
        ('MEL', None)
        """
        near = difflib.get_close_matches(spelled(name), self._code_of_name, n=1, cutoff=likeness)
        return self._code_of_name[near[0]] if near else None

    def subset(self, codes: Iterable[str]) -> Taxonomy:
        """The classes with these codes, in their order.

        Raises
        ------
        TaxonomyError
            For a code that it does not have, or one that comes twice.
        """
        wanted = tuple(codes)
        if unknown := [code for code in wanted if code not in self.by_code]:
            raise TaxonomyError(
                f"no class {_few(unknown)} in the taxonomy {self.name}: wanted some of {_few(self.codes)}"
            )
        if wanted == self.codes:
            return self
        return replace(self, classes=tuple(self.by_code[code] for code in wanted))

    def asking(self, questions: Iterable[Question]) -> Taxonomy:
        """The same classes with these questions."""
        return replace(self, questions=tuple(questions))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for TOML and JSON; ``questions`` only where there are some."""
        asked = {"questions": [question.to_dict() for question in self.questions]} if self.questions else {}
        return {"name": self.name, "classes": [each.to_dict() for each in self.classes], **asked}

    @classmethod
    def from_dict(cls, values: Any) -> Taxonomy:
        """The inverse of :meth:`to_dict`.

        Raises
        ------
        TaxonomyError
            For a missing or unknown key, or a value that is not allowed.
        """
        if not isinstance(values, Mapping) or set(values) - {"questions"} != {"name", "classes"}:
            keys = ", ".join(map(str, values)) if isinstance(values, Mapping) else _short(values)
            raise TaxonomyError(
                f"a taxonomy has {keys[:120] or 'nothing'}: wanted a name and [[classes]], perhaps [[questions]], "
                "nothing else"
            )
        if not isinstance(values["classes"], list | tuple):
            raise TaxonomyError(f"classes is {_short(values['classes'])}: wanted one [[classes]] table a class")
        asked = values.get("questions", ())
        if not isinstance(asked, list | tuple):
            raise TaxonomyError(f"questions is {_short(asked)}: wanted one [[questions]] table a question")
        classes = tuple(LesionClass.from_dict(each) for each in values["classes"])
        return cls(values["name"], classes, tuple(Question.from_dict(each) for each in asked))


def code_objection(code: Any) -> str:
    """What is wrong with a code; empty where it is allowed.

    >>> code_objection("MEL"), code_objection("=1+2")
    ('', 'wanted 1 to 40 letters or digits of any script, and _ or - after the first')
    """
    if not isinstance(code, str) or not 1 <= len(code) <= LONGEST_CODE:
        return f"wanted {CODE_RULE}"
    if not code[0].isalnum() or not all(is_letter(character) or character in "_-" for character in code):
        return f"wanted {CODE_RULE}"
    if code.casefold() in RESERVED_CODES:
        return "this name is a column of our tables, or not allowed as a file's name: choose another"
    return ""


def is_letter(character: str) -> bool:
    """A letter, a digit, or a mark that a script writes with its letters."""
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")


def is_plain_text(text: str) -> bool:
    """Whether a text has no control, half or unassigned character, and none that turns the direction of writing."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") or character in _TURNS for character in text
    )


_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _short(value: Any) -> str:
    """A value in an error's line."""
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(text) if isinstance(value, str) else text


def _few(names: Sequence[str], shown: int = 12) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
