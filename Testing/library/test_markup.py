"""HTML of escaped parts, and pages of it that fetch nothing."""

import re
from html import unescape

import pytest

from SarcopeniaAssessLib.markup import Html, element, html_page, joined, name_of, page_style, raw, text_of


def test_text_stays_text():
    assert element("td", "<script>alert('a')</script> & co") == (
        "<td>&lt;script&gt;alert(&#x27;a&#x27;)&lt;/script&gt; &amp; co</td>"
    )


def test_an_attribute_cannot_be_left():
    made = element("img", alt='" onerror="alert(1)')
    assert made == '<img alt="&quot; onerror=&quot;alert(1)">'


def test_elements_nest_unescaped():
    assert element("p", "a < b ", element("b", "c")) == "<p>a &lt; b <b>c</b></p>"
    assert element("p", raw("<i>x</i>")) == "<p><i>x</i></p>"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"class_": "wide"}, '<p class="wide"></p>'),
        ({"aria_sort": "none"}, '<p aria-sort="none"></p>'),
        ({"disabled": True}, "<p disabled></p>"),
        ({"disabled": False, "id": None}, "<p></p>"),
        ({"data_value": 0}, '<p data-value="0"></p>'),
    ],
)
def test_attributes(given, wanted):
    assert element("p", **given) == wanted


def test_void_elements_have_no_end():
    assert element("img", src="data:,") == '<img src="data:,">'


def test_nothing_and_numbers():
    assert joined(None, 1, " ", 2.5) == "1 2.5"
    assert isinstance(text_of("a"), Html)


@pytest.mark.parametrize(
    ("words", "name"),
    [("Table 1. AUC", "table-1-auc"), ("a_b/c.png", "a-b-c-png"), ("…", "part")],
)
def test_names_of_anchors(words, name):
    assert name_of(words) == name


def test_a_page_obeys_its_own_style_and_script_alone():
    text = html_page("a < b", "p {}", "f()", element("body", element("script", raw("f()"))))
    assert text.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">')
    assert text.endswith("<body><script>f()</script></body></html>\n")
    assert "<title>a &lt; b</title>" in text
    assert "<style>p {}</style>" in text
    policy = unescape(re.search('Content-Security-Policy" content="([^"]*)"', text)[1])
    assert policy == (
        "default-src 'none'; img-src data:; "
        "style-src 'sha256-SNJDlN1Iy2mnt7DOjQIyDb2LQE6O5PQiSZomcdzawQ4='; "
        "script-src 'sha256-GcEEE0IkDzIP5EQ6DXZaDPORqT5RTBELX8Fyzyg9yvo='; "
        "base-uri 'none'; form-action 'none'"
    )


def test_what_all_pages_have_comes_before_their_own_style():
    style = page_style("p {}")
    assert style.startswith("/*")
    assert ":focus-visible" in style
    assert style.endswith("p {}")
