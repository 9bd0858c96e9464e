"""Summaries of held-out scans by hand, and what an evaluation leaves in its folder."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.models import default_model_name
from SarcopeniaTraining import held_out_report
from SarcopeniaTraining.cli import cli
from SarcopeniaTraining.held_out import FIRST_SEED, as_ct
from SarcopeniaTraining.held_out_report import (
    EXTRA,
    MISSED,
    HeldOutReading,
    essentials,
    failures_figure,
    scans_csv,
    worst,
    worst_pictures,
    write_report,
)
from SarcopeniaTraining.held_out_summary import (
    Group,
    findings_by_code,
    groups,
    resampled,
    share,
    summarise,
    table,
)
from SarcopeniaTraining.table_files import csv_text, markdown_text
from Testing.training.made_scans import made_scan, made_score
from Testing.training.pictures import pixels, texts
from Testing.training.pictures import share as share_of

DEFAULT = default_model_name()

SUBJECT = {"model": {"name": "made", "version": "1", "sha256": None}, "family_sha256": "f"}


def by_name(scores):
    return {(group.by, group.value): group for group in groups(scores)}


def test_groups_by_who_and_how():
    scores = [
        made_score(seed=1, sex="male", slice_mm=2.0, traits=("stool", "arms")),
        made_score(seed=2, sex="female", slice_mm=4.0, kernel="sharp"),
        made_score(seed=3, sex="female", slice_mm=4.01, kernel="medium", traits=("metal",)),
    ]
    found = by_name(scores)
    assert [score.seed for score in found["slices", "≤ 2 mm"].scores] == [1]
    assert [score.seed for score in found["slices", "2–4 mm"].scores] == [2]
    assert [score.seed for score in found["slices", "> 4 mm"].scores] == [3]
    assert [score.seed for score in found["trait", "none"].scores] == [2]
    assert len(found["trait", "stool"].scores) == len(found["trait", "arms"].scores) == 1
    assert [score.seed for score in found["scan", "metal or truncated"].scores] == [3]
    assert next(iter(found)) == ("all", "all")
    assert [value for by, value in found if by == "kernel"] == ["soft", "medium", "sharp"]


def test_one_group_in_numbers_by_hand():
    # Areas of 102, 95 and 104 of 100 cm²: signed +2, −5, +4; the second lies outside its interval.
    scores = (
        made_score(seed=1, dice=0.9),
        made_score(
            seed=2, sma_cm2=95.0, dice=0.8, interval_low_cm2=94.0, interval_high_cm2=96.0, errors=("a",)
        ),
        made_score(seed=3, sma_cm2=104.0, dice=0.97, status="not sarcopenic"),
        made_score(seed=4, sma_cm2=None, dice=None, interval_low_cm2=None, refused="no muscle"),
    )
    told = summarise(Group("all", "all", scores))
    assert (told.scans, told.refused, told.flagged) == (4, 1, 1)
    assert told.dice.value == pytest.approx(0.89)
    assert told.dice_min == told.dice_p05 == 0.8
    assert told.error_percent.value == pytest.approx(1 / 3)
    assert told.error_sd_percent == pytest.approx(np.sqrt((25 / 9 + 256 / 9 + 121 / 9) / 2))
    assert told.abs_error_percent.value == pytest.approx(11 / 3)
    assert told.abs_error_p95_percent.value == pytest.approx(5.0)
    assert told.abs_error_cm2.value == pytest.approx(11 / 3)
    assert told.coverage.value == pytest.approx(2 / 3)
    assert (told.status_judged, told.status_right.value) == (4, 0.75)
    assert told.half_width_percent == pytest.approx((500 / 102 + 100 / 95 + 500 / 104) / 3)


def test_a_group_of_refusals_has_no_numbers():
    told = summarise(
        Group("all", "all", (made_score(sma_cm2=None, dice=None, interval_low_cm2=None, refused="x"),))
    )
    assert (told.dice, told.error_percent, told.coverage, told.dice_min) == (None,) * 4
    assert "–" in markdown_text(table([told], "t"))


def test_an_interval_of_a_mean_has_the_width_of_its_standard_error():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    told = resampled(values, lambda drawn: drawn.mean(axis=-1))
    assert told.value == pytest.approx(values.mean())
    assert (told.high - told.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.08)
    assert told == resampled(values, lambda drawn: drawn.mean(axis=-1))


def test_shares_have_wilsons_interval():
    told = share([True] * 9 + [False])
    assert told.value == 0.9
    assert (told.low, told.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)  # Wilson 1927, 9 of 10
    assert share([]) is None


def test_errors_on_ordinary_scans_are_counted_apart():
    scores = [
        made_score(seed=1, errors=("fov_cuts_muscle",), traits=("truncated",)),
        made_score(seed=2, errors=("fov_cuts_muscle",), warnings=("metal",), traits=("stool",)),
        made_score(seed=3),
    ]
    assert findings_by_code(scores) == [
        {"code": "fov_cuts_muscle", "severity": "error", "scans": 2, "ordinary_scans": 1},
        {"code": "metal", "severity": "warning", "scans": 1, "ordinary_scans": 1},
    ]


def test_the_worst_are_those_of_lowest_dice():
    scores = [made_score(seed=n, dice=dice) for n, dice in enumerate([0.9, None, 0.7, 0.8])]
    assert [score.seed for score in worst(scores, 2)] == [2, 3]


def test_the_folder_holds_a_row_a_scan_and_a_row_a_group(tmp_path):
    scores = [made_score(seed=n, sma_cm2=100.0 + n, traits=("stool",) * (n % 2)) for n in range(5)]
    write_report(scores, SUBJECT, tmp_path)
    told = json.loads((tmp_path / "held-out.json").read_text())
    assert told["groups"][0]["error_percent"]["value"] == pytest.approx(2.0)
    assert (told["model"]["name"], told["scans"], told["worst"]) == ("made", 5, [0, 1, 2, 3, 4])
    rows = list(csv.DictReader((tmp_path / "scans.csv").read_text().splitlines()))
    assert [row["error_percent"] for row in rows][:2] == ["0.0", "1.0"]
    assert rows[1]["traits"] == "stool"
    assert rows[0]["covered"] == "yes"
    of_groups = list(csv.DictReader((tmp_path / "held-out.csv").read_text().splitlines()))
    assert of_groups[0]["dice"] == "0.95"
    assert {"dice_low", "coverage_high", "status_right"} <= set(of_groups[0])
    assert "trait: stool" in (tmp_path / "held-out.md").read_text()
    assert scans_csv(scores).count("\n") == 6


def test_the_table_has_every_column_in_its_csv():
    summaries = [summarise(group) for group in groups([made_score(), made_score(seed=2, sex="female")])]
    lines = csv_text(table(summaries, "t")).splitlines()
    assert len({line.count(",") for line in lines}) == 1


def test_essentials_are_rounded():
    told = essentials(summarise(Group("all", "all", (made_score(), made_score(seed=2, dice=0.9)))))
    assert (told["dice_mean"], told["sma_error_mean_percent"]) == (0.925, 2.0)
    assert (told["interval_coverage_percent"], told["scans"]) == (100.0, 2)


def test_the_picture_fills_what_was_missed_and_what_is_no_muscle():
    scan = made_scan(traits=("organs_on_wall",))
    volume = as_ct(scan)
    truth = volume.canonical_slice_mask(scan.muscle, 3)
    more, less = truth.copy(), truth.copy()
    more[:, 10:30] |= truth.any(axis=1)[:, None]
    less[:50] = False
    score = made_score(traits=("organs_on_wall",))
    for drawn, colour, other in ((more, EXTRA, MISSED), (less, MISSED, EXTRA)):
        figure = failures_figure([HeldOutReading(score, volume, 3, truth, drawn)])
        # The legend shows both colours too.
        assert share_of(pixels(figure), colour) > 4 * share_of(pixels(figure), other)
    assert "organs on wall" in texts(figure)
    refused = replace(score, dice=None, sma_cm2=None, refused="x")
    assert "Dice –" in texts(failures_figure([HeldOutReading(refused, volume, 3, truth, None)]))


def test_the_worst_scans_are_drawn_again_for_the_picture(tmp_path, monkeypatch):
    pictured = []

    def figure(readings):
        pictured.extend(readings)
        return failures_figure(readings)

    monkeypatch.setattr(held_out_report, "failures_figure", figure)
    refused = made_score(seed=FIRST_SEED, dice=None, sma_cm2=None, refused="no muscle")
    assert worst_pictures([refused], DEFAULT, tmp_path) is None
    assert worst_pictures([refused, made_score(seed=FIRST_SEED + 1)], DEFAULT, tmp_path).is_file()
    assert [reading.score.seed for reading in pictured] == [FIRST_SEED + 1]
    assert pictured[0].score.dice != made_score().dice


def test_the_command_scores_held_out_scans(tmp_path, capsys):
    words = ["evaluate", DEFAULT, "--held-out", "1", "--jobs", "1"]
    assert run_group(cli, words) == 2
    assert "--out DIR" in capsys.readouterr().err
    assert run_group(cli, [*words, "--out", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"held-out family"}
    assert told["held-out family"]["scans"] == 1
    assert (tmp_path / "worst" / "worst.png").stat().st_size > 10_000


def test_the_command_scores_a_ct_from_a_seed_of_choice(tmp_path, capsys):
    """The sample CT against the very mask that the model draws on it, and a scan of another seed."""
    demo, out = resource_path("demo/ct.nii.gz"), tmp_path / "out"
    asked = ["assess", str(demo), "--model", DEFAULT, "--l3", "slice:12", "--out", str(tmp_path)]
    assert run_group(cli, asked) == 0
    mask = next(tmp_path.glob("*/muscle.nii.gz"))
    words = ["evaluate", DEFAULT, "--held-out", "1", "--first-seed", "5000009", "--jobs", "1"]
    assert run_group(cli, [*words, "--ct", str(demo), str(mask), "--out", str(out)]) == 0
    capsys.readouterr()
    kept = json.loads((out / "ct.json").read_text())
    assert kept["model"]["name"] == DEFAULT
    assert [(row["slice_from_feet"], row["dice"]) for row in kept["each"]] == [(12, 1.0)]
    assert json.loads((out / "held-out.json").read_text())["first_seed"] == 5_000_009
