"""Calibration on made-up readings whose errors are known, its file, and one phantom read end to end."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_import import import_model
from SarcopeniaAssessLib.models import REGISTRY, default_model_name, load_model, model_entry, verify_model
from SarcopeniaAssessLib.uncertainty import Calibration, Doubt, sma_interval_cm2
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.calibration import (
    Reading,
    calibrate,
    conformal_quantile,
    coverage,
    covered,
    read_case,
)
from SarcopeniaTraining.calibration_cases import CALIBRATION_SEED, Hardship, _beyond_ranges, calibration_case
from SarcopeniaTraining.calibration_command import (
    CHECK_SEED,
    _read_piece,
    read_phantoms,
    store,
    subgroups,
)
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.second_family import draw_l3
from Testing.library.small_case import write_model

DEFAULT = default_model_name()


def readings(count, seed, *, spread=1.0):
    """Errors of Laplace, whose scale grows with doubt, and a part of them one-sided in attenuation."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        doubt = Doubt(float(rng.gamma(2, 0.004)), float(rng.gamma(2, 0.03)))
        scale = spread * (0.004 + 1.2 * doubt.stray + 0.05 * doubt.attenuation)
        error = 0.2 * doubt.attenuation + float(rng.laplace(0, scale))
        facts = {"noise": "high" if scale > 0.02 * spread else "low"}
        made.append(Reading(seed * 100_000 + n, facts, 150 * math.exp(error), 150.0, doubt))
    return made


@pytest.fixture(scope="module")
def calibration():
    return calibrate(readings(1200, 1))


@pytest.mark.parametrize(("count", "expected"), [(19, 19), (39, 38), (99, 95), (100, 96)])
def test_the_quantile_follows_the_finite_sample_rule(count, expected):
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1))
    assert conformal_quantile(scores) == expected


def test_eighteen_scores_say_nothing_at_95_percent():
    with pytest.raises(ModelError, match="18 phantoms cannot"):
        conformal_quantile(np.arange(18))


def test_new_scores_stay_under_the_quantile_as_often_as_promised():
    rng = np.random.default_rng(2)
    held = [rng.exponential() < conformal_quantile(rng.exponential(size=59)) for _ in range(4000)]
    # k = 57 of 60: 95 % exactly; four standard errors.
    assert np.mean(held) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_intervals_cover_new_readings_and_each_subgroup(calibration):
    table = coverage(readings(3000, 2), calibration, lambda reading: reading.facts["noise"])
    new = coverage(readings(3000, 2), calibration)["all"]
    assert new["cases"] == 3000
    assert 93 <= new["covered_percent"] <= 97
    assert all(90 <= group["covered_percent"] <= 99 for group in table.values())
    assert table["high"]["half_width_median_percent"] > 1.3 * table["low"]["half_width_median_percent"]


def test_the_scale_that_made_the_errors_is_found(calibration):
    assert calibration.shift == pytest.approx(0.2, abs=0.06)
    assert calibration.stray / calibration.attenuation == pytest.approx(24, rel=0.7)
    assert calibration.cases == 800


def test_larger_errors_give_wider_intervals(calibration):
    wider = calibrate(readings(1200, 1, spread=2.0))
    doubt = Doubt(0.008, 0.05)
    spans = [np.ptp(sma_interval_cm2(150.0, doubt, each)) for each in (calibration, wider)]
    assert spans[1] > 1.5 * spans[0]


def test_the_limit_is_what_one_in_a_thousand_exceeds(calibration):
    made = readings(1200, 1)
    assert sum(calibration.exceeded(reading.doubt) for reading in made) <= 2
    assert calibration.exceeded(Doubt(0.2, 0.5))


def test_a_model_that_draws_nothing_is_neither_covered_nor_calibrated(calibration):
    nothing = replace(readings(1, 3)[0], measured_cm2=0.0, doubt=None)
    assert not covered(nothing, calibration)
    made = readings(200, 4)
    with pytest.raises(ModelError, match="no muscle on many"):
        calibrate([each if n % 5 else replace(nothing, seed=n) for n, each in enumerate(made)])
    with pytest.raises(ModelError, match="no muscle on many"):
        calibrate([replace(nothing, seed=n) for n in range(60)])
    table = coverage([nothing, *made[:3]], calibration, lambda reading: str(reading.measured_cm2 > 0))
    assert table["False"]["cases"] == 1
    assert table["False"]["covered_percent"] == 0.0
    assert table["False"]["half_width_median_percent"] is table["False"]["error_mean_percent"] is None
    assert table["True"]["cases"] == 3


