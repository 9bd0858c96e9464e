"""The shipped sample CT is the phantom that its module draws."""

import json
from pathlib import Path

import numpy as np
import pytest

from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaTraining.phantom import demo

SHIPPED = Path(__file__).parents[2] / "SarcopeniaAssess" / "Resources" / "demo"


@pytest.fixture(scope="module")
def about():
    return json.loads((SHIPPED / "about.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shipped():
    return open_ct(SHIPPED / "ct.nii.gz")


def test_the_slice_through_l3_is_drawn_again(shipped):
    drawn = demo.demo_level().astype(int)
    stored = shipped.slab(demo.SLICE, demo.SLICE + 1)[:, :, 0].astype(int)
    # Processors round sines differently: a voxel may differ by 1 HU, a few on a sharp border by more.
    assert drawn.shape == stored.shape
    assert np.mean(np.abs(drawn - stored) > 1) < 1e-3
    assert np.mean(drawn != stored) < 0.02


def test_its_facts_are_true(shipped, about):
    assert about["seed"] == demo.SEED >= 3_000_000
    assert about["l3_slice_from_feet"] == demo.SLICE
    assert shipped.slice_superior_mm(demo.SLICE) == pytest.approx(about["l3_superior_mm"], abs=1e-3)
    mask = read_label_map(SHIPPED / "muscle.nii.gz")
    area = shipped.canonical_slice_mask(mask.labels, demo.SLICE).sum() * shipped.pixel_area_cm2
    assert area == pytest.approx(about["true_sma_cm2"], abs=0.01)
    assert 144 * 1.05 < area < 144 * 1.2, "not sarcopenic, near the cut-off, not at it"


def test_it_is_small():
    assert (SHIPPED / "ct.nii.gz").stat().st_size < 3_000_000


def test_make_demo_asks_for_its_level_and_sex(about):
    makefile = (SHIPPED.parents[2] / "Makefile").read_text(encoding="utf-8")
    assert f"DEMO_L3 := slice:{demo.SLICE}" in makefile
    assert f"DEMO_SEX := {about['sex']}" in makefile
    assert f"DEMO := {(SHIPPED / 'ct.nii.gz').relative_to(SHIPPED.parents[2]).as_posix()}" in makefile
