"""Table 1: own AUCs over sets beside the printed ones, the start in the heading, the contradictions told."""

import csv
import io

import pytest

from SarcopeniaTraining.classification.classifier_run import read_classification
from SarcopeniaTraining.classification.run_scores import combinations, score_runs
from SarcopeniaTraining.classification.run_words import run_words
from SarcopeniaTraining.classification.table_1 import table_1
from SarcopeniaTraining.table_files import csv_text, latex_text, markdown_text
from Testing.training.classification.made_runs import draw_classification, random_records, record

RECORDS = [
    record(number=1, test=((0.9, 0.8), (0.2, 0.1)), validation=((0.9, 0.1), (0.2, 0.3))),
    record(number=2, test=((0.9, 0.15), (0.2, 0.1)), validation=((0.9, 0.8), (0.2, 0.3))),
    record("DenseNet121", "freezeall", number=1, test={"N1": (False, 0.7)}),
]


def table_of(folder, records, **given):
    run = read_classification(draw_classification(folder, records, **given))
    return table_1(combinations(score_runs(run.records, {})), run_words(run))


def rows_of(table):
    return {(row["network"], row["scheme"]): row for row in csv.DictReader(io.StringIO(csv_text(table)))}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("table") / "made", RECORDS)


def test_own_numbers_by_hand(table):
    # Set 1: all 4 pairs in order; set 2: 0.15 lies below 0.2, so 3 of 4.
    own = rows_of(table)["ResNet50", "unfreezeall"]
    assert float(own["auc_mean"]) == pytest.approx(0.875)
    assert float(own["auc_sd"]) == pytest.approx(0.25 / 2**0.5)
    assert (own["sets"], own["test_readings"], own["test_sarcopenic"]) == ("2", "8", "4")
    assert float(own["validation_auc_mean"]) == pytest.approx((0.5 + 1) / 2)
    assert own["auc_low_95"] == ""  # two sarcopenic people have no interval


def test_what_cannot_be_told_is_empty(table):
    own = rows_of(table)["DenseNet121", "freezeall"]
    assert (own["sets"], own["auc_mean"], own["auc_sd"]) == ("0", "", "")
    assert own["printed_auc_mean"] == "0.79"


def test_printed_numbers_in_their_order_and_in_a_block_of_their_own(table):
    rows = rows_of(table)
    assert len(rows) == 12
    assert next(iter(rows)) == ("InceptionV3", "unfreezeall")
    assert (
        rows["ResNet50", "unfreezeall"]["printed_auc_mean"],
        rows["InceptionV3", "unfreezeall"]["sets"],
    ) == (*("0.83", ""),)
    assert table.blocks[-1].heading == "printed, Bhardwaj et al. 2025, their patients"
    assert not any(name.startswith("printed_") for block in table.blocks[:-1] for name in block.names)


def test_the_heading_says_the_start_and_the_notes_the_contradictions(table):
    assert table.blocks[0].heading == "this run (made, preset made, random start)"
    notes = markdown_text(table).split("\n\n")[-1]
    for words in ("(10 bootstrap)", "names three networks", "cannot be expected to agree", "79 patients"):
        assert words in notes
    assert "LEAK" not in notes


def test_radimagenet_has_no_note_of_a_random_start(tmp_path):
    start = {"ResNet50": {"file": "x.h5", "sha256": "0" * 64}}
    table = table_of(tmp_path / "made", [record(start="radimagenet")], start=start)
    assert table.blocks[0].heading.endswith("RadImageNet start)")
    assert "cannot be expected to agree" not in markdown_text(table)


def test_a_leak_is_the_first_thing_said(tmp_path):
    table = table_of(tmp_path / "made", [record()], leak=True)
    assert table.blocks[0].heading.endswith(", LEAK)")
    assert table.notes[0].startswith("LEAK: ")


def test_class_weights_are_told(tmp_path):
    table = table_of(tmp_path / "made", [record(class_weights=True)])
    assert any("class weights on" in note for note in table.notes)


def test_ten_sets_of_79_people_have_intervals(tmp_path):
    rows = rows_of(table_of(tmp_path / "made", random_records(networks=("ResNet50",))))
    own = rows["ResNet50", "unfreezeall"]
    assert own["sets"] == "10"
    assert float(own["auc_low_95"]) < float(own["auc_mean"]) < float(own["auc_high_95"])
    assert (own["test_readings"], own["test_sarcopenic"]) == ("130", "30")


def test_latex_holds_its_signs(table):
    assert r"$\pm$" in latex_text(table)
    assert "±" not in latex_text(table)