def test_a_few_phantoms_without_muscle_widen_the_interval_as_any_large_error_does():
    made = readings(1200, 1)
    nothing = [
        replace(each, measured_cm2=0.0, doubt=None) if n % 25 == 1 else each for n, each in enumerate(made)
    ]
    assert calibrate(nothing).quantile > 1.2 * calibrate(made).quantile


def test_the_quantile_is_that_of_the_harder_phantoms_where_there_are_enough():
    made = [replace(each, facts={"harder": n % 4 == 1}) for n, each in enumerate(readings(1200, 1))]
    worse = [
        replace(each, measured_cm2=each.measured_cm2 * math.exp(0.1 * (n % 8 == 1)))
        for n, each in enumerate(made)
    ]
    assert calibrate(made).cases == 200
    assert calibrate(worse).quantile > 1.5 * calibrate(made).quantile
    few = [replace(each, facts={"harder": n < 20}) for n, each in enumerate(made)]
    assert calibrate(few).cases == 800


def test_few_phantoms_calibrate_nothing():
    with pytest.raises(ModelError, match="39 phantoms"):
        calibrate(readings(39, 1))


def test_the_reader_scatters_by_a_published_variability():
    factors = np.array([each.reader_cm2 / each.truth_cm2 for each in readings(4000, 5)])
    assert np.mean(np.abs(factors - 1) < 0.019) == pytest.approx(0.95, abs=0.015)
    assert factors.mean() == pytest.approx(1, abs=0.001)


def test_a_reading_comes_back_as_it_went():
    for reading in (readings(1, 6)[0], replace(readings(1, 6)[0], doubt=None)):
        assert Reading.from_mapping(json.loads(json.dumps(reading.to_mapping()))) == reading


def test_kept_readings_of_another_family_are_refused(tmp_path):
    kept = tmp_path / "readings.jsonl"
    assert read_phantoms(DEFAULT, "first", [], kept=kept) == []
    with pytest.raises(OutputError, match="belongs to another family, family's code"):
        read_phantoms(DEFAULT, "second", [], kept=kept)


def test_a_phantom_is_read_once_and_kept(tmp_path):
    model = str(write_model(tmp_path / "everything.safetensors"))
    kept = tmp_path / "kept" / "readings.jsonl"
    seeds = [CALIBRATION_SEED + 1]
    first = read_phantoms(model, "first", seeds, kept=kept)[0]
    case = calibration_case(seeds[0])
    assert first.truth_cm2 == pytest.approx(case.truth.sum() * case.volume.pixel_area_cm2)
    assert first.facts == case.facts
    # This one is harder, and of a size beyond the 0.65–0.95 mm that are drawn.
    assert first.facts["harder"] is True
    assert case.volume.pixel_mm[0] == case.volume.pixel_mm[1] < 0.64
    assert 30 < first.truth_cm2 < 350
    # The network calls everything muscle: what has muscle's HU is more than the muscle.
    assert first.measured_cm2 > first.truth_cm2
    kept.write_text(kept.read_text().replace('"measured_cm2": ', '"measured_cm2": 1'))
    again = read_phantoms(model, "first", seeds, kept=kept)[0]
    assert again.measured_cm2 > first.measured_cm2  # taken from the file, not read again


def test_a_scan_of_the_held_out_family_is_read_on_its_middle_slice(tmp_path):
    model = str(write_model(tmp_path / "everything.safetensors"))
    (reading,) = _read_piece([CHECK_SEED], model, "second")
    scan = draw_l3(CHECK_SEED)
    pixel_cm2 = scan.ras_from_ijk[0, 0] * scan.ras_from_ijk[1, 1] / 100
    assert reading.truth_cm2 == pytest.approx(scan.muscle[:, :, 2].sum() * pixel_cm2)
    assert reading.facts["traits"] == scan.facts.traits
    assert reading.facts["build"] == scan.facts.build
    assert reading.measured_cm2 > reading.truth_cm2, "the network calls everything muscle"


def test_a_calibration_is_stored_in_the_models_file_and_nothing_else_changes(tmp_path, calibration):
    path = write_model(tmp_path / "everything.safetensors")
    before = load_model(path)
    stored = store(str(path), calibration)
    after = load_model(path)
    assert Calibration.from_mapping(after.entry.calibration) == calibration
    assert after.entry.sha256 == stored.sha256 != before.entry.sha256
    assert replace(after.entry, calibration={}, sha256=None) == replace(before.entry, sha256=None)
    for name, tensor in before.network.state_dict().items():
        assert (tensor == after.network.state_dict()[name]).all(), name


