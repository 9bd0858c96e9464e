"""The cohort as tables: every column with its type as Parquet, decisions as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.report import csv_value

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.case_row import CaseRow

PARQUET, REVIEWS = "assessments.parquet", "reviews.csv"
NUMBERS = (
    "sma_cm2", "mean_hu", "sma_hu_m29_150_cm2", "smi_cm2_m2", "sma_low_cm2", "sma_high_cm2", "cutoff",
    "age_years", "height_m", "weight_kg", "l3_superior_mm", "l3_confidence", "sma_slice_below_cm2",
    "sma_slice_above_cm2", "decided_sma_cm2", "decided_mean_hu",
)  # fmt: skip
WHOLE = ("l3_slice_from_feet", "quality_errors", "quality_warnings")
TRUTHS = ("borderline", "decided_borderline")
_CODES = "quality"
_MOMENT = "decided_at"


def parquet_bytes(rows: Sequence[CaseRow]) -> bytes:
    """`assessments.parquet`: the columns of `assessments.csv` and of the decisions, typed, unknown ones null.

    Raises
    ------
    OutputError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise OutputError(
            "Parquet needs pyarrow, which is not installed", "pip install 'sarcopenia-assess[parquet]'"
        ) from error
    kinds = {
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(WHOLE, pa.int32()),
        **dict.fromkeys(TRUTHS, pa.bool_()),
        _CODES: pa.list_(pa.string()),
        _MOMENT: pa.timestamp("ms", tz="UTC"),
    }
    cases = [_typed(row) for row in sorted(rows, key=lambda row: row.case)]
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in cases[0]])
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(cases, schema=schema), buffer)
    return buffer.getvalue()


def reviews_csv(rows: Sequence[CaseRow]) -> bytes:
    """`reviews.csv`: a row for each case that a person has decided on, beside what the program had said."""
    text = io.StringIO()
    names = ("case", "sma_cm2", "status", *_decided(None), "input_sha256", "id")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    for row in sorted(rows, key=lambda row: row.case):
        if row.review != "unreviewed":
            cells = {**row.flat, "case": row.case, **_decided(row)}
            table.writerow([csv_value(cells[name]) for name in names])
    return text.getvalue().encode()


def _typed(row: CaseRow) -> dict[str, Any]:
    made = {**row.flat, "case": row.case, **_decided(row)}
    made[_CODES] = made[_CODES].split()
    if made[_MOMENT] is not None:
        made[_MOMENT] = datetime.fromisoformat(made[_MOMENT])
    return {name: float(v) if name in NUMBERS and v is not None else v for name, v in made.items()}


def _decided(row: CaseRow | None) -> dict[str, Any]:
    """The decision's columns; of a decided record that is the case's own, its own numbers."""
    state, at, flat = None, None, None
    if row is not None and row.review != "unreviewed":
        state, at, flat = row.review, row.decided_at, row.decided or row.flat
    names = ("sma_cm2", "mean_hu", "status", "borderline", "sex", "mask_source", "id")
    return {
        "decision": state,
        "decided_at": at,
        **{f"decided_{name}": None if flat is None else flat[name] for name in names},
    }
