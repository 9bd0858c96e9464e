"""The page as text: nothing of it can run, nothing identifies anyone, nothing is fetched."""

import json
import re
from html.parser import HTMLParser

import pytest

from SarcopeniaAssessLib.criteria import STATUS_SENTENCES
from SarcopeniaAssessLib.overview.case_row import row_of
from SarcopeniaAssessLib.overview.page import PageContent, page_html
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE
from Testing.library.overview.made_decisions import automatic, decided

BREAKING = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "</script x",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "]]>&lt;b&gt;",
    "\u2028alert(1)//",
]


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text inside scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts.append(data)


def page(*rows, **given):
    return page_html(PageContent(rows, **given), [])


def hostile(text):
    made = automatic()
    made["quality"] = [{"code": text, "severity": "warning", "message": text}]
    made["status"] = {**made["status"], "criterion": text}
    made["other_criteria"] = [{**made["other_criteria"][0], "criterion": text + "2", "reason": text}]
    made["model"] = {**made["model"], "name": text}
    made["l3"] = {**made["l3"], "method": text}
    made["id"] = text
    return row_of(text, made)


@pytest.mark.parametrize("text", BREAKING)
def test_no_text_of_a_record_becomes_an_element_or_ends_a_script(text):
    plain, broken = Elements(page(row_of("one", automatic()))), Elements(page(hostile(text), notes=[text]))
    assert {tag for tag, _ in broken.found} <= {tag for tag, _ in plain.found} | {"li", "ul"}
    assert len(broken.scripts) == len(plain.scripts) == 2
    assert not [name for _, attributes in broken.found for name in attributes if name.startswith("on")]
    assert not set(broken.scripts[0]) & set("<>&\u2028")
    data = json.loads(broken.scripts[0])
    assert data["cases"][0][0] == text
    assert data["findings"] == [["warning", text, text]]


def test_only_its_own_style_and_script_are_obeyed_and_nothing_is_fetched():
    text = page(row_of("one", automatic()))
    policy = next(
        a["content"] for t, a in Elements(text).found if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "form-action 'none'" in policy
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", text)


def test_the_words_that_belong_beside_a_status_are_there():
    text = page(row_of("one", automatic()))
    for sentence in (RESEARCH_SENTENCE, *STATUS_SENTENCES):
        assert sentence in text


def test_neither_reviewer_nor_comment_nor_hash_is_on_the_page():
    text = page(row_of("one", automatic(), decided(review={"comment": "Mr Malfoy looks ill"})))
    assert "136.0 cm²" in text
    assert not any(word in text for word in ("Quirrell", "Mungo", "Malfoy", "ab" * 32, "ee" * 32))


def test_rows_refer_to_words_that_are_stored_once():
    rows = [row_of(name, automatic(name)) for name in ("a", "b", "c")]
    data = json.loads(Elements(page(*rows)).scripts[0])
    first = dict(zip(data["fields"], data["cases"][0], strict=True))
    assert (first["name"], first["smaText"], first["status"], first["borderline"]) == (
        "a",
        "143.96 cm²",
        0,
        1,
    )
    assert first["away"] == pytest.approx(0.04)
    assert data["words"].count("Bhardwaj 2025, men: SMA < 144 cm²") == 1
    assert data["words"][first["rule"]] == "Bhardwaj 2025, men: SMA < 144 cm²"
    assert data["criteria"] == ["Bhardwaj 2025, SMA", "Derstine 2018, SMI", "Martin 2013, SMI"]
    assert first["judged"] == "snu"
    assert data["findings"] == [["warning", "thick_slices", "Slices are 6 mm apart."]]


def test_a_case_falls_into_the_bin_of_its_unrounded_area():
    areas = {"a": 84.9996, "b": 85.0, "c": 80.0}
    rows = [row_of(name, automatic(name, muscle={"sma_cm2": sma})) for name, sma in areas.items()]
    rows.append(row_of("d", automatic("d", quality=[{"code": "x", "severity": "error", "message": "X."}])))
    data = json.loads(Elements(page(*rows)).scripts[0])
    assert [case[data["fields"].index("bin")] for case in data["cases"]] == [0, 1, 0, None]


def test_equal_content_gives_equal_bytes():
    rows = [row_of(name, automatic(name)) for name in ("a", "b")]
    assert page(*rows) == page(*rows)


def test_pictures_come_behind_the_script_in_blocks():
    rows = [row_of(f"c{n}", automatic(f"c{n}")) for n in range(3)]
    text = page_html(PageContent(rows), [(f"id{n}", "data:image/webp;base64,AA==") for n in range(251)])
    blocks = re.findall(r'<script type="application/json" class="pictures">(.*?)</script>', text)
    assert [len(json.loads(block)) for block in blocks] == [250, 1]
    assert text.index('class="pictures"') > text.index('"use strict"')


def test_a_page_that_lies_elsewhere_links_nothing():
    data = json.loads(Elements(page(row_of("one", automatic()), folder=None)).scripts[0])
    assert data["folder"] is None
