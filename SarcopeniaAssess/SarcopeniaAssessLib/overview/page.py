"""`overview.html`: one file that needs no network and no other file, but links to the overlays beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from SarcopeniaAssessLib.criteria import STATUS_SENTENCES
from SarcopeniaAssessLib.markup import Html, element, html_page, joined, page_style, raw
from SarcopeniaAssessLib.overview import sections
from SarcopeniaAssessLib.overview.agreement import Agreement, agreement_of
from SarcopeniaAssessLib.overview.case_row import CaseRow
from SarcopeniaAssessLib.overview.distribution import Distribution, distribution_of
from SarcopeniaAssessLib.overview.page_data import as_script, page_data
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE

TITLE = "Skeletal muscle area at L3"
PICTURES_A_BLOCK = 250
PICTURE_BLOCK = {"type": "application/json", "class_": "pictures"}
_FILTERS = (
    ("sex", "Sex", ("all", "men", "women", "not known")),
    ("status", "Status", ("all", "sarcopenic", "not sarcopenic", "undetermined")),
    ("review", "Review", ("all", "unreviewed", "rejected", "accepted", "decided")),
)
_ORDERS = (
    ("urgency", "to be looked at first"),
    ("away", "nearest to the cut-off"),
    ("name", "case"),
    ("sma", "SMA"),
    ("hu", "mean HU"),
    ("smi", "SMI"),
    ("age", "age"),
)
_COLUMNS = (
    ("", "slice"), ("name", "case"), ("sma", "SMA"), ("", "status"), ("age", "sex, age"), ("hu", "mean HU"),
    ("smi", "SMI"), ("", "remarks"), ("", "review"),
)  # fmt: skip


@dataclass(frozen=True)
class PageContent:
    """What a page is made of.

    Attributes
    ----------
    rows:
        Every case, in the order in which they are to be looked at.
    notes:
        Sentences about what is not on the page, such as damaged records.
    folder:
        Way from the page to the output folder, "" or ending in a slash; `None`: nothing is linked.
    """

    rows: Sequence[CaseRow]
    notes: Sequence[str] = ()
    folder: str | None = ""


def page_html(content: PageContent, pictures: Iterable[tuple[str, str]]) -> str:
    """The whole page; equal content gives equal bytes.

    Parameters
    ----------
    pictures:
        Each row's id and a data URI, empty where there is none; none at all: the page has no pictures.
    """
    style, script = page_style(_own("style.css")), _own("script.js")
    agreement = agreement_of(content.rows)
    distribution = distribution_of(content.rows, agreement.status_criterion)
    data = as_script(page_data(content.rows, distribution, content.folder))
    body = element(
        "body",
        element("a", "To the cases", href="#cases", class_="skip"),
        _header(content),
        _main(content.rows, agreement, distribution),
        element("footer", element("p", RESEARCH_SENTENCE)),
        element("script", raw(data), type="application/json", id="data"),
        element("script", raw(script)),
        joined(*_picture_blocks(pictures)),
    )
    return html_page(f"{TITLE}: overview of {len(content.rows):,} cases", style, script, body)


def _header(content: PageContent) -> Html:
    count = len(content.rows)
    notes = [element("li", note) for note in content.notes]
    return element(
        "header",
        element("p", "Overview of a cohort", class_="eyebrow"),
        element("h1", f"{TITLE}: {count:,} {'case' if count == 1 else 'cases'}"),
        element("p", RESEARCH_SENTENCE, class_="research"),
        element("p", " ".join(STATUS_SENTENCES), class_="soft"),
        element("ul", *notes, class_="notes") if notes else None,
    )


def _main(rows: Sequence[CaseRow], agreement: Agreement, distribution: Distribution) -> Html:
    return element(
        "main",
        _section("glance", "At a glance", sections.tiles(rows)),
        _section("areas", "Distribution", sections.distribution_section(rows, distribution)),
        _section("cases", "Cases", _cases()),
        _section("agreement", "Agreement of criteria", sections.agreement_section(agreement)),
    )


def _section(name: str, title: str, content: Html) -> Html:
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, content, id=name, aria_labelledby=f"{name}-title", tabindex="-1")


def _cases() -> Html:
    """The list's frame; the script fills it."""
    said = (
        "First those with a quality error, then borderline ones, then those with warnings; of each kind "
        "those that nobody has decided on, the nearest to the cut-off first."
    )
    without = (
        "The list needs the page's script, which this browser does not run; assessments.csv has every case."
    )
    return element(
        "div",
        element("p", said, class_="soft"),
        element("noscript", element("p", without)),
        _filters(),
        element("p", id="told", role="status", aria_live="polite"),
        element("div", _table(), class_="list"),
        _pager(),
    )


def _filters() -> Html:
    find = element(
        "label", "Find", element("input", type="search", id="find", autocomplete="off", spellcheck="false")
    )
    chosen = [
        element(
            "label",
            title,
            element(
                "select", *(element("option", text, value=n - 1) for n, text in enumerate(words)), id=name
            ),
        )
        for name, title, words in _FILTERS
    ]
    ticks = [
        element("label", element("input", type="checkbox", id=name), text, class_="tick")
        for name, text in (("borderline", "borderline"), ("warned", "with warnings"))
    ]
    order = element(
        "label",
        "Order",
        element("select", *(element("option", text, value=name) for name, text in _ORDERS), id="order"),
    )
    clear = element("button", "Show all", type="button", id="clear")
    return element(
        "form", find, *chosen, *ticks, order, clear, id="filters", aria_label="Filters", hidden=True
    )


def _table() -> Html:
    heads = [
        element(
            "th",
            element("button", text, element("span", class_="arrow", aria_hidden="true"), type="button",
                    data_order=order) if order else text,
            scope="col",
            data_title=text if order else None,
            aria_sort="none" if order else None,
        )
        for order, text in _COLUMNS
    ]  # fmt: skip
    return element(
        "table",
        element("caption", element("span", "Cases"), class_="unseen"),
        element("thead", element("tr", *heads)),
        element("tbody", id="rows"),
        id="list",
        hidden=True,
    )


def _pager() -> Html:
    buttons = [
        element("button", text, type="button", id=name)
        for name, text in (("first", "First"), ("before", "Previous"), ("next", "Next"), ("last", "Last"))
    ]
    place = element("span", id="place")
    return element("nav", *buttons[:2], place, *buttons[2:], id="pager", aria_label="Pages", hidden=True)


def _picture_blocks(pictures: Iterable[tuple[str, str]]) -> Iterable[Html]:
    """Pictures in blocks, each read by the script when one of its cases is shown."""
    block: list[tuple[str, str]] = []
    for picture in pictures:
        block.append(picture)
        if len(block) == PICTURES_A_BLOCK:
            yield _block(block)
            block = []
    if block:
        yield _block(block)


def _block(pictures: Sequence[tuple[str, str]]) -> Html:
    return element("script", raw(as_script(pictures)), **PICTURE_BLOCK)


def _own(name: str) -> str:
    return files("SarcopeniaAssessLib.overview").joinpath(name).read_text("utf-8")
