"""The service's own pages: well-formed, no script, every route, nothing of the schema taken for HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hierattn.serve.pages import api_page, hint_page

SCHEMA = {
    "info": {"title": "Lesions & more", "description": "Not a <medical> device.", "version": "1.2"},
    "paths": {
        "/v1/predictions": {
            "post": {
                "summary": "Predict",
                "description": "`image` says which <one> it was.",
                "parameters": [
                    {"name": "language", "schema": {"type": "string", "enum": ["en", "pt"], "default": "en"}},
                    {"name": "heatmap", "schema": {"type": "boolean"}, "description": "Evidence."},
                ],
                "requestBody": {"required": True},
                "responses": {"200": {"description": "Fine"}, "422": {"description": "A wrong <form>"}},
            }
        },
        "/healthz": {"get": {"summary": "Liveness", "responses": {"200": {"description": "Fine"}}}},
    },
}
VOID = {"meta", "link"}


class Reader(HTMLParser):
    """Collects the tags, and what stands in code; refuses tags that are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.code: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "code":
            self.code.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("page", [api_page(SCHEMA), hint_page()], ids=["interface", "hint"])
def test_pages_are_well_formed_and_need_no_script(page):
    assert read(page).tags <= {
        "html", "head", "meta", "title", "link", "body", "main", "h1", "h2", "p", "a", "pre", "code", "strong", "table",
        "tr", "td", "th",
    }  # fmt: skip


def test_interface_lists_every_route_parameter_and_name():
    code = read(api_page(SCHEMA)).code
    assert {"POST /v1/predictions", "GET /healthz", "language", "heatmap", "200", "422", "image"} <= set(code)
    page = api_page(SCHEMA)
    assert "en | pt, default en" in page
    assert "A wrong &lt;form&gt;" in page
    assert "field <code>images</code>" in page
