"""How a run was made, and what decides whether its numbers could agree."""

from dataclasses import replace

import pytest

from SarcopeniaTraining.report_page.circumstances import Circumstances, Cohort, Data, Step
from SarcopeniaTraining.report_page.content import ReportContent
from SarcopeniaTraining.report_page.making import agreement_section, run_section
from Testing.training.report_page.read_html import read
from Testing.training.report_page.test_expectation import CLASSIFICATION, SEGMENTATION

STARTS = {"ResNet50": "random", "DenseNet121": {"file": "DenseNet121_notop.h5", "sha256": "ab" * 32}}
TOLD = Circumstances(
    "paper",
    None,
    Cohort(Data.PATIENTS, digest="cd" * 32, patients=79, sarcopenic=18, men=52),
    replace(SEGMENTATION, preset={"name": "paper", "epochs": 200, "network": {"kind": "smit"}}),
    replace(CLASSIFICATION, starts=STARTS, software={"keras": "3.15.1"}),
    (Step("classify", "Classifier runs", "done", 61.6, "ef" * 32), Step("x", "Later", "missing", None, None)),
    "sarcopenia reproduce COHORT --preset paper --out OUT",
)


def content(told=TOLD, files=None):
    return ReportContent("run", told, {}, (), (), files or {})


def rows(section):
    return read(section.html()).texts("tr")


def test_circumstances_stand_beside_the_papers():
    found = rows(agreement_section(content()))
    assert "patients (sarcopenic; men)79 (18; 52)79 (18; 52)" in found
    assert any(
        row.endswith("SMIT of preset paper, encoder smit.safetensors (given), 200 epochs") for row in found
    )
    assert any(row.endswith("random: ResNet50; the others RadImageNet") for row in found)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"starts": {"ResNet50": "random"}}, "random (RadImageNet’s weights cannot be bundled)"),
        ({"starts": {"ResNet50": {"file": "a.h5"}}}, "classifiers: startRadImageNetRadImageNet"),
        ({"side": 80}, "80 × 80 pixels"),
        ({"leak": True}, "drawn outlines left in (a leak on purpose)"),
        ({"preset": {"name": "a", "learning_rate": 5e-5, "class_weights": True}}, "Adam, 5e-5, batch –"),
    ],
)
def test_what_the_classifiers_were_trained_with(changed, words):
    told = replace(TOLD, classification=replace(TOLD.classification, **changed))
    assert any(words in row for row in rows(agreement_section(content(told))))


def test_what_was_not_run_is_said():
    found = rows(agreement_section(content(replace(TOLD, segmentation=None))))
    assert any(row.endswith("not part of this run") and "SMIT" in row for row in found)


def test_only_the_reasons_that_occur_are_explained():
    page = read(agreement_section(content()).html())
    assert "not part of this run" in page.texts("dt")
    assert "phantoms" not in page.texts("dt")


def test_presets_seeds_and_hashes():
    found = rows(run_section(content()))
    assert "commandsarcopenia reproduce COHORT --preset paper --out OUT" in found
    assert f"cohort, SHA-256{'cd' * 32}" in found
    assert f"classifiers, start of DenseNet121DenseNet121_notop.h5, SHA-256 {'ab' * 32}" in found
    assert "classifiers, start of ResNet50random" in found


def test_steps_with_their_seconds():
    found = rows(run_section(content()))
    assert "Classifier runsdone62efefefefefef" in found
    assert "Latermissing––" in found


def test_files_with_their_hashes():
    page = read(run_section(content(files={"tables/table1.csv": "12" * 32})).html())
    assert page.texts("summary") == ["SHA-256 of the 1 tables and figures that this page shows"]
    assert f"tables/table1.csv{'12' * 32}" in page.texts("tr")
