"""Tables as HTML, read back by html.parser."""

import pytest

from SarcopeniaTraining.report_page.comparison_rows import ComparisonRow, Measured
from SarcopeniaTraining.report_page.expectation import (
    PHANTOMS,
    RANDOM_START,
    UNEXPECTED,
    Expectation,
    Verdict,
)
from SarcopeniaTraining.report_page.shown_table import Group, ShownTable
from SarcopeniaTraining.report_page.table_parts import Grid, comparison, laid_out, shown_table
from Testing.training.report_page.read_html import read


def table(columns=3, rows=(("1", "a", "0.5"), ("2", "b", "–")), name="t", groups=None):
    headings = tuple(f"h{n}" for n in range(columns))
    foot = (("mean ± sd", "–", "0.5"),) if columns == 3 else ()
    return ShownTable(name, "Title", groups or (Group("", columns),), headings, rows, foot, ("Note.",), ())


def test_caption_scopes_and_a_region_that_scrolls_by_keyboard():
    page = read(shown_table(table()))
    (region,) = page.all("div", role="region")
    (caption,) = page.all("caption")
    assert (region["tabindex"], region["aria-labelledby"]) == ("0", caption["id"])
    assert [cell["scope"] for cell in page.all("th")] == ["col"] * 3 + ["row"] * 3
    assert {cell["aria-sort"] for cell in page.all("th", scope="col")} == {"none"}
    assert page.inside("th", "button") == 3


def test_numbers_sort_as_numbers_and_unknown_ones_do_not():
    page = read(shown_table(table()))
    assert [cell.get("data-value") for cell in page.all("td")] == [None, "0.5", None, None, None, "0.5"]


def test_a_column_with_a_word_is_no_number():
    rows = (("1", "4 (misprint)", "ResNet50"), ("2", "5", "3"))
    page = read(shown_table(table(rows=rows)))
    assert [cell.get("data-value") for cell in page.all("td")][:4] == ["4.0", None, "5.0", None]


def test_what_sums_up_stands_in_the_foot():
    page = read(shown_table(table()))
    assert page.inside("tbody", "tr") == 2
    assert page.inside("tfoot", "tr") == 1


def test_groups_stand_above_their_columns():
    page = read(shown_table(table(groups=(Group("ours", 2), Group("theirs", 1)))))
    assert [(cell["colspan"], cell["scope"]) for cell in page.all("th", scope="colgroup")] == [
        ("2", "colgroup"),
        ("1", "colgroup"),
    ]


def test_a_very_wide_table_is_parted_by_source_with_its_keys():
    rows = tuple(tuple(f"{letter}{n}" for n in range(22)) for letter in "ab")
    rows += (("c0", "c1", *["c"] * 11, *["–"] * 9),)
    wide = table(22, rows, "table2", (Group("ours", 13), Group("theirs", 9)))
    page = read(shown_table(wide))
    assert page.texts("caption") == ["Title: ours", "Title: theirs"]
    assert len(page.all("th", scope="col")) == 13 + 2 + 9
    assert page.texts("th", scope="row") == ["a0", "b0", "c0", "a0", "b0"]


def test_a_row_of_which_a_source_says_nothing_is_left_out_of_its_part():
    rows = (tuple("a" * 22), (*"b" * 13, "2", *["–"] * 8))
    page = read(shown_table(table(22, rows, "table4", (Group("ours", 13), Group("theirs", 9)))))
    assert page.texts("th", scope="row") == ["a", "b", "a"]


def test_a_long_table_is_folded_and_says_where_it_lies():
    page = read(shown_table(table(rows=tuple((str(n), "a", "b") for n in range(61)))))
    assert page.texts("summary") == ["Title (61 rows; tables/t.csv holds them all)"]


def test_cells_are_escaped():
    page = read(laid_out(Grid("x", "<b>", ("<i>",), [("<script>x</script>",)])))
    assert page.all("script") == page.all("i") == page.all("b") == []
    assert page.texts("th", scope="row") == ["<script>x</script>"]


@pytest.mark.parametrize("columns", [10, 11])
def test_from_eleven_columns_on_it_is_printed_across(columns):
    page = read(shown_table(table(columns, (tuple("a" * columns),))))
    assert ("wide" in page.all("div", role="region")[0]["class"].split()) is (columns == 11)


def test_reasons_of_all_rows_are_said_once():
    rows = [
        ComparisonRow("a", Measured(0.5), Measured(0.7), Expectation(Verdict.NO, (PHANTOMS,))),
        ComparisonRow("b", Measured(0.5), Measured(0.7), Expectation(Verdict.NO, (PHANTOMS, RANDOM_START))),
    ]
    page = read(comparison(rows, "c", "Caption"))
    assert page.texts("p") == ["For all numbers of this table: phantoms."]
    assert page.texts("td")[4::5] == ["as all here", "random start, as all here"]


def test_what_was_not_run_has_no_share_in_them():
    reasons = Expectation(Verdict.NO, (PHANTOMS,))
    rows = [ComparisonRow(name, Measured(0.5), Measured(0.7), reasons) for name in "ab"]
    rows.append(ComparisonRow("c", Measured(None), Measured(0.7), UNEXPECTED))
    page = read(comparison(rows, "c", "Caption"))
    assert page.texts("p") == ["For all numbers of this table: phantoms."]
    assert page.texts("td")[-2:] == ["not run", "not part of this run"]


def test_no_reason_at_all():
    row = ComparisonRow("a", Measured(0.5), Measured(0.7), Expectation(Verdict.YES))
    page = read(comparison([row], "c", "Caption"))
    assert page.texts("td")[3:] == ["yes", "–"]
