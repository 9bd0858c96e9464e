"""The model card: measured sections come from results of the very weights, and the entry from the card."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.card import card_text
from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.models import default_model_name, model_entry, read_registry
from SarcopeniaTraining import model_card
from SarcopeniaTraining.held_out_report import write_report
from SarcopeniaTraining.model_card import CARD, README, RESULTS, Results, bullets, command, listed, written
from SarcopeniaTraining.model_card_tables import NOT_YET, cost, held_out, training
from Testing.training.made_scans import made_score

ROOT = Path(__file__).parents[2]
TEXT = """# Card

<!-- measured: identity -->
outdated
<!-- end -->

Written by hand.

<!-- measured: held-out -->
<!-- end -->
<!-- measured: robustness -->
<!-- end -->

## Intended use

- Adults, see [the paper](https://example.org/x)
  and **nobody** else.
- Research.

## Not for

- Children.

![picture](a.png)

## Known failures

- Misses `rectus`.
"""


@pytest.fixture
def entry():
    return model_entry(default_model_name())


def subject(entry, **model):
    return {"model": {"name": entry.name, "version": "1", "sha256": entry.sha256, **model}}


@pytest.fixture
def folder(tmp_path, entry):
    """Results of two held-out scans and of a change of one CT."""
    scores = [made_score(seed=1), made_score(seed=2, sma_cm2=96.0, traits=("stool",))]
    write_report(scores, subject(entry), tmp_path)
    areas = [
        {"subject": "CT", "change": "as it is", "sma_cm2": 150.0, "change_percent": 0.0, "refused": None},
        {"subject": "CT", "change": "turned", "sma_cm2": 156.0, "change_percent": 4.0, "refused": None},
        {"subject": "CT", "change": "noise", "sma_cm2": 147.0, "change_percent": -2.0, "refused": None},
        {
            "subject": "CT",
            "change": "tilted",
            "sma_cm2": None,
            "change_percent": None,
            "refused": "no muscle",
        },
    ]
    told = {**subject(entry), "aim_percent": 3.0, "areas": areas}
    (tmp_path / "robustness.json").write_text(json.dumps(told))
    return tmp_path


def test_measured_sections_are_written_and_the_rest_stays(folder, entry):
    card = written(TEXT, entry, Results.of(folder, entry))
    assert entry.sha256 in card
    assert "outdated" not in card
    assert "Written by hand." in card
    assert "| **all** | 2 | 0.950 |" in card
    assert "| turned | +4.0 % |" in card
    assert "| tilted | refused |" in card
    assert "1 of 3 changes stay within ±3 %." in card
    assert written(card, entry, Results.of(folder, entry)) == card


def test_what_is_not_measured_is_said(tmp_path, entry):
    card = written(TEXT, entry, Results.of(tmp_path, entry))
    assert card.count(NOT_YET) == 2


def test_results_of_other_weights_are_refused(folder, entry):
    with pytest.raises(InputError, match="other weights"):
        Results.of(folder, replace(entry, sha256="0" * 64))


def test_damaged_results_are_refused(folder, entry):
    (folder / "ct.json").write_text("{}")
    with pytest.raises(InputError, match=r"ct\.json is damaged"):
        Results.of(folder, entry)


def test_a_section_that_nobody_measures_is_refused(tmp_path, entry):
    with pytest.raises(InputError, match="'luck'"):
        written("<!-- measured: luck -->\n<!-- end -->", entry, Results.of(tmp_path, entry))


def test_lists_become_plain_sentences():
    assert bullets(TEXT, "Intended use") == ["Adults, see the paper and nobody else.", "Research."]
    assert bullets(TEXT, "Not for") == ["Children."]
    assert bullets(TEXT, "Known failures") == ["Misses rectus."]
    with pytest.raises(InputError, match="no list"):
        bullets(TEXT, "Thanks")


def test_the_entry_gets_lists_and_scores(folder, entry):
    ct = {**subject(entry), "slices": 1, "dice_mean": 0.75, "each": [{"slice_from_feet": 0}]}
    (folder / "ct.json").write_text(json.dumps(ct))
    registry = folder / "Models.json"
    before = resource_path("Models.json").read_text()
    registry.write_text(listed(TEXT, entry, Results.of(folder, entry), before))
    entries, default = read_registry(registry)
    own = next(each for each in entries if each.name == entry.name)
    assert default == entry.name
    assert own.card["not_for"] == ["Children."]
    assert own.scores["held-out family"]["sma_error_mean_percent"] == -1.0
    assert own.scores["CT"] == {"slices": 1, "dice_mean": 0.75}
    assert own.sha256 == entry.sha256
    words = " ".join(card_text(own).split())
    assert "2 phantoms of a family that no training knows" in words
    assert "make model" in words
    assert [each for each in entries if each.name != entry.name] == [
        each for each in read_registry(resource_path("Models.json"))[0] if each.name != entry.name
    ]


def test_groups_are_told_with_their_intervals(folder):
    told = json.loads((folder / "held-out.json").read_text())
    lines = held_out(told).splitlines()
    assert lines[0] == "2 scans, seeds from 1."
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert not any("trait" in line for line in lines)


def test_stages_and_their_cost(entry):
    both = replace(entry, training={"minutes": 20, "steps": 4, "first_stage": {"minutes": 40, "steps": 3}})
    assert [line.split(" | ")[4] for line in training(both).splitlines()[2:]] == ["3", "4"]
    assert "60 minutes" in cost(both)
    assert "120 core-minutes" in cost(both)
    assert "0.02 kWh" in cost(both)
    assert training(both).count("\n") == 3
    untold = replace(entry, training={"minutes": 20, "start_from": "runs/a/a.safetensors"})
    for tell in (cost, training):
        with pytest.raises(InputError, match=r"does not tell the training of runs/a/a\.safetensors"):
            tell(untold)


def test_the_card_of_the_default_model_is_up_to_date(entry):
    card = (ROOT / CARD).read_text()
    assert written(card, entry, Results.of(ROOT / RESULTS, entry)) == card
    registry = resource_path("Models.json").read_text()
    assert listed(card, entry, Results.of(ROOT / RESULTS, entry), registry) == registry
    readme = (ROOT / README).read_text()
    assert "<!-- measured: scores -->" in readme
    assert written(readme, entry, Results.of(ROOT / RESULTS, entry)) == readme


def test_the_command_writes_card_readme_and_entry_and_its_check_changes_nothing(
    tmp_path, capsys, monkeypatch
):
    group = click.Group(commands={"card": command})
    places = {name: tmp_path / name for name in (CARD.name, README.name, "Models.json")}
    shipped = [
        (ROOT / CARD).read_text(),
        (ROOT / README).read_text(),
        resource_path("Models.json").read_text(),
    ]
    monkeypatch.setattr(model_card, "resource_path", lambda name: tmp_path / name)
    words = ["card", "--results", str(ROOT / RESULTS)]
    words += ["--card", str(places[CARD.name]), "--readme", str(places[README.name])]
    own = dict(zip(places, shipped, strict=True))
    for changed, old, new in (
        (None, "", ""),
        (CARD.name, "| sha256 |", "| checksum |"),
        (README.name, ": Dice 0.", ": Dice 1."),
        ("Models.json", '"not_for": [', '"not_for": ["Horses.",'),
    ):
        told = own if changed is None else own | {changed: own[changed].replace(old, new)}
        for name, place in places.items():
            place.write_text(told[name])
        nodes = [place.stat().st_ino for place in places.values()]
        assert run_group(group, [*words, "--check"]) == (0 if changed is None else 2)
        complaint = "" if changed is None else f"sarcopenia: {changed} is not up to date; run python -m"
        assert capsys.readouterr().err.startswith(complaint)
        assert {name: place.read_text() for name, place in places.items()} == told
        assert [place.stat().st_ino for place in places.values()] == nodes
        assert run_group(group, words) == 0
        assert {name: place.read_text() for name, place in places.items()} == own


def test_a_curve_beside_those_of_other_models_is_the_models_own(folder, entry):
    def curve(name, sha256):
        return {"model": name, "sha256": sha256}

    (folder / "area-curve.json").write_text(json.dumps({"curves": [curve("a", "0" * 64)]}))
    with pytest.raises(InputError, match=r"area-curve\.json was measured on other weights \(000000000000…\)"):
        Results.of(folder, entry)
    both = {"curves": [curve(entry.name, entry.sha256), curve("a", "0" * 64)]}
    (folder / "area-curve.json").write_text(json.dumps(both))
    assert Results.of(folder, entry).area_curve == both
