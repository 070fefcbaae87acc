"""A reader of HTML that notes what is left open and what is loaded from outside."""

from html.parser import HTMLParser


class Checker(HTMLParser):
    VOID = frozenset({"meta", "br", "img", "path", "use", "rect", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not value.startswith(("data:", "#")):
                self.outside.append((tag, value))
        assert tag not in ("script", "iframe", "object", "link")

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag
