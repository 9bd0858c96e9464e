"""The sample CT under every change: areas of storage alone are equal, the tables say what was measured."""

import csv
import json

import click
import numpy as np
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining import robustness as robustness_room
from SarcopeniaTraining.changed_ct import Change, changes
from SarcopeniaTraining.robustness import (
    AS_IT_IS,
    ChangedArea,
    ct_subject,
    measure_changes,
    phantom_subject,
    robustness,
    table,
)
from SarcopeniaTraining.table_files import markdown_text

DEMO = resource_path("demo/ct.nii.gz")


@pytest.fixture(scope="module")
def measured():
    """At a slice that is not the middle one."""
    return list(measure_changes(ct_subject(DEMO, "slice:9", "sample"), load_model()))


def test_every_change_is_measured_once(measured):
    assert [area.change for area in measured] == [AS_IT_IS, *(change.name for change in changes())]
    assert {area.refused for area in measured} == {None}


def test_the_first_is_what_assess_says(measured):
    record = assess(DEMO, l3="slice:9", device="cpu").record
    assert measured[0].sma_cm2 == record["muscle"]["sma_cm2"]


def test_storage_alone_changes_nothing(measured):
    stored = [area for area in measured if area.change.startswith(("stored", "larger"))]
    assert len(stored) == 3
    assert [area.change_percent for area in stored] == pytest.approx([0.0] * 3, abs=0.35)


def test_changes_are_of_the_area_as_it_is(measured):
    for area in measured:
        assert area.change_percent == pytest.approx(100 * (area.sma_cm2 / measured[0].sma_cm2 - 1))
    assert max(abs(area.change_percent) for area in measured) < 12  # nothing fell apart
    assert any(abs(area.change_percent) > 0.2 for area in measured)


def test_a_change_that_cannot_be_assessed_is_a_row_that_says_why(monkeypatch):
    def no_muscle(volume, superior_mm):
        return CtVolume.from_array(np.full(volume.shape, -100, np.int16), volume.ras_from_ijk)

    monkeypatch.setattr(robustness_room, "changes", lambda: (Change("fat alone", no_muscle),))
    _, fat = measure_changes(ct_subject(DEMO, "slice:12", "sample"), load_model())
    assert (fat.change, fat.sma_cm2, fat.change_percent) == ("fat alone", None, None)
    assert "these are not Hounsfield units" in fat.refused


def test_the_table_has_a_row_a_change_and_a_column_a_ct():
    areas = [
        ChangedArea("one", AS_IT_IS, 150.04, 0.0),
        ChangedArea("one", "noise", 147.0, -2.03),
        ChangedArea("two", AS_IT_IS, 90.0, 0.0),
        ChangedArea("two", "noise", None, None, refused="no muscle"),
    ]
    rows = [line for line in markdown_text(table(areas, "t")).splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| **change** | **one** | **two** |",
        "| as it is | 150.0 cm² | 90.0 cm² |",
        "| noise | −2.0 % | refused |",
    ]


def test_a_phantom_subject_lies_at_full_resolution_around_l3():
    subject = phantom_subject(5_300_000, around_mm=4.0)
    assert subject.volume.spacing_mm == pytest.approx((0.8, 0.8, 1.0))
    heights = [subject.volume.slice_superior_mm(k) for k in (0, subject.volume.slice_count - 1)]
    assert heights == pytest.approx([subject.superior_mm - 3.5, subject.superior_mm + 3.5])


def test_the_command_leaves_tables(tmp_path, capsys):
    group = click.Group(commands={"robustness": robustness})
    words = ["robustness", "--phantoms", "0", "--out", str(tmp_path)]
    assert run_group(group, words) == 2
    assert "nothing to change" in capsys.readouterr().err
    assert run_group(group, [*words, "--ct", str(DEMO)]) == 2
    assert "belong together" in capsys.readouterr().err
    assert run_group(group, [*words, "--ct", str(DEMO), "--l3", "slice:12", "--name", "sample"]) == 0
    told = json.loads((tmp_path / "robustness.json").read_text())
    assert [area["subject"] for area in told["areas"]] == ["sample"] * (1 + len(changes()))
    rows = list(csv.DictReader((tmp_path / "robustness.csv").read_text().splitlines()))
    assert float(rows[0]["sample sma_cm2"]) == told["areas"][0]["sma_cm2"]
