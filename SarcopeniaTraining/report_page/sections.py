"""The parts of the page, from what was collected: at a glance, the paper's tables, figures, the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from SarcopeniaAssessLib.markup import Html, element, joined, name_of
from SarcopeniaTraining.report_page.comparison_rows import (
    ComparisonRow,
    table_1_rows,
    table_2_rows,
    table_3_rows,
    table_4_rows,
)
from SarcopeniaTraining.report_page.content import PAPER_TABLES, ReportContent
from SarcopeniaTraining.report_page.contradictions import CONTRADICTIONS, Contradiction, of_place
from SarcopeniaTraining.report_page.expectation import Reason
from SarcopeniaTraining.report_page.pictures import Picture
from SarcopeniaTraining.report_page.plots import dot_plot
from SarcopeniaTraining.report_page.shown_table import ShownTable
from SarcopeniaTraining.report_page.table_parts import (
    Grid,
    comparison,
    is_wide,
    laid_out,
    shown_table,
    verdict,
)


@dataclass(frozen=True)
class Section:
    """A part of the page with its heading."""

    name: str
    title: str
    body: Html

    def html(self) -> Html:
        """As a landmark that is named by its heading."""
        heading = element("h2", self.title, id=f"{self.name}-title")
        return element("section", heading, self.body, id=self.name, aria_labelledby=f"{self.name}-title")


@dataclass(frozen=True)
class _PaperTable:
    """One of the paper's tables: what is compared, plotted, and drawn beside it."""

    rows: Callable[[ReportContent], Sequence[ComparisonRow]]
    intro: str
    plot: str
    unit: str
    figures: tuple[str, ...]
    chance: float | None = None


_PAPER: dict[str, _PaperTable] = {
    "table1": _PaperTable(
        lambda content: table_1_rows(content.tables, content.told),
        "Four networks, each fine-tuned by three schemes on ten shuffled sets. Every number is the mean of "
        "the area under the ROC curve over the sets. 0.5 is chance.",
        "Area under the ROC curve, mean over the sets, of every network and scheme.",
        "AUC",
        ("roc", "auc", "classify-curves", "classify-training", "training_curves"),
        0.5,
    ),
    "table2": _PaperTable(
        lambda content: table_2_rows(content.tables, content.told),
        "The run of each network that did best on validation, scored on its test images. A precision is "
        "undefined where nobody was called sarcopenic.",
        "",
        "",
        ("confusion", "reliability", "calibration", "classify-"),
    ),
    "table3": _PaperTable(
        lambda content: table_3_rows(content.tables, content.told),
        "The muscle's outline by the segmentation network against the truth, on the test patients of ten "
        "folds. Folds share only their number with the printed ones.",
        "Dice of each fold, mean over its test patients.",
        "Dice",
        ("segment-curves", "learning_curve", "pretrain"),
    ),
    "table4": _PaperTable(
        lambda content: table_4_rows(content.tables, content.told),
        "Muscle area and status of every test patient of the fold that did best on validation. Row by row "
        "the two blocks are different people, so only means, ranges and counts are compared.",
        "",
        "",
        ("outlines", "bland", "regression", "segment-"),
    ),
}


@dataclass(frozen=True)
class _Extra:
    """A section beyond the paper's tables; `tables` and `figures` begin with one of these."""

    name: str
    title: str
    intro: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]


_EXTRAS = (
    _Extra(
        "areas",
        "Agreement of the areas",
        "Bias, limits of agreement and correlation of predicted with true muscle area, with intervals.",
        ("agreement", "comparison"),
        ("segment-comparison",),
    ),
    _Extra(
        "imbalance",
        "Class imbalance",
        "The paper names the few sarcopenic patients as the classifiers’ limit but does not study it. Here "
        "the ways to meet it stand side by side.",
        ("imbalance", "leak"),
        ("imbalance", "leak"),
    ),
    _Extra(
        "two-routes",
        "Two routes to a status",
        "The same patients judged by the area of the outlined muscle and by the classifier, both against "
        "the truth.",
        ("two_routes",),
        ("two_routes",),
    ),
    _Extra(
        "explanations",
        "What the classifiers look at",
        "Grad-CAM and LIME, as in the paper’s Figure 3, and how much of the attribution lies on muscle, fat "
        "and bone against their share of the pixels.",
        ("attribution", "checks"),
        ("explain",),
    ),
    _Extra(
        "more",
        "More tables and figures",
        "Everything else that the steps of this run left.",
        ("",),
        ("",),
    ),
)


def at_a_glance(content: ReportContent) -> Section:
    """The numbers that a reader looks for first."""
    rows = [row for name in _PAPER for row in _PAPER[name].rows(content) if row.headline]
    tiles = [_tile(row) for row in rows]
    return Section(
        "at-a-glance", "At a glance", joined(element("ul", *tiles, class_="tiles"), _gaps(content))
    )


def paper_section(content: ReportContent, name: str) -> Section:
    """One of the paper's tables: plot, comparison, the table itself, contradictions, figures."""
    part, table = _PAPER[name], content.tables.get(name)
    title = table.title if table is not None else PAPER_TABLES[name]
    rows = part.rows(content)
    short = title.split(".", maxsplit=1)[0]
    return Section(
        name,
        title.rstrip("."),
        joined(
            element("p", part.intro, class_="lead"),
            _plot(part, rows),
            element("h3", "Number by number"),
            comparison(rows, f"{name}-comparison", f"{short}: this run beside the printed numbers"),
            *_whole(table),
            _contradictions_here(name),
            figures(_pictures_of(content, name)),
        ),
    )


