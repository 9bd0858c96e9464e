"""Tables as `write_table` leaves them, read back."""

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.report_page.shown_table import Group, number_in, read_table
from SarcopeniaTraining.table_files import Block, Shown, Table, mean_sd, number, word, write_table

OWN = Block(
    "this run",
    ("fold", "dice_mean", "dice_sd"),
    (Shown("fold", word("fold")), Shown("Dice", mean_sd("dice_mean", "dice_sd", 2))),
)
PRINTED = Block("printed", ("printed_dice",), (Shown("Dice, printed", number("printed_dice", 2)),))
ROWS = (
    {"fold": 1, "dice_mean": 0.9123, "dice_sd": 0.02, "printed_dice": 0.9},
    {"fold": "2 | b", "dice_mean": None, "dice_sd": None, "printed_dice": 0.98},
    {"fold": "mean of folds", "dice_mean": 0.9123, "dice_sd": None, "printed_dice": 0.94},
)


@pytest.fixture
def folder(tmp_path):
    table = Table("table3", "Table 3. Dice", (OWN, PRINTED), ROWS, ("First | note.", "Second note."))
    write_table(table, tmp_path)
    return tmp_path


def test_as_shown_and_in_full(folder):
    table = read_table(folder, "table3")
    assert (table.title, table.headings) == ("Table 3. Dice", ("fold", "Dice", "Dice, printed"))
    assert table.groups == (Group("this run", 2), Group("printed", 1))
    assert table.rows == (("1", "0.91 ± 0.02", "0.90"), ("2 | b", "–", "0.98"))
    assert table.notes == ("First | note.", "Second note.")
    assert table.row(fold="1")["dice_mean"] == "0.9123"
    assert table.row(fold="2 | b")["dice_mean"] == ""
    assert table.row(fold="7") is None


def test_what_sums_up_stands_apart(folder):
    assert read_table(folder, "table3").summary_rows == (("mean of folds", "0.91", "0.94"),)


def test_a_row_that_only_begins_alike_does_not_sum_up(tmp_path):
    rows = ({"fold": 1}, {"fold": "mean of folds, again"})
    write_table(Table("t", "T", (OWN,), rows), tmp_path)
    assert [row[0] for row in read_table(tmp_path, "t").rows] == ["1", "mean of folds, again"]


def test_without_markdown_the_csv_is_shown(folder):
    (folder / "table3.md").unlink()
    table = read_table(folder, "table3")
    assert table.headings == ("fold", "dice mean", "dice sd", "printed dice")
    assert table.rows[1] == ("2 | b", "–", "–", "0.98")
    assert not table.has_groups


def test_without_csv_there_are_no_values(folder):
    (folder / "table3.csv").unlink()
    table = read_table(folder, "table3")
    assert (table.values, table.rows[0][0]) == ((), "1")


def test_no_table(tmp_path):
    assert read_table(tmp_path, "table3") is None


@pytest.mark.parametrize(
    "text",
    ["# Only a title\n", "| a | b |\n| --- | --- |\n| **a** | **b** |\n| 1 |\n"],
    ids=["no grid", "a row too short"],
)
def test_a_damaged_table_is_one_line(tmp_path, text):
    (tmp_path / "table1.md").write_text(text)
    with pytest.raises(InputError, match=r"table1\.md .*; make the table again"):
        read_table(tmp_path, "table1")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "table1.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="table table1 cannot be read"):
        read_table(tmp_path, "table1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.901 ± 0.033", 0.901),
        ("−3.18 %", -3.18),
        ("+1.5", 1.5),
        ("15 of 16", 15.0),
        ("4 (misprint)", 4.0),
        ("1e-5", 1e-5),
        ("–", None),
        ("yes", None),
    ],
)
def test_numbers_by_which_cells_are_sorted(text, value):
    assert number_in(text) == value
