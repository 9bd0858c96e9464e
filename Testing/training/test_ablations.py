"""Short trainings without a feature of the phantoms."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining import ablations
from SarcopeniaTraining.ablations import FEATURES, ChosenSlabs, chosen, main, markdown, short
from SarcopeniaTraining.drawn_training import slab_plan
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.slabs import SlabStore, level_mm
from SarcopeniaTraining.presets import load_preset
from SarcopeniaTraining.samples import DrawnSlabs

SEEDS = range(50_000, 50_400)
SMOKE = load_preset("unet-smoke")


def test_what_is_left_out_is_not_among_the_chosen():
    without_thick = [SEEDS[place] for place in chosen("slices of 2 mm and more", SEEDS, 100)]
    assert max(Scanner.random(seed).slice_mm for seed in without_thick) < 2
    near = [SEEDS[place] for place in chosen("levels beyond L3 (pelvis to T10)", SEEDS, 100)]
    assert max(abs(level_mm(seed)) for seed in near) <= 32
    clean = [Scanner.random(SEEDS[n]) for n in chosen("sharp kernels, dark bands, streaks", SEEDS, 100)]
    assert not any(scanner.edge or scanner.shadow_hu or scanner.streaks_hu for scanner in clean)


def test_every_feature_is_shown_by_many_slabs_and_missed_by_enough():
    for feature, shows in FEATURES.items():
        share = np.mean([shows(seed) for seed in SEEDS])
        assert share == 0 if feature.startswith("reference") else 0.1 < share < 0.75, feature


def test_the_organs_that_are_left_out_are_those_of_the_walls_hu():
    from SarcopeniaTraining.phantom.viscera import ALIKE_HU, ORGAN_HU, cavity, organs_are_alike

    for seed in SEEDS[:12]:
        person = replace(Person.random(seed), phase="portal")
        low, high = organ_range(cavity, person)
        assert (high - low == 2 * ALIKE_HU) == organs_are_alike(seed)
        assert organs_are_alike(seed) or (low, high) == ORGAN_HU["portal"]


def organ_range(cavity, person):
    from SarcopeniaTraining.phantom.anatomy import ring_coordinates
    from SarcopeniaTraining.phantom.trunk import Wall

    x, y = (np.zeros((1, 1, 1), np.float32) for _ in range(2))
    return cavity(person, ring_coordinates(person, x, y, x), Wall.random(person)).organ


def test_the_two_references_share_no_slab_where_there_are_enough():
    first, last = (chosen(name, SEEDS, 150) for name in ("reference", "reference, other slabs"))
    assert len(first) == len(last) == 150
    assert not set(first) & set(last)


def test_too_few_slabs_are_refused():
    with pytest.raises(InputError, match="slabs are without slices of 2 mm"):
        chosen("slices of 2 mm and more", SEEDS, 390)


def test_a_short_training_has_its_steps_and_differs_in_nothing_else():
    preset = load_preset("unet-slab-5")
    own = short(preset, "x", 1250)
    assert own.epochs * own.drawn.samples_per_epoch / own.batch == 1250
    assert [epoch for epoch in range(1, own.epochs + 1) if own.keeps(epoch)] == [own.epochs]
    assert (
        replace(own, name=preset.name, epochs=preset.epochs, checkpoint_every=4, drawn=preset.drawn) == preset
    )
    assert own.drawn.train_seeds == preset.drawn.train_seeds


def test_a_chosen_slab_is_that_of_its_place():
    images = np.arange(4, dtype=np.uint16)[:, None, None, None] * np.ones((1, 2, 3, 3), np.uint16)
    slabs = ChosenSlabs(DrawnSlabs(SlabStore(images, np.zeros((4, 2, 3), np.uint8))), [3, 1])
    assert len(slabs) == 2
    assert [slabs.slab(n, np.random.default_rng(0))[0].max() * 65535 for n in (0, 1)] == pytest.approx([3, 1])


def test_a_row_of_each_feature_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(
        ablations,
        "FEATURES",
        {"reference": FEATURES["reference"], "thick": FEATURES["slices of 2 mm and more"]},
    )
    monkeypatch.setattr(ablations, "load_preset", lambda name: SMOKE)
    words = ["--cache", str(tmp_path / "slabs"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*words, "--slabs", "2", "--steps", "5", "--scans", "1"])
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "out" / "ablations.json").read_text())
    assert list(rows) == ["reference", "thick"]
    assert all(row["scans"] <= 1 and "ct_dice" not in row for row in rows.values())
    table = (tmp_path / "out" / "ablations.md").read_text().splitlines()
    assert len(table) == 4
    assert (tmp_path / "out" / "without-0" / "without-0.safetensors").is_file()
    plan = slab_plan(SMOKE, SMOKE.drawn.train_seeds)
    assert json.loads((tmp_path / "slabs" / "plan.json").read_text()) == plan.identity()


def test_the_table_shows_the_cts_slices_where_they_were_scored():
    row = {"dice": 0.95, "dice_min": 0.9, "sma_error_percent": -1.24, "sma_abs_error_percent": 2.0}
    on_ct = row | {"ct_dice": 0.8, "ct_sma_error_percent": 10.0}
    lines = markdown({"a": row, "b": on_ct}).splitlines()
    assert lines[2] == "| a | 0.950 | 0.900 | −1.2 % | 2.0 % | – | – |"
    assert lines[3].endswith("| 0.800 | +10.0 % |")
