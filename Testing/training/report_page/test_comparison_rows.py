"""Ours, theirs and the difference; ours are written by hand, theirs are the paper's."""

import csv
import io

import pytest

from SarcopeniaTraining.report_page.circumstances import Circumstances, Cohort, Data
from SarcopeniaTraining.report_page.comparison_rows import (
    ComparisonRow,
    Measured,
    table_1_rows,
    table_2_rows,
    table_3_rows,
    table_4_rows,
)
from SarcopeniaTraining.report_page.expectation import (
    BY_NUMBER,
    MIXED_SIGNS,
    NOT_RUN,
    Expectation,
    Verdict,
)
from SarcopeniaTraining.report_page.shown_table import Group, ShownTable
from Testing.training.report_page.test_expectation import CLASSIFICATION, SEGMENTATION

TOLD = Circumstances("smoke", None, Cohort(Data.PHANTOMS), SEGMENTATION, CLASSIFICATION)
NO = Expectation(Verdict.NO)


def tables(name, text):
    rows = tuple(csv.DictReader(io.StringIO(text)))
    return {name: ShownTable(name, name, (Group("", 1),), ("a",), (), (), (), rows)}


TABLE_1 = tables(
    "table1",
    "network,scheme,auc_mean,auc_sd,auc_low_95,auc_high_95\n"
    "ResNet50,freezeall,0.5,0.1,0.4,0.6\n"
    "DenseNet121,unfreezeall,0.91,,,\n",
)
TABLE_2 = tables(
    "table2",
    "network,readings,scheme,accuracy,precision,f1,tp,fp,fn,tn\n"
    "DenseNet121,best on validation,freezeall,0.75,,0,0,0,3,9\n"
    "DenseNet121,all sets,freezeall,0.1,0.1,0.1,1,1,1,1\n",
)
TABLE_3 = tables(
    "table3",
    "fold,dice_mean,dice_sd,sma_error_mean_percent,sma_error_sd_percent,sma_abs_error_mean_percent\n"
    "2,0.9,0.03,-1.5,4,3\n"
    "4,0.95,0.01,1,2,2.17\n"
    "mean of folds,0.925,0.0354,-0.25,1.8,2.585\n",
)
TABLE_4 = tables(
    "table4",
    "row,case,truth_sarcopenic,predicted_sarcopenic,dice,sma_error_percent\n"
    "1,P1,no,no,0.9,-2\n"
    "2,P2,no,yes,0.8,1\n"
    "3,P3,yes,undetermined,0.7,7\n"
    "4,,,,,\n"
    "mean ± sd,,,,0.8,2\n",
)


def by_name(rows):
    return {row.quantity: row for row in rows}


def text(row):
    return [part.replace("\xa0", " ") for part in (row.ours_text, row.printed_text, row.difference_text)]


def test_table_1_has_twelve_rows_in_the_printed_order():
    rows = table_1_rows(TABLE_1, TOLD)
    assert len(rows) == 12
    assert (rows[0].quantity, rows[-1].quantity) == ("InceptionV3, unfreezeall", "ResNet50, freezeall")


def test_table_1_by_hand():
    rows = by_name(table_1_rows(TABLE_1, TOLD))
    assert text(rows["ResNet50, freezeall"]) == ["0.50 ± 0.10 (0.40 … 0.60)", "0.73 ± 0.08", "−0.23"]
    assert text(rows["DenseNet121, unfreezeall"]) == ["0.91", "0.88 ± 0.07", "+0.03"]


def test_what_this_run_has_not_is_not_compared():
    row = by_name(table_1_rows(TABLE_1, TOLD))["InceptionV3, freezeall"]
    assert text(row) == ["–", "0.81 ± 0.06", "–"]
    assert row.expectation.reasons == (NOT_RUN,)
    assert all(row.expectation.reasons == (NOT_RUN,) for row in table_4_rows({}, TOLD))


