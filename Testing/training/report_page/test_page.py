"""The whole page, read by html.parser: landmarks, headings, tables, figures, and that nothing leaks in."""

import json
import re
from itertools import pairwise

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE
from SarcopeniaTraining.report_page.content import collect
from SarcopeniaTraining.report_page.contradictions import CONTRADICTIONS
from SarcopeniaTraining.report_page.page import page_html, write_report
from Testing.training.report_page.read_html import read
from Testing.training.reproduced_folder import draw_reproduction


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw_reproduction(tmp_path_factory.mktemp("page") / "whole")


@pytest.fixture(scope="module")
def text(folder):
    return write_report(folder).read_text("utf-8")


@pytest.fixture(scope="module")
def page(text):
    return read(text)


def test_landmarks(page):
    for tag in ("header", "main", "footer", "nav"):
        assert len(page.all(tag)) == 1, tag
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a", class_="skip") == [{"href": "#main", "class": "skip"}]


def test_headings_come_in_order(page):
    levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch(r"h\d", e["tag"])]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_of_the_page_leads_somewhere(page):
    names = [e["attributes"]["id"] for e in page.elements if "id" in e["attributes"]]
    assert len(names) == len(set(names))
    inner = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    assert set(inner) <= set(names)
    sections = [each["id"] for each in page.all("section")]
    assert [name for name in inner if name in sections] == sections  # the contents, in order


def test_labels_name_what_is_there(page):
    names = {e["attributes"]["id"] for e in page.elements if "id" in e["attributes"]}
    labelled = [
        e["attributes"]["aria-labelledby"] for e in page.elements if "aria-labelledby" in e["attributes"]
    ]
    assert set(labelled) <= names


def test_every_table_has_a_caption_scopes_and_buttons(page):
    tables = len(page.all("table"))
    assert tables == len(page.all("caption")) >= 12
    assert all(cell["scope"] in ("col", "row", "colgroup") for cell in page.all("th"))
    assert all(text for text in page.texts("caption"))
    assert page.inside("thead", "button") == len(page.all("th", scope="col"))


def test_every_picture_is_part_of_the_page_and_has_words(page):
    pictures = page.all("img")
    assert len(pictures) == 5
    assert all(image["src"].startswith("data:image/png;base64,") for image in pictures)
    assert all(len(image["alt"]) > 20 and int(image["width"]) > 100 for image in pictures)
    assert page.inside("figure", "img") == 5


def test_nothing_is_fetched(page, text):
    fetched = [
        value
        for e in page.elements
        for name, value in e["attributes"].items()
        if name in ("src", "srcset", "action") or (name == "href" and e["tag"] == "link")
    ]
    assert all(value.startswith("data:") for value in fetched)
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in page.all("meta", http_equiv="Content-Security-Policy")[0]["content"]


def test_what_the_page_must_say(page, text):
    assert RESEARCH_SENTENCE in page.texts("header")[0]
    assert RESEARCH_SENTENCE in page.texts("footer")[0]
    assert "arXiv 2508.17275" in text
    assert "on phantoms, which are drawn by a program and show nobody" in text
    for each in CONTRADICTIONS:
        assert page.all("span", id=f"contradiction-{each.name}"), each.name


def test_contradictions_stand_where_they_occur(page):
    asides = page.texts("aside")
    assert len(asides) == 4
    assert "194.86" in asides[3]
    assert "three in section 3.3" in asides[0]
    assert "one positive case found, two missed" in asides[1]
    assert "17 sarcopenic and 62 not" in asides[2]


def test_facts_of_the_run(page):
    rows = page.texts("tr")
    for wanted in ("cohort, seed of the phantoms5", "classifiers, seed7", "segmentation, seed1"):
        assert wanted in rows
    assert any("keras 3.15.1" in row and "torch 2.13.0" in row for row in rows)


def test_no_path_of_this_machine(folder, text):
    assert str(folder) not in text
    assert "/tmp/" not in text


def test_the_same_folder_gives_the_same_bytes(folder, text):
    assert page_html(collect(folder)) == text


def test_figures_stand_with_their_tables(page):
    place = {}
    for e in page.elements:
        if e["tag"] == "section":
            current = e["attributes"]["id"]
        if e["tag"] == "figure" and "id" in e["attributes"]:
            place[e["attributes"]["id"]] = current
    assert place == {
        "figure-classify-roc-png": "table1",
        "figure-classify-confusion-png": "table2",
        "figure-segment-bland-altman-png": "table4",
        "figure-segment-regression-png": "table4",
        "figure-explain-grad-cam-png": "explanations",
    }


def test_a_part_says_what_is_missing(tmp_path):
    part = read(
        write_report(draw_reproduction(tmp_path / "part", only="segment", pictures=False)).read_text()
    )
    gaps = [e["text"] for e in part.elements if e["attributes"].get("class") == "gap"]
    assert "Table 1. AUC of the classifiers is missing: this run was asked for --only segment." in gaps[0]
    assert gaps[1:] == ["Not part of this run."] * 2
    assert len(part.all("section")) >= 8


def test_words_of_files_stay_words(tmp_path):
    folder = draw_reproduction(tmp_path / "bad", only="classify", pictures=False)
    facts = json.loads((folder / "reproduction.json").read_text())
    facts["preset"]["name"] = "<script>alert(1)</script>"
    facts["steps"][0]["title"] = "<img src=x onerror=alert(1)>"
    (folder / "reproduction.json").write_text(json.dumps(facts))
    table = folder / "tables" / "table1.md"
    table.write_text(table.read_text().replace("# Table 1.", "# Table 1. </caption><script>"))
    found = read(write_report(folder).read_text("utf-8"))
    assert len(found.all("script")) == 1
    assert found.all("img") == []


def test_a_folder_that_cannot_be_written_keeps_the_old_page(tmp_path, monkeypatch):
    from SarcopeniaTraining.report_page import page as module

    folder = draw_reproduction(tmp_path / "full", only="classify", pictures=False)
    (folder / "report.html").write_text("old")

    def full(path, content):
        raise OutputError("no space left", "make room")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(OutputError, match="no space left"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "old"
