"""What a doctor asks about a spot, as a record that travels beside the classes: columns, allowed values, words, codes.

One owner for all of it: the prepared set's columns of these names, the network's input, the command line's
``--answer``, the service and the web app read the same records. "I don't know" is an answer of its own to every
question, the one that stands where nothing is said, and its code is 0.

Not asked, though tables have it: whether the home has piped water or a sewer, pesticides, where the parents come from,
tobacco and alcohol. No patient should have to say these for a photograph to be judged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hierattn.errors import TaxonomyError, UsageError

UNKNOWN = "unknown"
"""What a person says for "I don't know"; tables leave the cell empty."""
LANGUAGES = ("en", "pt", "zh")
MOST_POINTS, LONGEST_TEXT = 100, 200
"""Known answers of one question, and characters of a text: files from elsewhere are read here, and in the web app."""


@dataclass(frozen=True)
class Question:
    """One question: a choice among values, or a number.

    Attributes
    ----------
    name
        Of the manifest's column and of the answer: ``"grew"``. One of :data:`QUESTIONS`.
    ask
        Language -> the question, in a patient's words.
    values
        What may be answered, in the order of the codes from 1; empty for a number.
    words
        Language -> the values in a patient's words, in their order; empty for a number.
    least, most, step
        Of a number: its range, and how far apart the points are between which the network interpolates.
    unit
        Of a number.
    """

    name: str
    ask: Mapping[str, str] = field(default_factory=dict, hash=False)
    values: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    least: float = 0.0
    most: float = 0.0
    step: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        object.__setattr__(self, "words", {language: tuple(words) for language, words in self.words.items()})
        numbers: tuple[Any, ...] = (self.least, self.most, self.step)  # of whatever type, as files give it
        ranged = all(isinstance(value, int | float) and math.isfinite(value) for value in numbers)
        if not self.values and not (ranged and 0 <= self.least < self.most and self.step > 0):
            raise self._error("neither values nor a range (least, most, step)")
        if len(set(self.values)) < len(self.values) or UNKNOWN in self.values or not all(self.values):
            raise self._error(f"the values {', '.join(map(repr, self.values[:20]))}: wanted each once, none {UNKNOWN}")
        if self.points > MOST_POINTS:
            raise self._error(f"{self.points:,} answers: wanted at most {MOST_POINTS}")
        if any(len(words) != len(self.values) for words in self.words.values()):
            raise self._error(f"words for other than its {len(self.values)} values")

    def _error(self, problem: str) -> TaxonomyError:
        return TaxonomyError(f"question {self.name!r} has {problem}")

    @property
    def is_choice(self) -> bool:
        """Whether it is answered by one of its values; else by a number."""
        return bool(self.values)

    @property
    def points(self) -> int:
        """Known answers that the network has a value of its own for: codes 1 to this."""
        return len(self.values) if self.is_choice else math.floor((self.most - self.least) / self.step) + 1

    @property
    def wanted(self) -> str:
        """The allowed answers, in words for an error."""
        if self.is_choice:
            return f"{', '.join(self.values)} or {UNKNOWN}"
        return f"a number from {self.least:g} to {self.most:g}{self.unit and ' ' + self.unit}, or {UNKNOWN}"

    def value_of(self, text: str) -> str | None:
        """The allowed answer that a text means: empty for "I don't know", None for what is no answer.

        >>> GREW.value_of("Yes"), GREW.value_of("unknown"), GREW.value_of("a bit"), AGE.value_of("54.0")
        ('yes', '', None, '54')
        """
        plain = " ".join(text.replace("_", " ").casefold().split())
        if plain in ("", UNKNOWN):
            return ""
        if self.name == "skin_type" and (match := _SKIN_TYPE.fullmatch(plain)):
            plain = _ROMAN.get(match[1], match[1])
        if self.is_choice:
            own = {value.replace("_", " "): value for value in self.values}
            alias = _SYNONYMS.get(self.name, {}).get(plain, plain).replace("_", " ")
            return own.get(plain, own.get(alias))
        try:
            number = float(plain.replace(",", "."))
        except ValueError:
            return None
        return f"{number:g}" if self.least <= number <= self.most else None

    def code(self, value: str) -> float:
        """The network's number for a value of :meth:`value_of`: 0 for "I don't know".

        A choice is its place from 1; a number v lies at 1 + (v - least) / step.

        >>> GREW.code(""), GREW.code("yes"), AGE.code("30")
        (0.0, 1.0, 2.5)
        """
        if not value:
            return 0.0
        if self.is_choice:
            return 1.0 + self.values.index(value)
        return min(1.0 + (float(value) - self.least) / self.step, float(self.points))

    def only(self, values: Iterable[str]) -> Question:
        """The same question with some of its values."""
        kept = [place for place, value in enumerate(self.values) if value in set(values)]
        words = {language: tuple(said[place] for place in kept) for language, said in self.words.items()}
        return replace(self, values=tuple(self.values[place] for place in kept), words=words)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what does not apply."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["values"] = list(self.values)
        values["words"] = {language: list(said) for language, said in self.words.items()}
        applies = {"name", "ask", "values", "words"} if self.is_choice else {"name", "ask", "least", "most", "step"}
        return {key: value for key, value in values.items() if key in applies or (key == "unit" and value)}

    @classmethod
    def from_dict(cls, values: Any) -> Question:
        """The inverse of :meth:`to_dict`.

        Raises
        ------
        TaxonomyError
            For an unknown question or key, or a value that is not allowed.
        """
        known = [entry.name for entry in fields(cls)]
        if not isinstance(values, Mapping) or values.get("name") not in BY_NAME:
            raise TaxonomyError(f"a question {str(values)[:60]!r}: wanted the name of one of {', '.join(BY_NAME)}")
        if unknown := [key for key in values if key not in known]:
            raise TaxonomyError(f"question {values['name']!r}: unknown key {unknown[0]!r}: wanted {', '.join(known)}")
        try:
            said = [*values.get("ask", {}).values(), *values.get("values", ()), values.get("unit", "")]
            said += [word for words in values.get("words", {}).values() for word in words]
            if not all(isinstance(text, str) and len(text) <= LONGEST_TEXT for text in said):
                raise TypeError(f"wanted texts of at most {LONGEST_TEXT} characters")
            return cls(**values)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise TaxonomyError(f"question {values['name']!r} is damaged ({error})") from None


def _yes_no(name: str, en: str, pt: str, zh: str) -> Question:
    words = {"en": ("yes", "no"), "pt": ("sim", "não"), "zh": ("是", "否")}
    return Question(name, {"en": en, "pt": pt, "zh": zh}, ("yes", "no"), words)


_SITES: tuple[tuple[str, str, str, str], ...] = (
    ("face", "face", "rosto", "面部"),
    ("nose", "nose", "nariz", "鼻子"),
    ("ear", "ear", "orelha", "耳朵"),
    ("lip", "lip", "lábio", "嘴唇"),
    ("scalp", "scalp", "couro cabeludo", "头皮"),
    ("neck", "neck", "pescoço", "颈部"),
    ("head_neck", "head or neck", "cabeça ou pescoço", "头颈部"),
    ("chest", "chest", "peito", "胸部"),
    ("abdomen", "belly", "abdome", "腹部"),
    ("torso_front", "chest or belly", "peito ou abdome", "胸腹部"),
    ("back", "back", "costas", "背部"),
    ("torso_side", "side of the body", "lateral do tronco", "躯干侧面"),
    ("trunk", "trunk", "tronco", "躯干"),
    ("upper_arm", "upper arm", "braço", "上臂"),
    ("forearm", "forearm", "antebraço", "前臂"),
    ("hand", "hand", "mão", "手"),
    ("arm", "arm or hand", "braço ou mão", "上肢"),
    ("thigh", "thigh", "coxa", "大腿"),
    ("foot", "foot", "pé", "足"),
    ("leg", "leg or foot", "perna ou pé", "下肢"),
    ("palm_sole", "palm or sole", "palma ou sola", "手掌或足底"),
    ("mouth_genital", "mouth or genitals", "boca ou genitais", "口腔或生殖器"),
)
"""One list for ISIC's coarse regions and PAD-UFES-20's finer ones: a region of ISIC's is a value beside its parts."""

