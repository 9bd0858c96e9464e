"""The phantoms that teach the spine finder: reproducible, labelled rightly, varied; and the training."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_file import read_entry, read_network
from SarcopeniaAssessLib.spine_unet import SpineClass
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.checkpoints import DivergedError, claim_folder
from SarcopeniaTraining.schedule import Schedule
from SarcopeniaTraining.spine_scans import samples
from SarcopeniaTraining.spine_scans.calibration import Weighed, knots, shown_part
from SarcopeniaTraining.spine_scans.canvas import Canvas, Frame, turned
from SarcopeniaTraining.spine_scans.counted import counted
from SarcopeniaTraining.spine_scans.drawing import draw_spine_scan
from SarcopeniaTraining.spine_scans.preset import load_spine_preset
from SarcopeniaTraining.spine_scans.samples import Crops, PhantomStore, crop
from SarcopeniaTraining.spine_scans.spine_plan import VARIANTS, draw_plan
from SarcopeniaTraining.spine_scans.training import SpineTraining, main, train_spine

SMOKE = {
    "name": "l3-smoke", "command": "none", "cost": "none", "expected": "none", "channels": [8, 16],
    "train_seeds": [0, 2], "validation_seeds": [1000000, 1], "crop": [32, 24, 32], "epochs": 4,
    "warmup_epochs": 0.5, "samples_per_epoch": 4, "batch": 2, "learning_rate": 0.003, "weight_decay": 0.01,
    "average_decay": 0.5, "seed": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def phantom():
    return draw_spine_scan(3_000_003)


def at(phantom, point_mm):
    return tuple(np.rint((point_mm - phantom.ras_from_ijk[:3, 3]) / 4.0).astype(int))


def test_the_same_seed_draws_the_same_scan(phantom):
    again = draw_spine_scan(3_000_003)
    assert (again.hu == phantom.hu).all()
    assert (again.classes == phantom.classes).all()
    assert (draw_spine_scan(3_000_004).hu != phantom.hu).any()


def test_every_body_is_labelled_at_its_middle_with_discs_between(phantom):
    assert [*phantom.bodies_mm][-5:] == ["L1", "L2", "L3", "L4", "L5"]
    seen = [*phantom.bodies_mm.values()][-10:]  # T8 and below, whatever the person's size
    for middle in seen:
        assert phantom.classes[at(phantom, middle)] == SpineClass.BODY
    for upper, lower in pairwise(seen):
        way = [at(phantom, lower + (upper - lower) * part) for part in np.linspace(0, 1, 15)]
        assert SpineClass.DISC in [phantom.classes[place] for place in way]
    assert set(np.unique(phantom.classes)) == set(SpineClass)


def test_bone_is_brighter_than_what_surrounds_it_and_air_is_dark(phantom):
    assert phantom.hu.min() >= -200
    assert phantom.hu.max() <= 600
    body = phantom.hu[phantom.classes == SpineClass.BODY]
    disc = phantom.hu[phantom.classes == SpineClass.DISC]
    assert np.median(body) > np.median(disc) + 20
    assert (phantom.hu[0] < -150).mean() > 0.9


def test_variants_are_drawn_as_often_as_stated_and_numbered_from_the_ribs():
    plans = [draw_plan(np.random.default_rng(seed)) for seed in range(300)]
    for variant, share in VARIANTS.items():
        drawn = [plan for plan in plans if plan.variant == variant]
        assert abs(len(drawn) / len(plans) - share) < 0.06
        lumbar = {"six lumbar": 6, "four lumbar": 4}.get(variant, 5)
        assert {sum(v.name[0] == "L" for v in plan.vertebrae) for plan in drawn} == {lumbar}
        for plan in drawn:
            assert (plan.vertebra("L1").ribs_mm != (0.0, 0.0)) == (variant == "lumbar rib")


def test_vertebrae_stand_on_one_another_and_grow_downwards():
    for seed in range(20):
        plan = draw_plan(np.random.default_rng(seed))
        for upper, lower in pairwise(plan.vertebrae):
            apart = np.linalg.norm(upper.frame.centre - lower.frame.centre)
            half = (upper.height_mm + lower.height_mm) / 2
            assert half < apart < half + 20
        assert plan.vertebrae[-1].width_mm > plan.vertebrae[0].width_mm


def test_a_solid_has_its_volume_and_a_thin_rod_does_not_vanish():
    canvas = Canvas((40, 36, 30), np.array([-80.0, -70.0, -60.0]), 4.0)
    canvas.hu[:] = 0
    canvas.ellipsoid(Frame(np.array([1.3, -2.1, 0.7]), turned(20, 10, 30)), (40.0, 25.0, 30.0), 100.0, 1)
    assert canvas.hu.sum() * 64 / 100 == pytest.approx(4 / 3 * np.pi * 40 * 25 * 30, rel=0.02)
    canvas.hu[:] = 0
    canvas.rod(np.array([[-50.0, 3.0, 1.0], [50.0, 3.0, 1.0]]), 4.0, 100.0)
    assert canvas.hu.sum() * 64 / 100 == pytest.approx(np.pi * 16 * 100 + 4 / 3 * np.pi * 64, rel=0.15)


def test_a_crop_is_seen_as_the_network_sees_it_and_is_its_own_number(tmp_path, phantom):
    crops = Crops(PhantomStore(tmp_path), (0, 2), (32, 24, 32), 5)
    image, classes = crops.sample(3)
    assert image.shape == classes.shape == (32, 24, 32)
    assert image.dtype == np.float32
    assert -1 <= image.min() <= image.max() <= 1
    again = Crops(PhantomStore(tmp_path), (0, 2), (32, 24, 32), 5).sample(3)
    assert (again[0] == image).all()
    assert (crops.sample(4)[0] != image).any()


def test_each_passage_through_the_phantoms_has_an_order_of_its_own(monkeypatch):
    monkeypatch.setattr(samples, "crop", lambda hu, classes, shape, rng: (hu, classes))
    crops = Crops(SimpleNamespace(get=lambda seed: (seed, seed)), (10, 6), (8, 8, 8), 5)
    drawn, *later = ([crops.sample(first + n)[0] for n in range(6)] for first in (0, 6, 12))
    assert drawn == [10, 11, 12, 13, 14, 15]
    assert [sorted(passage) for passage in later] == [drawn, drawn]
    assert later[0] != drawn != later[1] != later[0]


def test_crops_end_within_the_body_now_and_then_and_their_classes_lie_where_the_bone_is(phantom):
    drawn = [crop(phantom.hu, phantom.classes, (32, 24, 48), np.random.default_rng(n)) for n in range(60)]
    ends = [(image[:, :, 0] < -0.8).all() or (image[:, :, -1] < -0.8).all() for image, _ in drawn]
    assert 20 <= sum(ends) <= 40  # 36 in 100 are cut, a few more reach beyond the phantom
    shown = [(image, classes) for image, classes in drawn if (classes == SpineClass.BODY).sum() > 100]
    assert len(shown) > 40
    for image, classes in shown:
        soft = image[(classes == SpineClass.OTHER) & (image > -0.8)]
        assert np.median(image[classes == SpineClass.BODY]) > np.median(soft) + 0.1


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("l3")
    (folder / "smoke.json").write_text(json.dumps(SMOKE))
    assert main(["--preset", str(folder / "smoke.json"), "--out", str(folder / "run")]) == 0
    return folder


def test_a_training_leaves_a_model_that_says_what_it_is(smoke):
    path = smoke / "run" / "l3-smoke.safetensors"
    entry = read_entry(path)
    assert entry.architecture == {"kind": "spine-unet", "channels": [8, 16]}
    assert entry.training["steps"] == 8
    assert "no patient" in entry.trained_on
    read_network(entry, path)
    lines = [json.loads(line) for line in (smoke / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_training_that_was_stopped_goes_on_exactly(smoke, tmp_path):
    import torch

    preset = load_spine_preset(str(smoke / "smoke.json"))
    whole = train_spine(preset, smoke / "run", cache=smoke / "run" / "phantoms", tell=lambda line: None)
    advance, done = SpineTraining.advance, []

    def stopped(self, *given):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(self.step)
        return advance(self, *given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SpineTraining, "advance", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_spine(preset, tmp_path, cache=smoke / "run" / "phantoms", tell=lambda line: None)
    told: list[str] = []
    again = train_spine(preset, tmp_path, cache=smoke / "run" / "phantoms", tell=told.append)
    assert "going on from step 2" in told
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


def test_the_folder_of_another_training_is_refused(smoke, capsys):
    (smoke / "other.json").write_text(json.dumps({**SMOKE, "seed": 2}))
    assert main(["--preset", str(smoke / "other.json"), "--out", str(smoke / "run")]) == 2
    assert "it differs in preset (seed)" in capsys.readouterr().err
    with pytest.raises(OutputError):
        train_spine(
            load_spine_preset(str(smoke / "other.json")), smoke / "run", cache=smoke, tell=lambda line: None
        )


@pytest.mark.parametrize(
    "fault",
    [
        {"crop": [32, 24, 31]},
        {"crop": 32},
        {"batch": 0},
        {"learning_rate": -1},
        {"depth": 3},
        {"channels": 16},
        {"train_seeds": [0]},
        {"validation_seeds": [0, 0]},
    ],
    ids=str,
)
def test_a_preset_that_cannot_be_is_refused(tmp_path, fault):
    (tmp_path / "bad.json").write_text(json.dumps({**SMOKE, **fault}))
    with pytest.raises(ModelError):
        load_spine_preset(str(tmp_path / "bad.json"))


def test_a_second_stage_starts_from_the_first_ones_weights(smoke):
    import torch

    (smoke / "second.json").write_text(
        json.dumps({**SMOKE, "seed": 5, "start_from": str(smoke / "run" / "l3-smoke.safetensors")})
    )
    started = SpineTraining.start(load_spine_preset(str(smoke / "second.json")))
    path = smoke / "run" / "l3-smoke.safetensors"
    first = read_network(read_entry(path), path).state_dict()
    assert started.network.training
    for name, weight in started.network.state_dict().items():
        assert torch.equal(weight, first[name]), name


def test_what_is_exported_is_the_average_of_the_weights(smoke):
    import torch

    preset = load_spine_preset(str(smoke / "smoke.json"))
    training = train_spine(preset, smoke / "run", cache=smoke / "run" / "phantoms", tell=lambda line: None)
    path = smoke / "run" / "l3-smoke.safetensors"
    exported = read_network(read_entry(path), path).state_dict()
    average, learner = training.average.module.state_dict(), training.network.state_dict()
    name = "classes.weight"
    assert torch.equal(exported[name], average[name].half().to(exported[name].dtype))
    assert not torch.equal(average[name], learner[name])


def test_a_state_holds_the_epoch_that_is_under_way(smoke):
    preset = load_spine_preset(str(smoke / "smoke.json"))
    stopped, again = SpineTraining.start(preset), SpineTraining.start(preset)
    stopped.step, stopped.seconds, stopped.losses = 3, 9.5, [0.25]
    again.restore(stopped.state())
    assert (again.step, again.seconds, again.losses) == (3, 9.5, [0.25])


def no_number(seen, truth):
    return seen.sum() * float("nan")


def no_gradient(seen, truth):
    """0, whose root has no slope."""
    return (seen - seen.detach()).abs().sqrt().sum()


@pytest.mark.parametrize("loss", [no_number, no_gradient])
def test_a_step_that_diverges_changes_no_weight(smoke, loss):
    import torch

    preset = load_spine_preset(str(smoke / "smoke.json"))
    training = SpineTraining.start(preset)
    before = {name: weight.clone() for name, weight in training.network.named_parameters()}
    crops = Crops(PhantomStore(smoke / "run" / "phantoms"), (0, 2), preset.crop, 1)
    schedule = Schedule.of(preset, 4)
    with pytest.raises(DivergedError, match="step 1 diverged"):
        training.advance(crops, schedule, loss)
    assert all(torch.equal(weight, before[name]) for name, weight in training.network.named_parameters())
    training.step = 3
    training.advance(crops, schedule, lambda seen, truth: seen.square().mean())
    assert training.optimiser.param_groups[0]["lr"] == schedule.learning_rate(3) < preset.learning_rate
    average = dict(training.average.module.named_parameters())  # the first step begins it
    for name, weight in training.network.named_parameters():
        assert torch.equal(weight, average[name]), name
    assert any(not torch.equal(weight, before[name]) for name, weight in average.items())


@pytest.mark.parametrize("damage", ["{", "[1]", "{}"])
def test_a_damaged_run_json_is_told(smoke, tmp_path, damage):
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises(OutputError, match=r"run\.json in the folder is damaged"):
        train_spine(
            load_spine_preset(str(smoke / "smoke.json")), tmp_path, cache=tmp_path, tell=lambda line: None
        )


def test_what_a_preset_says_of_itself_may_change(smoke):
    (smoke / "said.json").write_text(json.dumps({**SMOKE, "cost": "a minute"}))
    claim_folder(smoke / "run", load_spine_preset(str(smoke / "said.json")).to_mapping())


@pytest.mark.parametrize("name", ["l3-finder", "l3-finder-first"])
def test_the_shipped_presets_can_be_read_and_name_their_command(name):
    preset = load_spine_preset(name)
    assert preset.name == name
    assert preset.command.startswith("python -m SarcopeniaTraining.spine_scans.training")


def test_a_shown_part_holds_l3_where_it_was(phantom):
    grid = shown_part(phantom)
    k = grid.index_of(phantom.bodies_mm["L3"])[2]
    assert 16 < k < grid.hu.shape[2] - 16, "70 mm of it or more below and above"
    place = at(phantom, phantom.bodies_mm["L3"])
    shown = tuple(np.rint(grid.index_of(phantom.bodies_mm["L3"])).astype(int))
    assert (
        grid.hu[shown[0], shown[1]]
        == phantom.hu[place[0], place[1]][place[2] - shown[2] :][: grid.hu.shape[2]]
    ).all()
    assert grid.hu.shape[2] < phantom.hu.shape[2]


def test_confidence_rises_with_probability_and_never_promises_certainty():
    results = [Weighed(0.7, n % 2 == 0) for n in range(10)]
    results += [Weighed(0.999, True) for _ in range(18)]
    assert knots(results) == [[0.0, 0.0], [0.7, 0.5], [0.999, 0.95]]


def test_a_more_probable_count_is_never_told_with_less_confidence():
    results = [Weighed(0.7, True) for _ in range(18)]
    results += [Weighed(0.999, n % 2 == 0) for n in range(10)]
    assert knots(results) == [[0.0, 0.0], [0.7, 0.95], [0.999, 0.95]]


def test_what_the_library_finds_is_held_against_the_truth(phantom):
    l3_mm = float(phantom.bodies_mm["L3"][2])
    bottom_mm = phantom.ras_from_ijk[2, 3]
    first, last = (round((l3_mm - bottom_mm + beyond) / 4) for beyond in (-160, 50))
    affine = phantom.ras_from_ijk.copy()
    affine[2, 3] += 4 * first
    volume = CtVolume.from_array(phantom.hu[:, :, first:last], affine)
    found = counted(volume, l3_mm, seed=1, numbering="normal", partial=True)
    assert found.near
    assert not found.wrong
    assert found.told.endswith("no ribs are seen; by the height of the iliac crest")
    assert found.flagged  # by its confidence alone: there is no second candidate
    assert counted(volume, l3_mm + 36, seed=1, numbering="normal", partial=True).wrong
    few = CtVolume.from_array(phantom.hu[:, :, first : first + 3], affine)
    refused = counted(few, l3_mm, seed=1, numbering="normal", partial=True)
    assert (refused.error_mm, refused.confidence, refused.flagged) == (None, 0.0, True)
    assert "cannot be counted in 3 slices" in refused.told