def _plot(part: _PaperTable, rows: Sequence[ComparisonRow]) -> Html | None:
    """Those of the numbers that have the plot's unit, each by the words before its colon."""
    if not part.plot:
        return None
    plotted = [replace(row, quantity=row.quantity.split(":")[0]) for row in rows if not row.unit]
    return dot_plot(plotted, part.plot, part.unit, part.chance)


def _whole(table: ShownTable | None) -> tuple[Html, Html]:
    heading = element("h3", "The whole table")
    if table is None:
        return heading, element("p", "Not part of this run.", class_="gap")
    return element("div", heading, class_="across" if is_wide(table.headings) else None), shown_table(table)


def extras(content: ReportContent) -> list[Section]:
    """What the paper has not measured: a section for each part that is there."""
    left_tables = list(content.other_tables)
    left_pictures = [picture for picture in content.pictures if _section_of(picture) is None]
    found = []
    for extra in _EXTRAS:
        tables = [table for table in left_tables if table.name.startswith(extra.tables)]
        pictures = [picture for picture in left_pictures if picture.name.startswith(extra.figures)]
        left_tables = [table for table in left_tables if table not in tables]
        left_pictures = [picture for picture in left_pictures if picture not in pictures]
        if tables or pictures:
            body = joined(
                element("p", extra.intro, class_="lead"), *map(shown_table, tables), figures(pictures)
            )
            found.append(Section(extra.name, extra.title, body))
    return found


def contradictions() -> Section:
    """Every place where the paper disagrees with itself."""
    rows = [
        (
            element("span", each.where, id=f"contradiction-{each.name}"),
            each.printed,
            each.follows,
            each.here,
        )
        for each in CONTRADICTIONS
    ]
    grid = Grid(
        "contradictions",
        "Statements of the paper that cannot all be true, and what is done about them",
        ("where", "as printed", "what follows", "here"),
        rows,
        kind="words",
    )
    return Section("contradictions", "Where the paper disagrees with itself", laid_out(grid))


def reasons(rows: Sequence[ComparisonRow]) -> Html:
    """What the short reasons of these rows mean, each once."""
    met: dict[str, Reason] = {}
    for row in rows:
        for reason in row.expectation.reasons:
            met.setdefault(reason.short, reason)
    items = [joined(element("dt", each.short), element("dd", each.words)) for each in met.values()]
    return element("dl", *items, class_="reasons") if items else joined()


def all_rows(content: ReportContent) -> list[ComparisonRow]:
    """Every number that is compared."""
    return [row for part in _PAPER.values() for row in part.rows(content)]


def figures(pictures: Sequence[Picture]) -> Html:
    """Pictures with their captions."""
    return joined(*(_figure(picture) for picture in pictures))


def _figure(picture: Picture) -> Html:
    image = element(
        "img",
        src=picture.source,
        alt=picture.alternative,
        width=picture.width,
        height=picture.height,
        decoding="async",
    )
    words = picture.caption or f"{picture.title}: without a caption."
    return element("figure", image, element("figcaption", words), id=f"figure-{name_of(picture.name)}")


def _tile(row: ComparisonRow) -> Html:
    pairs = (
        ("this run", replace(row, ours=replace(row.ours, interval=None)).ours_text, "ours"),
        ("printed", row.printed_text, "printed"),
        ("difference", row.difference_text, None),
        ("could agree?", verdict(row.expectation.verdict), None),
    )
    lines = [
        element("div", element("dt", name), element("dd", text, class_=kind)) for name, text, kind in pairs
    ]
    return element("li", element("h3", row.headline), element("dl", *lines))


def _gaps(content: ReportContent) -> Html | None:
    if not content.missing:
        return None
    items = [element("li", sentence) for sentence in content.missing]
    return element("div", element("h3", "What is missing here"), element("ul", *items), class_="gap")


def _contradictions_here(name: str) -> Html | None:
    found = of_place(name)
    if not found:
        return None
    return element(
        "aside",
        element("h3", "Where the paper disagrees with itself here"),
        element("ul", *(_contradiction(each) for each in found)),
        aria_label=f"Contradictions of the paper, {PAPER_TABLES[name].split('.')[0]}",
        class_="contradictions",
    )


def _contradiction(each: Contradiction) -> Html:
    link = element("a", each.where, href=f"#contradiction-{each.name}")
    return element("li", link, f": {each.printed}. {each.follows} {each.here}")


def _pictures_of(content: ReportContent, name: str) -> list[Picture]:
    """Pictures whose name holds a word of the section, unless an earlier section's word is in it."""
    return [picture for picture in content.pictures if _section_of(picture) == name]


def _section_of(picture: Picture) -> str | None:
    file = picture.name.lower()
    if file.startswith(tuple(start for extra in _EXTRAS for start in extra.figures if start)):
        return None
    exact = [(word, name) for name, part in _PAPER.items() for word in part.figures if word in file]
    return max(exact, key=lambda found: (not found[0].endswith("-"), len(found[0])))[1] if exact else None
