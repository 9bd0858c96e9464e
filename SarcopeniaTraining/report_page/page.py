"""`report.html` of a reproduction: one file that needs no network, reads well on a phone and on paper."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from SarcopeniaAssessLib.markup import Html, element, html_page, page_style, raw
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE
from SarcopeniaTraining.report_page import sections
from SarcopeniaTraining.report_page.circumstances import Data
from SarcopeniaTraining.report_page.content import PAPER_TABLES, ReportContent, collect
from SarcopeniaTraining.report_page.making import agreement_section, run_section

REPORT = "report.html"
PAPER = "Deep Learning–Assisted Detection of Sarcopenia in Cross-Sectional Computed Tomography Imaging"
PAPER_LINK = "https://arxiv.org/abs/2508.17275"
_DATA = {
    Data.PHANTOMS: "on phantoms, which are drawn by a program and show nobody",
    Data.PATIENTS: "on a cohort that was given",
    Data.UNTOLD: "on data of which the folder does not tell whose they are",
}


def write_report(folder: Path) -> Path:
    """Make `report.html` of a reproduction's folder, by one rename.

    Raises
    ------
    InputError
        There is no reproduction in the folder, or a file of it is damaged.
    OutputError
        The folder is full or not writable.
    """
    path = folder / REPORT
    write_whole(path, page_html(collect(folder)).encode())
    return path


def page_html(content: ReportContent) -> str:
    """The whole page; equal content gives equal bytes."""
    style, script = page_style(_own("style.css")), _own("script.js")
    parts = _sections(content)
    body = element(
        "body",
        element("a", "To the content", href="#main", class_="skip"),
        _header(content),
        element("div", _contents(parts), _main(parts), class_="page"),
        _footer(),
        element("p", id="told", role="status", aria_live="polite", class_="unseen"),
        element("script", raw(script)),
    )
    return html_page(_title(content), style, script, body)


def _sections(content: ReportContent) -> list[sections.Section]:
    return [
        sections.at_a_glance(content),
        agreement_section(content),
        *(sections.paper_section(content, name) for name in PAPER_TABLES),
        *sections.extras(content),
        sections.contradictions(),
        run_section(content),
    ]


def _title(content: ReportContent) -> str:
    preset = content.told.preset
    return "Detection of sarcopenia on CT: reproduction" + (f", preset {preset}" if preset else "")


def _header(content: ReportContent) -> Html:
    told = content.told
    preset = f"Preset {told.preset}, " if told.preset else ""
    what = f"{preset}{_DATA[told.cohort.data]}."
    return element(
        "header",
        element("p", "Report of a reproduction", class_="eyebrow"),
        element("h1", "Detection of sarcopenia on CT: this run beside the printed numbers"),
        element(
            "p",
            "The paper: Bhardwaj et al., ",
            element("cite", PAPER),
            ", ",
            element("a", "arXiv 2508.17275", href=PAPER_LINK),
            " (2025).",
        ),
        element("p", what[0].upper() + what[1:], class_="lead"),
        element("p", RESEARCH_SENTENCE, class_="research"),
    )


def _contents(parts: list[sections.Section]) -> Html:
    items = [element("li", element("a", part.title, href=f"#{part.name}")) for part in parts]
    return element(
        "nav",
        element("h2", "Contents", id="contents-title"),
        element("ol", *items),
        aria_labelledby="contents-title",
    )


def _main(parts: list[sections.Section]) -> Html:
    return element("main", *(part.html() for part in parts), id="main", tabindex="-1")


def _footer() -> Html:
    return element("footer", element("p", RESEARCH_SENTENCE))


def _own(name: str) -> str:
    return files("SarcopeniaTraining.report_page").joinpath(name).read_text("utf-8")
