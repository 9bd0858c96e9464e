"""The page: one, legible, complete, the same to the byte, whatever the record holds; and the table's row."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib.criteria import STATUS_SENTENCES
from SarcopeniaAssessLib.report import csv_row, report_pdf
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE
from Testing.library.small_case import record

PICTURE = Image.fromarray(np.tile(np.arange(0, 250, dtype=np.uint8)[:, None, None], (3, 1000, 3)))
NO_MODEL = dict.fromkeys(("name", "version", "sha256", "trained_on"))
UNKNOWN = dict.fromkeys(("sex", "sex_source", "age_years", "height_m", "weight_kg"))
NEEDS_SEX = {"value": "undetermined", "cutoff": None, "borderline": None, "reason": "needs sex"}


def crowded():
    """A record with far more, and far longer, than any page holds."""
    words = "Ein <b>langer</b> Satz & mehr → mit 漢字 " * 20
    other = record()["other_criteria"]
    status = {**NEEDS_SEX, "criterion": "framingham2023_sma", "reason": words}
    return record(
        case="x" * 200,
        patient=UNKNOWN,
        status=status,
        other_criteria=[*other, {**other[1], "reason": words}] * 30,
        quality=[{"code": f"code_{n}", "severity": "error", "message": words} for n in range(70)],
        model={"name": "m" * 64, "version": "9" * 80, "trained_on": words},
    )


RECORDS = {
    "usual": record(),
    "given mask": record(mask={"source": "given"}, model=NO_MODEL, software={"torch": None, "device": None}),
    "nothing known": record(
        patient=UNKNOWN,
        status=NEEDS_SEX,
        muscle={"sma_interval_cm2": None, "mean_hu": None, "sma_hu_m29_150_cm2": None, "smi_cm2_m2": None},
        l3={"neighbours_sma_cm2": [None, None], "confidence": 0.5, "method": "auto"},
        quality=[],
        other_criteria=[],
    ),
    "criterion of another version": record(status={"criterion": "later2031"}),
    "crowded": crowded(),
}


def words_of(pdf, tmp_path):
    """Words of the page with their boxes, read by poppler."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    (tmp_path / "report.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-bbox", "report.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
    )
    text = done.stdout.decode()
    boxes = re.findall(r'xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>', text)
    unescape = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
    return [
        (tuple(map(float, box)), re.sub("&lt;|&gt;|&amp;", lambda found: unescape[found.group()], word))
        for *box, word in boxes
    ]


def text_of(pdf, tmp_path):
    return " ".join(word for _, word in words_of(pdf, tmp_path))


@pytest.mark.parametrize("made", RECORDS.values(), ids=RECORDS)
def test_one_page_the_same_to_the_byte(made):
    pdf = report_pdf(made, PICTURE)
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == 1
    assert report_pdf(made, PICTURE) == pdf


@pytest.mark.parametrize("made", RECORDS.values(), ids=RECORDS)
def test_nothing_overlaps_or_leaves_the_page(made, tmp_path):
    words = words_of(report_pdf(made, PICTURE), tmp_path)
    boxes = np.array([box for box, _ in words])
    assert boxes[:, 0].min() > 20
    assert boxes[:, 1].min() > 10
    assert boxes[:, 2].max() < 595 - 20
    assert boxes[:, 3].max() < 842 - 15
    # Boxes hold a font's full height: neighbours in one paragraph share a little of it.
    x0, y0, x1, y1 = boxes.T
    wide = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    high = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    height = np.minimum((y1 - y0)[:, None], y1 - y0)
    overlap = (wide > 0.5) & (high > 0.35 * height)
    np.fill_diagonal(overlap, False)
    assert [(words[a][1], words[b][1]) for a, b in np.argwhere(overlap)] == []


@pytest.mark.parametrize("made", RECORDS.values(), ids=RECORDS)
def test_what_must_never_be_missing(made, tmp_path):
    text = text_of(report_pdf(made, PICTURE), tmp_path)
    for sentence in (*STATUS_SENTENCES, RESEARCH_SENTENCE, made["id"], made["software"]["version"]):
        assert sentence in text


def test_numbers_status_and_sources(tmp_path):
    text = text_of(report_pdf(record(), PICTURE), tmp_path)
    for words in (
        "143.96 cm²",
        "interval 139.1–149.2 cm²",
        "sarcopenic, borderline",
        "Bhardwaj 2025, men: SMA < 144 cm²",
        "arXiv:2508.17275",
        "41 HU",
        "47.0 cm²/m²",
        "141.0 cm² / –",
        "slice 3 from the feet, S −403.5 mm",
        "male (given), 67 years, 1.75 m",
        "Derstine 2018, SMI SMI < 45.4 cm²/m² 47.0 not sarcopenic ≠",
        "1 of 3 contradict the status (≠)",
        "needs weight",
        "warning Slices are 6 mm apart. thick_slices",
        "everything 1, sha256 cdcdcdcdcdcd…; trained on nothing",
        "not reviewed by a person",
    ):
        assert words in text, words


def test_long_lists_say_how_much_is_left_out(tmp_path):
    text = text_of(report_pdf(crowded(), PICTURE), tmp_path)
    left_out = [int(number) for number in re.findall(r"… (\d+) more in assessment\.json", text)]
    assert len(left_out) == 2
    shown_errors = text.count("code_")
    assert shown_errors >= 1
    assert left_out[1] == 70 - shown_errors


def test_errors_come_first(tmp_path):
    entries = [("a_note", "info"), ("a_doubt", "warning"), ("a_fault", "error")]
    quality = [{"code": code, "severity": severity, "message": "So."} for code, severity in entries]
    text = text_of(report_pdf(record(quality=quality, status=NEEDS_SEX), PICTURE), tmp_path)
    assert text.index("a_fault") < text.index("a_doubt") < text.index("a_note")


def test_the_row_begins_with_the_case_and_rounds_nothing():
    row = csv_row(record())
    assert next(iter(row)) == "case"
    assert row["sma_cm2"] == 143.96
    assert (row["sma_low_cm2"], row["sma_high_cm2"]) == (139.1, 149.2)
    assert (row["status"], row["cutoff"], row["borderline"]) == ("sarcopenic", 144.0, "true")
    assert (row["sma_slice_below_cm2"], row["sma_slice_above_cm2"]) == (141.0, "")
    assert (row["quality_errors"], row["quality_warnings"], row["quality"]) == (0, 1, "thick_slices")


def test_absent_facts_are_empty_not_none():
    row = csv_row(RECORDS["nothing known"])
    assert None not in row.values()
    assert row["sex"] == row["mean_hu"] == row["sma_low_cm2"] == row["borderline"] == ""
    assert set(row) == set(csv_row(record()))