def test_a_registered_models_calibration_stands_in_the_registry_that_lists_it(
    tmp_path, monkeypatch, calibration
):
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "models"))
    import_model(write_model(tmp_path / "made.safetensors"), name="made")
    shipped = resource_path(REGISTRY).read_bytes()
    stored = store("made", calibration)
    assert Calibration.from_mapping(load_model("made").entry.calibration) == calibration
    assert Calibration.from_mapping(verify_model("made").calibration) == calibration
    assert model_entry("made").sha256 == stored.sha256
    assert resource_path(REGISTRY).read_bytes() == shipped


def test_subgroups_are_told_by_name_and_by_size(calibration):
    made = [
        replace(each, facts={"slice_mm": 1.0 + 4 * (n % 2), "traits": ["metal", "arms"][: n % 3]})
        for n, each in enumerate(readings(60, 7))
    ]
    table = subgroups(made, calibration)
    assert table.keys() == {"all", "slice_mm from 0", "slice_mm from 4", "traits metal", "traits arms"}
    assert (table["traits metal"]["cases"], table["traits arms"]["cases"]) == (40, 20)
    assert table["slice_mm from 0"]["cases"] == 30


def test_a_harder_scan_is_harder_and_otherwise_the_same_grid():
    hu = np.full((64, 48, 3), 50, np.int16)
    rng = np.random.default_rng(0)
    assert (Hardship().applied(hu, (0.8, 0.8), rng) == hu).all()
    noisy = Hardship(noise_hu=20.0, shift_hu=7.0).applied(hu, (0.8, 0.8), rng)
    assert noisy.std() == pytest.approx(20, rel=0.1)
    assert noisy.mean() == pytest.approx(57, abs=3)


def test_each_hardship_does_what_it_is_named_for():
    flat, step = np.full((96, 80, 3), 50, np.int16), np.full((96, 80, 3), 50, np.int16)
    step[48:] = -100

    def made(image, **faults):
        return Hardship(**faults).applied(image, (0.8, 0.8), np.random.default_rng(1)).astype(float)

    field = made(flat, field_hu=12.0)
    assert field.std() == pytest.approx(12, rel=0.05)
    assert np.abs(np.diff(field[:, :, 1], axis=0)).max() < 3  # slow
    sharp, soft = made(step, kernel_mm=-0.8), made(step, kernel_mm=0.8)
    assert sharp.max() > 65
    assert sharp.min() < -115
    assert soft.max() == 50
    assert -60 < soft[48, 40, 1] < -25
    fine, coarse = (made(flat, noise_hu=20.0, grain_mm=mm) for mm in (0.3, 1.2))
    steps = [np.diff(image, axis=0).std() for image in (fine, coarse)]
    assert steps[0] > 1.8 * steps[1]


def test_faults_and_persons_beyond_the_drawn_ranges_come_in_half_of_the_harder_cases():
    rng = np.random.default_rng(3)
    drawn = [Hardship.random(rng) for _ in range(400)]
    for name, limit in (("noise_hu", 45), ("kernel_mm", 1.4), ("shift_hu", 10), ("field_hu", 15)):
        values = np.array([getattr(each, name) for each in drawn])
        assert 0.4 < np.mean(values != 0) < 0.6, name
        assert 0.9 * limit < np.abs(values).max() <= limit, name
    zooms = np.array([each.zoom for each in drawn])
    assert 0.4 < np.mean(zooms != 1) < 0.6
    assert 0.85 <= zooms.min() < 0.87
    assert 1.18 < zooms.max() <= 1.2
    person = Person.random(5)
    others = [each for each in (_beyond_ranges(person, rng) for _ in range(100)) if each != person]
    assert 35 < len(others) < 65
    assert min(each.muscularity for each in others) < 0.5
    assert max(each.fatty for each in others) > 0.8


def test_the_bundled_network_doubts_more_in_noise():
    case = calibration_case(CALIBRATION_SEED)
    hu = case.volume.slab(0, 3)
    noise = np.random.default_rng(0)
    harder = Hardship(noise_hu=45.0).applied(hu, case.volume.pixel_mm, noise)
    known = Calibration(0.004, 1.2, 0.07, 0.16, 3.0, 0.08, 100)
    widths = []
    for image in (hu, harder):
        volume = CtVolume.from_array(image, case.volume.ras_from_canonical)
        reading = read_case(0, volume, case.truth, {}, load_model())
        low, high = sma_interval_cm2(reading.measured_cm2, reading.doubt, known)
        widths.append((high - low) / reading.measured_cm2)
    assert widths[1] > 1.2 * widths[0]
