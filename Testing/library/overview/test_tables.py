"""Parquet with types and nulls; decisions as CSV that no spreadsheet takes for a formula."""

import csv
import io
import sys
from datetime import UTC, datetime

import pytest

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.overview.case_row import row_of
from SarcopeniaAssessLib.overview.tables import parquet_bytes, reviews_csv
from SarcopeniaAssessLib.report import csv_row
from Testing.library.overview.made_decisions import automatic, decided


def table(*rows):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    return parquet.read_table(io.BytesIO(parquet_bytes(rows)))


def test_every_column_of_the_csv_is_there_with_its_type_and_nulls():
    unknown = {"sex": None, "sex_source": None, "age_years": None, "height_m": None}
    found = table(
        row_of("b", automatic("b")),
        row_of("a", automatic("a", patient=unknown, status={"value": "undetermined", "borderline": None})),
    )
    assert list(csv_row(automatic())) == found.column_names[: len(csv_row(automatic()))]
    a, b = found.to_pylist()
    assert (a["case"], b["case"]) == ("a", "b")
    assert (a["sex"], a["age_years"], a["borderline"]) == (None, None, None)
    assert (b["sex"], b["age_years"], b["borderline"]) == ("male", 67.0, True)
    assert (b["sma_cm2"], b["l3_slice_from_feet"], b["quality"]) == (143.96, 3, ["thick_slices"])
    types = {field.name: str(field.type) for field in found.schema}
    assert {types[name] for name in ("sma_cm2", "weight_kg", "l3_confidence", "decided_sma_cm2")} == {
        "double"
    }
    assert types["quality"].startswith("list<")
    assert (types["quality_errors"], types["borderline"]) == ("int32", "bool")
    assert types["decided_at"] == "timestamp[ms, tz=UTC]"


def test_a_decision_stands_beside_what_the_program_said():
    found = table(row_of("one", automatic(), decided(at="2026-03-01T12:00:00+02:00"))).to_pylist()[0]
    assert (found["sma_cm2"], found["decided_sma_cm2"]) == (143.96, 136.0)
    assert (found["review"], found["decision"]) == ("unreviewed", "accepted")
    assert found["decided_at"] == datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    assert "Quirrell" not in repr(found)


def test_without_pyarrow_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r"sarcopenia-assess\[parquet\]"):
        parquet_bytes([row_of("one", automatic())])


def test_reviews_hold_a_row_a_decision():
    rows = [row_of("b", automatic("b"), decided()), row_of("a", automatic("a"))]
    assert list(csv.DictReader(io.StringIO(reviews_csv(rows).decode()))) == [
        {
            "case": "b", "sma_cm2": "143.96", "status": "sarcopenic", "decision": "accepted",
            "decided_at": "2026-03-01T10:00:00+00:00", "decided_sma_cm2": "136.0", "decided_mean_hu": "41.2",
            "decided_status": "sarcopenic", "decided_borderline": "false", "decided_sex": "male",
            "decided_mask_source": "edited", "decided_id": decided()["id"],
            "input_sha256": "ab" * 32, "id": automatic()["id"],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(name):
    row = row_of(name, automatic(), decided())
    cells = next(csv.reader(io.StringIO(reviews_csv([row]).decode().splitlines()[1])))
    assert cells[0].startswith("'")


def test_a_decision_in_the_cases_own_record_is_a_row_too():
    own = decided(id_=automatic()["id"])
    found = list(csv.DictReader(io.StringIO(reviews_csv([row_of("b", own)]).decode())))
    assert [(row["case"], row["decided_sma_cm2"]) for row in found] == [("b", "136.0")]