def test_table_2_takes_the_run_that_was_best_on_validation():
    rows = by_name(table_2_rows(TABLE_2, TOLD))
    assert text(rows["DenseNet121: accuracy"]) == ["0.75", "0.92", "−0.17"]
    assert text(rows["DenseNet121: TP/FP/FN/TN"]) == ["0/0/3/9", "2/0/1/10", "–"]
    assert text(rows["InceptionV3: TP/FP/FN/TN"])[1] == "1/0/2/10"


def test_a_precision_of_nobody_is_undefined_and_not_missing():
    row = by_name(table_2_rows(TABLE_2, TOLD))["DenseNet121: precision"]
    assert text(row) == ["undefined", "1.00", "–"]
    assert NOT_RUN not in row.expectation.reasons


def test_table_3_means_over_folds_are_compared():
    row = table_3_rows(TABLE_3, TOLD)[0]
    # The printed mean of 0.90 0.98 0.87 0.93 0.88 0.87 0.88 0.91 0.89 0.90 is 9.01 / 10.
    assert text(row) == ["0.925 ± 0.035", "0.901 ± 0.033", "+0.024"]
    assert row.expectation.verdict is Verdict.NO


def test_table_3_folds_share_only_their_number():
    row = by_name(table_3_rows(TABLE_3, TOLD))["fold 2: Dice, mean ± sd over patients"]
    assert text(row) == ["0.90 ± 0.03", "0.98 ± 0.05", "−0.08"]
    assert (row.expectation.verdict, row.expectation.reasons[0]) == (Verdict.NO_PAIR, BY_NUMBER)


def test_table_3_signed_and_absolute_are_never_subtracted():
    rows = by_name(table_3_rows(TABLE_3, TOLD))
    mixed = rows["fold 2: area error, signed here"]
    assert text(mixed) == ["−1.50 ± 4.00 %", "+4.77 ± 7.82 %", "–"]
    assert mixed.expectation.reasons[0] is MIXED_SIGNS
    absolute = rows["fold 4: area error, mean of absolute errors"]
    assert text(absolute) == ["2.17 %", "3.17 ± 4.67 %", "−1.00 points"]


def test_table_4_by_hand():
    rows = by_name(table_4_rows(TABLE_4, TOLD))
    assert text(rows["absolute area error, mean"]) == ["3.33 %", "3.17 %", "+0.16 points"]
    assert text(rows["absolute area error, median"]) == ["2.00 %", "2.70 %", "−0.70 points"]
    assert text(rows["absolute area error, least"]) == ["1.00 %", "0.53 %", "+0.47 points"]
    assert text(rows["absolute area error, greatest"]) == ["7.00 %", "7.14 %", "−0.14 points"]
    # −2, 1 and 7: mean 2, squares of 4, 1 and 5 sum to 42, sd √21.
    assert text(rows["signed area error, mean ± sd"])[0] == "+2.00 ± 4.58 %"
    assert text(rows["Dice, mean over patients"])[0] == "0.800"


def test_only_patients_with_both_statuses_are_judged():
    row = by_name(table_4_rows(TABLE_4, TOLD))["status right"]
    assert text(row) == ["1 of 2", "16 of 16", "−50 points"]


def test_one_headline_of_table_1_and_2_each_and_four_of_the_others():
    made = [*table_1_rows(TABLE_1, TOLD), *table_2_rows(TABLE_2, TOLD)]
    made += [*table_3_rows(TABLE_3, TOLD), *table_4_rows(TABLE_4, TOLD)]
    assert [row.headline for row in made if row.headline] == [
        "AUC, InceptionV3, unfreezeall",
        "Accuracy, DenseNet121",
        "Dice, mean of the folds",
        "Dice, best fold",
        "Absolute area error, best fold",
        "Status right, best fold",
    ]


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (ComparisonRow("a", Measured(0.8849), Measured(0.88), NO), "+0.00"),
        (ComparisonRow("a", Measured(3.0), Measured(1.0), NO, 1, "mm"), "+2.0 mm"),
        (ComparisonRow("a", Measured(3.0), Measured(1.0), NO, subtracted=False), "–"),
        (ComparisonRow("a", Measured(None, text="?"), Measured(1.0), NO), "–"),
    ],
)
def test_differences(row, shown):
    assert row.difference_text.replace("\xa0", " ") == shown