AGE = Question(
    "age",
    {"en": "How old are you?", "pt": "Quantos anos você tem?", "zh": "您多大年龄？"},
    least=0, most=120, step=20, unit="years",
)  # fmt: skip
SEX = Question(
    "sex",
    {"en": "Which sex are you?", "pt": "Qual é o seu sexo?", "zh": "您的性别？"},
    ("female", "male"),
    {"en": ("female", "male"), "pt": ("feminino", "masculino"), "zh": ("女", "男")},
)
SITE = Question(
    "site",
    {"en": "Where is the spot?", "pt": "Onde fica a mancha?", "zh": "斑点在身体哪个部位？"},
    tuple(row[0] for row in _SITES),
    {language: tuple(row[column] for row in _SITES) for column, language in enumerate(LANGUAGES, start=1)},
)
SKIN_TYPE = Question(
    "skin_type",
    {
        "en": "How does your skin react to the sun (Fitzpatrick's type)?",
        "pt": "Como a sua pele reage ao sol (tipo de Fitzpatrick)?",
        "zh": "您的皮肤对阳光的反应（菲茨帕特里克分型）？",
    },
    ("1", "2", "3", "4", "5", "6"),
    dict.fromkeys(LANGUAGES, ("I", "II", "III", "IV", "V", "VI")),
)
ITCH = _yes_no("itch", "Does it itch?", "Coça?", "发痒吗？")
GREW = _yes_no("grew", "Has it grown lately?", "Cresceu nos últimos tempos?", "最近变大了吗？")
HURT = _yes_no("hurt", "Does it hurt?", "Dói?", "疼痛吗？")
CHANGED = _yes_no(
    "changed",
    "Has its colour or shape changed lately?",
    "A cor ou a forma mudou nos últimos tempos?",
    "颜色或形状最近有变化吗？",
)
BLEED = _yes_no("bleed", "Has it bled?", "Já sangrou?", "出过血吗？")
ELEVATION = _yes_no(
    "elevation", "Can you feel that it is raised?", "Dá para sentir relevo ao tocar?", "摸起来是凸起的吗？"
)
DIAMETER_MM = Question(
    "diameter_mm",
    {
        "en": "How wide is it at its widest, in millimetres?",
        "pt": "Qual é a maior largura, em milímetros?",
        "zh": "最宽处有多少毫米？",
    },
    least=0, most=60, step=10, unit="mm",
)  # fmt: skip

