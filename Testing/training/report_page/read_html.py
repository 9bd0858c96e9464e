"""HTML read by the standard library's parser, for the tests of its structure."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "col", "hr", "img", "link", "meta"}


class Page(HTMLParser):
    """Elements in order, each with its attributes, ancestors and text; raises where tags do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[dict] = []
        self._open: list[dict] = []

    def handle_starttag(self, tag, attrs):
        found = {"tag": tag, "attributes": dict(attrs), "text": "", "in": [e["tag"] for e in self._open]}
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is given twice"
        self.elements.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        closed = self._open.pop()
        assert closed["tag"] == tag, f"</{tag}> closes <{closed['tag']}>"

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def close(self):
        super().close()
        assert self._open == []

    def all(self, tag, **attributes):
        """Attributes of every element of a tag that has these."""
        return [e["attributes"] for e in self._found(tag, attributes)]

    def texts(self, tag, **attributes):
        """What stands in them, its spaces made ordinary."""
        return [" ".join(e["text"].split()) for e in self._found(tag, attributes)]

    def inside(self, outer, inner):
        """How many elements of a tag lie within one of another."""
        return sum(e["tag"] == inner and outer in e["in"] for e in self.elements)

    def _found(self, tag, attributes):
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [e for e in self.elements if e["tag"] == tag and wanted.items() <= e["attributes"].items()]


def read(text) -> Page:
    """Parse a page or a part of one."""
    page = Page()
    page.feed(text)
    page.close()
    return page
