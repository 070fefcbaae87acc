"""Two pages that the service writes itself: the API's description from its OpenAPI schema, and a hint without the app.

FastAPI's own page loads its scripts from a content delivery network; this one needs no script at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from hierattn.serve.drift import LARGE, MEASURES, WINDOW, DriftState

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; } pre { overflow-x: auto; padding: 1rem; border: 1px solid #8888; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .3rem 1rem .3rem 0; vertical-align: top; }
""".strip()


def api_page(schema: dict[str, Any]) -> str:
    """OpenAPI's schema as one HTML page."""
    info = schema["info"]
    sections = [
        _operation(method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    example = "curl -F images=@photo.jpg 'http://127.0.0.1:8000/v1/predictions?language=en'"
    return _page(
        info["title"],
        f"<p>{escape(info['description'])}</p><p>Version {escape(info['version'])}. For programs: "
        f"<a href='openapi.json'>openapi.json</a>.</p><pre>{escape(example)}</pre>{''.join(sections)}",
    )


def hint_page() -> str:
    """What stands at ``/`` where the web app was not built."""
    return _page(
        "hierattn",
        "<p>The service is running. This installation has no web app: in a clone, <code>make web</code> builds it."
        "</p><p><a href='docs'>API documentation</a></p>",
    )


def drift_page(states: Mapping[str, DriftState]) -> str:
    """What arrives, compared with what is usual, a table a bundle."""
    return _page(
        "Do photographs still look as usual?",
        f"<p>Counts alone, of this process since it began; no photograph is kept. A shift counts from an index of "
        f"{LARGE} on, where chance does not explain it. It is a reason to look at cameras, patients and photographs, "
        f"and says nothing of whether answers are right.</p>{''.join(_drift_of(*each) for each in states.items())}",
    )


def _drift_of(model: str, state: DriftState) -> str:
    found = ", ".join(state.flagged)
    said = f"<strong>Shifted: {escape(found)}.</strong>" if found else "No shift found."
    if not state.comparisons:
        said = f"Not yet compared: a comparison needs {WINDOW} photographs, and a day that has ended."
    rows = []
    for name in MEASURES:
        shift, usual = state.shifts.get(name), state.usual_of[name]
        index = "–" if shift is None else f"{shift.index:.2f}"
        rows.append(
            (name, index, "shifted" if shift and shift.flagged else f"compared with: {usual or 'not yet known'}")
        )
    days = [(day.isoformat(), str(count), "photographs") for day, count in list(state.days.items())[-14:]]
    until = f", the last until {state.last_day}" if state.last_day else ""
    return (
        f"<h2>{escape(model)}</h2><p>{said} {state.comparisons} comparisons{until}.</p>"
        f"{_table('Measure', rows)}{_table('Day', days)}"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [
        (one["name"], _kind(one["schema"]), one.get("description", "")) for one in operation.get("parameters", ())
    ]
    answers = [(status, "", answer["description"]) for status, answer in operation["responses"].items()]
    body = operation.get("requestBody")
    form = "<p>Body: <code>multipart/form-data</code>, field <code>images</code>, one or more files.</p>"
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p><strong>{escape(operation['summary'])}."
        f"</strong> {_prose(operation.get('description', ''))}</p>{form if body else ''}"
        f"{_table('Parameter', parameters)}{_table('Response', answers)}"
    )


def _prose(text: str) -> str:
    """Text with its `names` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _kind(schema: dict[str, Any]) -> str:
    choices = schema.get("enum")
    kind = " | ".join(choices) if choices else str(schema.get("type", ""))
    return f"{kind}, default {schema['default']}" if "default" in schema else kind


def _table(heading: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    lines = (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table><tr><th>{heading}</th><th></th><th></th></tr>{''.join(lines)}</table>"


def _page(title: str, content: str) -> str:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        "<meta name='viewport' content='width=device-width'><link rel='stylesheet' href='docs.css'></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
