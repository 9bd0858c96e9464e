"""Which section a table or a figure stands in, by the names that the steps of a reproduction give them."""

import pytest

from SarcopeniaTraining.report_page.circumstances import Circumstances, Cohort
from SarcopeniaTraining.report_page.content import ReportContent
from SarcopeniaTraining.report_page.pictures import Picture
from SarcopeniaTraining.report_page.sections import extras, paper_section
from SarcopeniaTraining.report_page.shown_table import Group, ShownTable
from Testing.training.report_page.read_html import read

PLACES = {
    "classify-auc.png": "table1",
    "classify-roc.png": "table1",
    "classify-training.png": "table1",
    "classify-confusion.png": "table2",
    "classify-reliability.png": "table2",
    "segment-curves.png": "table3",
    "segment-learning_curve.png": "table3",
    "segment-outlines_not_sarcopenic.png": "table4",
    "segment-outlines_sarcopenic.png": "table4",
    "segment-bland_altman.png": "table4",
    "segment-regression.png": "table4",
    "segment-comparison.png": "areas",
    "imbalance-imbalance.png": "imbalance",
    "two_routes-two_routes.png": "two-routes",
    "explain-maps_trained.png": "explanations",
    "explain-faithfulness.png": "explanations",
    "something.png": "more",
}
TABLES = {
    "agreement": "areas",
    "comparison": "areas",
    "imbalance": "imbalance",
    "two_routes": "two-routes",
    "two_routes_patients": "two-routes",
    "attribution": "explanations",
    "checks": "explanations",
    "runs": "more",
}


@pytest.fixture(scope="module")
def content():
    pictures = tuple(Picture(name, b"", 10, 10, "Words.") for name in PLACES)
    tables = {
        name: ShownTable(name, f"Title of {name}", (Group("", 1),), ("a",), (("1",),), (), (), ())
        for name in TABLES
    }
    told = Circumstances(None, None, Cohort(), None, None)
    return ReportContent("run", told, tables, pictures, (), {})


@pytest.fixture(scope="module")
def parts(content):
    return [*(paper_section(content, f"table{n}") for n in (1, 2, 3, 4)), *extras(content)]


def test_every_figure_stands_once_and_in_its_place(parts):
    found = {
        figure["id"]: part.name
        for part in parts
        for figure in read(part.html()).all("figure")
        if "id" in figure
    }
    wanted = {f"figure-{name.replace('.', '-').replace('_', '-')}": place for name, place in PLACES.items()}
    assert found == wanted


def test_every_table_beyond_the_papers_stands_in_its_place(parts):
    found = {
        caption.removeprefix("Title of "): part.name
        for part in parts
        for caption in read(part.html()).texts("caption")
        if caption.startswith("Title of ")
    }
    assert found == TABLES


def test_a_part_without_tables_and_figures_has_no_section():
    told = Circumstances(None, None, Cohort(), None, None)
    assert extras(ReportContent("run", told, {}, (), (), {})) == []


def test_a_paper_table_that_is_not_there_still_has_its_printed_numbers(content):
    page = read(paper_section(content, "table1").html())
    assert page.texts("h2") == ["Table 1. AUC of the classifiers"]
    rows = page.texts("tr")
    assert "InceptionV3, unfreezeall–0.88 ± 0.04–not runnot part of this run" in rows
    assert "Not part of this run." in page.texts("p")
