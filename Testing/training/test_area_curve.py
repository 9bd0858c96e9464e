"""The area curve: steps by hand, vertebrae from an oblique label map, areas equal to those of `assess`."""

import csv
import io
import json

import nibabel as nib
import numpy as np
import pytest

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.__main__ import run_group
from SarcopeniaAssessLib.assessment import assess
from SarcopeniaAssessLib.ct_io import open_ct
from SarcopeniaAssessLib.errors import LevelError
from SarcopeniaAssessLib.models import default_model_name, load_model
from SarcopeniaTraining.area_curve import (
    AreaCurve,
    Band,
    area_curve,
    command,
    curve_csv,
    curve_figure,
    curve_json,
    montage,
    slice_range,
    vertebral_bodies,
)
from Testing.training.pictures import pixels, share, texts

DEMO = resource_path("demo/ct.nii.gz")


def curve(*areas, model="made"):
    n = len(areas)
    return AreaCurve(model, None, tuple(range(4, 4 + n)), tuple(10.0 + 3 * k for k in range(n)), areas)


def test_steps_are_of_the_mean_of_both_slices():
    made = curve(95.0, 105.0, 105.0, 63.0)
    assert made.steps_percent == pytest.approx((10.0, 0.0, -50.0))
    assert made.max_step_percent == pytest.approx(50.0)


def test_an_even_slope_is_smooth_and_a_spike_is_not():
    assert curve(100.0, 110.0, 120.0, 130.0).roughness_percent == pytest.approx(0.0)
    assert curve(100.0, 110.0, 100.0).roughness_percent == pytest.approx(10.0)
    assert curve(100.0, 90.0).roughness_percent == 0.0


def test_an_empty_slice_is_the_largest_step():
    assert curve(120.0, 0.0, 0.0).steps_percent == pytest.approx((-200.0, 0.0))


def test_a_range_holds_both_ends():
    assert slice_range("3:5", 6) == range(3, 6)


@pytest.mark.parametrize("spec", ["5", "5:3", "5:5", "a:b", "²:5", "-1:2", "3:6", ""])
def test_wrong_ranges_are_refused(spec):
    with pytest.raises(LevelError):
        slice_range(spec, 6)


def test_bodies_of_a_flipped_label_map_in_mm(tmp_path):
    # Canonical slices of 2.5 mm from s = 40; L3's body on slices 4…9, L4's on 0…1; stored from the head.
    labels = np.zeros((9, 11, 12), np.uint8)
    labels[3:6, 4:8, 4:10] = 29
    labels[3:6, 4:8, 0:2] = 28
    ras = np.diag([2.0, 3.0, -2.5, 1.0])
    ras[:3, 3] = (-7.0, 11.0, 40.0 + 11 * 2.5)
    nib.save(nib.Nifti1Image(labels[:, :, ::-1].copy(), ras), tmp_path / "labels.nii.gz")
    four, three = vertebral_bodies(tmp_path / "labels.nii.gz")
    assert (four.name, three.name) == ("L4", "L3")
    assert (three.low_mm, three.high_mm) == pytest.approx((40 + 3.5 * 2.5, 40 + 9.5 * 2.5))
    assert (four.low_mm, four.high_mm) == pytest.approx((40 - 1.25, 40 + 1.5 * 2.5))


def test_csv_and_json_hold_the_same_areas():
    made = curve(100.0, 110.0)
    rows = list(csv.DictReader(io.StringIO(curve_csv([made]))))
    assert [row["sma_cm2"] for row in rows] == ["100.0", "110.0"]
    assert [row["step_percent"] for row in rows] == ["", "9.524"]
    told = json.loads(curve_json([made]))["curves"][0]
    assert told["sma_cm2"] == [100.0, 110.0]
    assert told["max_step_percent"] == 9.52


def test_areas_are_those_that_assess_gives():
    volume, model = open_ct(DEMO), load_model()
    made, masks = area_curve(volume, [11, 12], model)
    record = assess(volume, l3="slice:12", model=model, device="cpu").record
    assert made.sma_cm2[1] == pytest.approx(record["muscle"]["sma_cm2"])
    assert made.sma_cm2[0] == pytest.approx(record["l3"]["neighbours_sma_cm2"][0])
    assert made.superior_mm[1] == pytest.approx(record["l3"]["superior_mm"])
    picture = pixels(montage(volume, [11, 12], masks))
    assert share(picture, "#E69F00", 60) > 0.001


def test_the_picture_names_models_and_vertebrae_of_its_range_alone():
    bands = (Band("L5", -80.0, -60.0), Band("L3", 12.0, 20.0))
    words = texts(curve_figure([curve(100.0, 110.0, 105.0), curve(90.0, 95.0, 99.0, model="other")], bands))
    assert {"made", "other", "L3", "4", "6"} <= set(words.split("\n"))
    assert "L5" not in words


def test_every_model_is_in_the_picture_however_many_there_are():
    names = [f"model-{n}" for n in range(8)]
    words = texts(curve_figure([curve(100.0, 110.0, 105.0, model=name) for name in names]))
    assert set(names) <= set(words.split("\n"))


def test_the_command_leaves_numbers_and_picture(tmp_path, capsys):
    import click

    group = click.Group(commands={"curve": command})
    words = ["curve", str(DEMO), "--slices", "11:13", "--out", str(tmp_path / "out")]
    assert run_group(group, words) == 0
    assert capsys.readouterr().out.startswith(f"{default_model_name()}: largest step")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "area-curve.csv",
        "area-curve.json",
        "area-curve.png",
    }
    assert run_group(group, [*words[:3], "11:99", *words[4:]]) == 2
    assert "slice 99 lies outside the scan" in capsys.readouterr().err
