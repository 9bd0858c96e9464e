"""Tiles, captions and tables against counts made by hand."""

import re

from SarcopeniaAssessLib.overview import sections
from SarcopeniaAssessLib.overview.agreement import agreement_of
from SarcopeniaAssessLib.overview.case_row import row_of
from SarcopeniaAssessLib.overview.distribution import distribution_of
from Testing.library.small_case import record

CALM = {"quality": [], "other_criteria": []}
ERROR = {"code": "muscle_cut_off", "severity": "error", "message": "Cut off."}
INFO = {"code": "so", "severity": "info", "message": "So."}


def cohort():
    """Two sarcopenic, one of them with an error; one not, with mere information; one undetermined."""
    values = (("sarcopenic", []), ("sarcopenic", [ERROR]), ("not sarcopenic", [INFO]), ("undetermined", []))
    return [
        row_of(str(n), record(**{**CALM, "quality": quality}, muscle={"sma_cm2": 143.0 + n},
                              status={"value": value, "borderline": None}))
        for n, (value, quality) in enumerate(values)
    ]  # fmt: skip


def plain(html):
    return re.sub(r"<[^>]+>", " ", html)


def test_tiles_count_what_they_say():
    text = re.sub(r"\s+", " ", plain(sections.tiles(cohort())))
    assert "2 sarcopenic 66.7 % of those with a status" in text
    assert "1 with warnings 1 with an error" in text
    assert "4 unreviewed" in text


def test_the_distribution_tells_what_is_left_out_and_how_many_are_low():
    rows = cohort()
    text = plain(sections.distribution_section(rows, distribution_of(rows, "bhardwaj2025")))
    assert "Left out: 1 with a quality error, or rejected." in text
    assert re.search(r"&lt; 144 cm² \([^)]*which gives the status\): 1 cases, 33.3 %", text)


def test_one_criterion_alone_is_compared_with_none():
    assert "Each beside each" not in sections.agreement_section(agreement_of(cohort()))
