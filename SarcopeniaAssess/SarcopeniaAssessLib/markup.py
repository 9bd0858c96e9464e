"""HTML made of escaped parts: whatever is not `Html` already is text, and stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib.resources import files

_VOID = {"br", "col", "hr", "img", "input", "link", "meta"}
_NAME = re.compile(r"[^a-z0-9]+")


class Html(str):
    """Text that is HTML: made by `element`, `joined` and `raw` alone."""

    __slots__ = ()


def raw(text: str) -> Html:
    """Text of this program's own that is HTML already, such as a style sheet."""
    return Html(text)


def text_of(part: object) -> Html:
    """A part as HTML: escaped unless it is `Html`; nothing for `None`."""
    if part is None:
        return Html("")
    return part if isinstance(part, Html) else Html(escape(str(part), quote=True))


def joined(*parts: object) -> Html:
    """Parts one after the other."""
    return Html("".join(map(text_of, parts)))


def element(tag: str, *parts: object, **attributes: object) -> Html:
    """An element with its parts.

    Parameters
    ----------
    attributes:
        A trailing underscore is dropped (`class_`), others are hyphens (`aria_sort`). `True` gives the
        bare name, `None` and `False` leave the attribute out.
    """
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    start = f"<{tag}{given}>"
    return Html(start if tag in _VOID else f"{start}{joined(*parts)}</{tag}>")


def page_style(own: str) -> str:
    """The style of a page: what all pages have, then its own."""
    return files("SarcopeniaAssessLib").joinpath("markup.css").read_text("utf-8") + own


def html_page(title: str, style: str, script: str, body: Html) -> str:
    """A page in one file, which fetches nothing and obeys no style or script but these two.

    Parameters
    ----------
    body:
        The whole body element, in which the script stands too.
    """
    own = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    policy = f"default-src 'none'; img-src data:; {own}; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", raw(style)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def name_of(words: str) -> str:
    """Words as the name of an anchor: small letters, digits and hyphens."""
    return _NAME.sub("-", words.lower()).strip("-") or "part"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(str(value), quote=True)}"'