QUESTIONS = (AGE, SEX, SITE, SKIN_TYPE, ITCH, GREW, HURT, CHANGED, BLEED, ELEVATION, DIAMETER_MM)
"""All that may be asked, in the order of every input and table."""
BY_NAME: Mapping[str, Question] = {question.name: question for question in QUESTIONS}

_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_SKIN_TYPE = re.compile(r"(?:(?:fst|fitzpatrick|skin|photo)[\s-]*)?(?:type[\s-]*)?([1-6]|i{1,3}|iv|vi?)(?:[.,]0+)?")
_SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "site": {
        "head/neck": "head_neck", "anterior torso": "torso_front", "posterior torso": "back",
        "lateral torso": "torso_side", "upper extremity": "arm", "lower extremity": "leg", "palms/soles": "palm_sole",
        "acral": "palm_sole", "oral/genital": "mouth_genital", "genital": "mouth_genital", "head and neck": "head_neck",
        "upper extremities": "arm", "lower extremities": "leg", "belly": "abdomen", "breast": "chest",
    },
    **{
        question.name: {"true": "yes", "false": "no", "1": "yes", "0": "no", "y": "yes", "n": "no"}
        for question in (ITCH, GREW, HURT, CHANGED, BLEED, ELEVATION)
    },
}  # fmt: skip
"""What tables and people write for a value. PAD-UFES-20's ``arm`` beside ``forearm`` is its reader's business."""


def choose_questions(names: Sequence[str], possible: Sequence[Question] = QUESTIONS) -> tuple[Question, ...]:
    """The questions of these names, in the one order.

    Raises
    ------
    UsageError
        For an unknown name, or one that comes twice.
    """
    known = {question.name for question in possible}
    for name in names:
        if name not in known or list(names).count(name) > 1:
            raise UsageError(f"question {name!r}: wanted some of {', '.join(known and sorted(known))}, each once")
    return tuple(question for question in possible if question.name in names)


def read_answers(questions: Sequence[Question], given: Mapping[str, Any]) -> dict[str, str]:
    """A person's answers, checked: name -> allowed value; a question that is not answered is left out.

    Raises
    ------
    UsageError
        For a question that the model does not ask, or an answer that is not allowed; says what would be.

    >>> read_answers((GREW, AGE), {"grew": "yes", "age": 54})
    {'grew': 'yes', 'age': '54'}
    """
    asked = {question.name: question for question in questions}
    answers = {}
    for name, text in given.items():
        if name not in asked:
            wanted = f"wanted one of {', '.join(asked)}" if asked else "this model asks none; leave the answers out"
            raise UsageError(f"no question {str(name)[:40]!r}: {wanted}")
        value = asked[name].value_of(_text(text))
        if value is None:
            raise UsageError(f"answer {name}={str(text)[:40]}: wanted {asked[name].wanted}")
        if value:
            answers[name] = value
    return answers


def _text(answer: Any) -> str:
    """An answer as JSON may have it: a text, a number, true, false or null."""
    if answer is None:
        return ""
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else str(answer)


def answer_codes(questions: Sequence[Question], answers: Mapping[str, str]) -> list[float]:
    """The network's input for answers of :func:`read_answers`: a number a question, 0 where there is none.

    >>> answer_codes((AGE, GREW), {"grew": "no"})
    [0.0, 2.0]
    """
    return [question.code(answers.get(question.name, "")) for question in questions]
