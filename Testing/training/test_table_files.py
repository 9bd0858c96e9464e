"""Tables as text: every value in full for machines, blocks kept apart for readers."""

import csv
import io

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.table_files import (
    Block,
    Shown,
    Table,
    csv_text,
    decimal_text,
    latex,
    latex_text,
    markdown_text,
    mean_sd,
    number,
    word,
    write_table,
)

OURS = Block(
    "this run",
    ("fold", "dice_mean", "dice_sd", "right"),
    (
        Shown("fold", word("fold")),
        Shown("Dice", mean_sd("dice_mean", "dice_sd", 2)),
        Shown("ok", word("right")),
    ),
)
THEIRS = Block(
    "printed, theirs",
    ("printed_error_percent",),
    (Shown("error (%)", number("printed_error_percent", 1, signed=True)),),
)
TABLE = Table(
    "t",
    "Ten_folds",
    (OURS, THEIRS),
    (
        {"fold": 1, "dice_mean": 1 / 3, "dice_sd": 0.0512, "right": True, "printed_error_percent": -3.16},
        {"fold": "a|b", "dice_mean": 0.5, "right": False},
    ),
    ("100 % of them",),
)


def test_csv_keeps_full_precision_and_leaves_the_unknown_empty():
    rows = list(csv.DictReader(io.StringIO(csv_text(TABLE))))
    assert list(rows[0]) == ["fold", "dice_mean", "dice_sd", "right", "printed_error_percent"]
    assert float(rows[0]["dice_mean"]) == 1 / 3
    assert rows[0]["right"] == "yes"
    assert rows[1] == {
        "fold": "a|b",
        "dice_mean": "0.5",
        "dice_sd": "",
        "right": "no",
        "printed_error_percent": "",
    }


def test_markdown_has_the_blocks_above_their_columns():
    lines = markdown_text(TABLE).splitlines()
    assert lines[2:] == [
        "| this run |  |  | printed, theirs |",
        "| --- | --- | --- | --- |",
        "| **fold** | **Dice** | **ok** | **error (%)** |",
        "| 1 | 0.33 ± 0.05 | yes | −3.2 |",
        "| a\\|b | 0.50 | no | – |",
        "",
        "1. 100 % of them",
    ]


def test_latex_rows_have_as_many_cells_as_the_tabular_has_columns():
    lines = latex_text(TABLE).splitlines()
    body = [line for line in lines if line.startswith(("fold &", "1 &", "a|b &"))]
    assert [line.count("&") for line in body] == [3, 3, 3]
    assert r"\begin{tabular}{llll}" in lines
    assert r"\multicolumn{3}{c}{this run} & \multicolumn{1}{c}{printed, theirs} \\" in lines
    assert r"\cmidrule(lr){1-3}\cmidrule(lr){4-4}" in lines
    assert r"1 & 0.33 $\pm$ 0.05 & yes & $-$3.2 \\" in lines
    assert r"\caption{Ten\_folds}" in lines


def test_latex_escapes():
    assert (
        latex("5 % of A_1 & {cm²} \\ ~") == r"5 \% of A\_1 \& \{cm$^2$\} \textbackslash{} \textasciitilde{}"
    )


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(-0.04, True, "+0.0"), (-0.06, False, "−0.1"), (2, True, "+2.0"), (None, False, "–")],
)
def test_numbers_as_printed(value, signed, text):
    assert decimal_text(value, 1, signed=signed) == text


def test_three_files_or_an_error_in_words(tmp_path):
    assert [path.name for path in write_table(TABLE, tmp_path)] == ["t.csv", "t.md", "t.tex"]
    assert (tmp_path / "t.csv").read_text().startswith("fold,dice_mean")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"t\.csv cannot be written"):
        write_table(TABLE, tmp_path / "file")
