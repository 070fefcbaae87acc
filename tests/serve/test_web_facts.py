"""The web app has every limit and rule from Python: facts.json is current, and no TypeScript spells its numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.serve.web_facts import LANGUAGES, main, web_facts

WEB = Path(__file__).resolve().parents[2] / "apps" / "web"
FACTS = WEB / "src" / "facts.json"
SOURCES = sorted([*(WEB / "src").rglob("*.ts"), *(WEB / "src").rglob("*.js")])

NOT_RULES = ("source", "classes", "languages", "texts", "prevalence")
"""Parts of the facts without numbers that anybody follows, or with round shares that a reader chooses from."""

COMMON = {0.0, 1.0, 2.0, 3.0, 4.0, 8.0, 0.5, 100.0}
"""Counts, channels, halves and percent: numbers that stand in every program."""

OTHER_MEANINGS: dict[str, set[float]] = {
    "app.ts": {1024.0},  # pixels of a photograph on the page
    "model/onnx-file.ts": {50.0, 128.0},  # bits and bytes of Protocol Buffers
    "photo/adaptive-crop.ts": {256.0},  # grey levels
    "photo/aligned-picture.ts": {6.0},  # the width of a line
    "photo/colour-constancy.ts": {256.0},  # grey levels
    "photo/contour.ts": {6.0},  # a quarter turn back, in eighths
    "photo/alignment.ts": {20.0, 180.0},  # rings and angles of a spot unrolled
    "photo/change.ts": {180.0, 200.0},  # a skin's green, and CIELAB's own
    "photo/canvas-pixels.ts": {0.9},  # JPEG's quality
    "photo/pixels.ts": {256.0},  # grey levels
    "photo/spot.ts": {6.0, 256.0},  # steps, and grey levels
    "views/answer.ts": {256.0},  # SHA-256
    "views/history.ts": {256.0},  # SHA-256
    "views/over-time.ts": {50.0, 180.0},  # where the slider begins; degrees
    "views/prevalence.ts": {0.01},  # rarer ones get a digit more
    "views/crop.ts": {0.01, 0.6},  # the slider's step, and the frame that it begins with
}
"""Numbers of the facts that mean something else in that file."""


def numbers(value: Any) -> Iterator[float]:
    """All numbers in nested plain values."""
    if isinstance(value, dict):
        for part in value.values():
            yield from numbers(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield float(value)


def names(value: Any) -> Iterator[str]:
    """The names of constants, which are in capitals."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name.isupper():
                yield name
            yield from names(part)


def code_of(path: Path) -> str:
    """A source without its comments and plain strings."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"(?<![:\\])//.*", "", text)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def literals(code: str) -> set[float]:
    """The numbers that a source spells, products of two among them."""
    number = r"(?<![\w.$#])\d[\d_]*(?:\.\d+)?(?:e-?\d+)?(?![\w.])"
    spelt = {float(text.replace("_", "")) for text in re.findall(number, code)}
    for product in re.findall(rf"{number}(?:\s*\*\s*{number})+", code):
        factors = [float(text.replace("_", "")) for text in re.findall(number, product)]
        whole = 1.0
        for factor in factors:
            whole *= factor
        spelt.add(whole)
    return spelt


def test_facts_are_those_of_python():
    written = json.loads(FACTS.read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(web_facts())), (
        "apps/web/src/facts.json is old: run python -m hierattn.serve.web_facts apps/web/src/facts.json"
    )


def test_facts_are_written_as_the_app_has_them(tmp_path, monkeypatch):
    out = tmp_path / "facts.json"
    monkeypatch.setattr("sys.argv", ["web_facts", str(out)])
    main()
    assert out.read_bytes() == FACTS.read_bytes()


def test_every_language_of_the_advice_has_a_name():
    assert LANGUAGES.keys() == TEXTS.keys()


def test_literals_are_found():
    assert literals("const A = 512 * 1024 * 1024, b2 = x.y3 + 1e-3 - 0.95; c(100_000_000) // #e69f00") >= {
        512.0 * 1024 * 1024, 0.001, 0.95, 1e8,
    }  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(WEB / "src").as_posix())
def test_no_limit_of_python_is_spelled_again(path: Path):
    rules = {part: value for part, value in web_facts().items() if part not in NOT_RULES}
    code = code_of(path)
    other = OTHER_MEANINGS.get(path.relative_to(WEB / "src").as_posix(), set())
    assert literals(code) & (set(numbers(rules)) - COMMON) == other
    for name in names(rules):
        assert not re.search(rf"\b{name}\s*=[^=;]*\d", code), f"{path.name} declares {name}; take it from facts.json"
