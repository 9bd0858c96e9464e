"""HTML of escaped parts."""

import pytest

from SarcopeniaAssessLib.markup import Html, element, joined, name_of, raw, text_of


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
