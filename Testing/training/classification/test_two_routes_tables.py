"""Both routes as tables: how often each is right, and who is wrong where, nearest to the cut-off first."""

import csv
import io

import pytest

from SarcopeniaTraining.classification.two_routes import compare_routes
from SarcopeniaTraining.classification.two_routes_tables import routes_table, wrong_table
from SarcopeniaTraining.table_files import csv_text, markdown_text
from Testing.training.classification.made_runs import record
from Testing.training.classification.made_segmentation import TOLD, folders


@pytest.fixture
def routes(tmp_path):
    return compare_routes(*folders(tmp_path))


def test_the_table_of_agreement(routes):
    row = next(csv.DictReader(io.StringIO(csv_text(routes_table(routes)))))
    assert (row["patients"], row["sarcopenic"], row["neither_right"]) == ("5", "2", "0")
    assert float(row["area_accuracy"]) == pytest.approx(0.6)
    assert float(row["classifier_recall"]) == pytest.approx(0.5)
    assert float(row["classifier_specificity"]) == pytest.approx(2 / 3)
    assert float(row["agreement"]) == pytest.approx(0.2)
    # Each says yes twice of five: by chance they agree in 4/25 + 9/25.
    assert float(row["kappa"]) == pytest.approx((0.2 - 0.52) / 0.48)
    assert "5 (2)" in markdown_text(routes_table(routes))


def test_the_table_of_who_is_wrong_begins_at_the_cutoff(routes):
    rows = list(csv.DictReader(io.StringIO(csv_text(wrong_table(routes)))))
    assert [row["patient"] for row in rows] == ["B", "C", "A", "D"]
    assert float(rows[0]["distance_percent"]) == pytest.approx(-100 * 4 / 144)
    assert (rows[0]["area_right"], rows[0]["ResNet50_right"]) == ("no", "yes")
    assert (rows[2]["area_right"], rows[2]["ResNet50_right"]) == ("yes", "no")
    assert (rows[3]["area_right"], rows[3]["area_sarcopenic"], rows[3]["ResNet50_right"]) == (
        "yes",
        "no",
        "no",
    )
    assert (rows[1]["area_positive_folds"], rows[1]["area_folds"]) == ("1", "1")
    text = markdown_text(wrong_table(routes))
    assert "1 of 5 patients are right by the area and by every network" in text
    assert "yes (1 of 1)" in text


def test_number_and_call_never_disagree(tmp_path):
    told = {**TOLD, "B": (True, 0.4996), "C": (False, 0.5004)}
    text = markdown_text(wrong_table(compare_routes(*folders(tmp_path, records=[record(test=told)]))))
    assert "| 0.4996 | no | no |" in text
    assert "| 0.5004 | yes | no |" in text
