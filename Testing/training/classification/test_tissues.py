"""Which tissue a pixel shows, on a body drawn here; shares of an attribution by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaAssessLib import segmentation
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.classification.tissues import TISSUES, Tissue, TissueMap, tissue_map, tissues_of
from SarcopeniaTraining.phantom.anatomy import Person, ring_coordinates
from SarcopeniaTraining.phantom.back import paint_spine
from SarcopeniaTraining.phantom.generate import Grid, phantom
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.patients import in_phase

SHAPE, PIXEL_MM = (150, 80), (2.0, 3.0)  # 300 × 240 mm
X, Y = np.meshgrid((np.arange(150) - 75) * 2.0, (np.arange(80) - 40) * 3.0, indexing="ij")


def disc(x, y, radius):
    return (X - x) ** 2 + (Y - y) ** 2 < radius**2


def drawn():
    """HU and muscle: a body of fat with an organ, gas, a vertebra between muscles, and bright bowel alone."""
    hu = np.full(SHAPE, -1000.0, np.float32)
    hu[(X / 120) ** 2 + (Y / 90) ** 2 < 1] = -100
    hu[(X / 130) ** 2 + ((Y + 108) / 6) ** 2 < 1] = 60  # the table, in air behind the body
    hu[disc(60, 40, 25)] = 40
    hu[disc(-70, 30, 15)] = -900
    hu[disc(0, 55, 16)] = 420
    muscle = disc(-45, -35, 24) | disc(45, -35, 24) | (disc(0, -35, 34) & ~disc(0, -35, 22))
    hu[muscle] = 55
    hu[disc(0, -35, 22)] = 700
    hu[disc(0, -35, 16)] = 90  # marrow
    return hu, muscle & ~disc(0, -35, 22)


def at(found, x, y):
    return TISSUES[found[round(x / 2 + 75), round(y / 3 + 40)]]


def test_each_place_is_told_by_what_is_drawn_there():
    found = tissues_of(*drawn(), PIXEL_MM)
    assert at(found, 50, -35) is at(found, -50, -35) is Tissue.MUSCLE
    assert at(found, 0, 80) is at(found, 100, 0) is Tissue.FAT
    assert at(found, 19, -35) is Tissue.BONE
    assert at(found, 0, -35) is Tissue.BONE, "marrow is no denser than muscle, but bone encloses it"
    assert at(found, 60, 40) is Tissue.OTHER, "an organ"
    assert at(found, -70, 30) is Tissue.OTHER, "gas of the bowel"
    assert at(found, 0, 55) is Tissue.OTHER, "bright bowel that no muscle lies against"
    assert at(found, 0, -108) is at(found, -140, -100) is Tissue.OUTSIDE, "table and air"


def test_muscle_is_taken_as_given():
    hu, muscle = drawn()
    wider = muscle | disc(60, 40, 25)
    assert (tissues_of(hu, wider, PIXEL_MM) == TISSUES.index(Tissue.MUSCLE)).sum() == wider.sum()


def test_shares_of_an_attribution_and_of_the_pixels():
    shares = np.zeros((5, 1, 2), np.float32)
    shares[0, 0] = [0.5, 0]  # muscle: half of the first pixel
    shares[1, 0] = [0.5, 0.25]
    shares[4, 0] = [0, 0.75]
    tissues = TissueMap(shares)
    assert tissues.of_pixels == {
        Tissue.MUSCLE: 0.25, Tissue.FAT: 0.375, Tissue.BONE: 0, Tissue.OTHER: 0, Tissue.OUTSIDE: 0.375
    }  # fmt: skip
    found = tissues.of(np.array([[3.0, 1.0]]))
    assert found is not None
    assert found[Tissue.MUSCLE] == pytest.approx(3 * 0.5 / 4)
    assert found[Tissue.FAT] == pytest.approx((3 * 0.5 + 0.25) / 4)
    assert found[Tissue.OUTSIDE] == pytest.approx(0.75 / 4)
    assert tissues.of(np.zeros((1, 2))) is None
    assert tissues.of(np.full((1, 2), 7)) == pytest.approx(tissues.of_pixels)


def test_what_is_no_attribution_and_no_share_is_refused():
    shares = np.zeros((5, 2, 2), np.float32)
    with pytest.raises(ValueError, match="sum up to 1"):
        TissueMap(shares)
    shares[0] = 1
    for wrong in (np.ones((3, 3)), np.array([[1.0, -0.1], [0, 0]])):
        with pytest.raises(ValueError, match="attribution"):
            TissueMap(shares).of(wrong)


@pytest.mark.parametrize("side", [32, 101])
def test_on_the_grid_areas_stay_and_right_is_left(monkeypatch, side):
    """The volume is stored with its axes to the left and to posterior, with a slice on either side."""
    hu, muscle = drawn()
    volume = CtVolume.from_array(
        np.repeat(hu[::-1, ::-1, None], 3, axis=2).astype(np.int16), np.diag([-2.0, -3.0, 5.0, 1.0])
    )
    monkeypatch.setattr(segmentation, "segment_slice", lambda *_: SimpleNamespace(mask=muscle))
    made = tissue_map(volume, 1, SimpleNamespace(), (side, 400.0))
    assert made.shares.shape == (5, side, side)
    pixel_mm2 = (400 / side) ** 2
    areas = made.shares.sum(axis=(1, 2)) * pixel_mm2
    assert areas[0] == pytest.approx(muscle.sum() * 6, rel=0.02)
    # gas lies at the patient's right, so at the left of a picture; the organ at the patient's left
    other = made.shares[TISSUES.index(Tissue.OTHER)]

    def near(x, y):  # mm from the middle of the body
        return other[round((side - 1) / 2 - y * side / 400), round((side - 1) / 2 - x * side / 400)]

    assert near(60, 40) > 0.95
    assert near(-70, 30) > 0.8
    assert made.shares[TISSUES.index(Tissue.OUTSIDE), 0].min() > 0.999


def drawn_vertebra(person, grid):
    """Where a phantom's vertebra is painted, its canal included: on a canvas that holds nothing else."""
    x, y, z = grid.coordinates()
    canvas = Canvas.of_air(*person.warp(x, y, z), z, grid.pixel_mm)
    canvas.hu[:] = -5000
    paint_spine(person, canvas, person.on_spine(ring_coordinates(person, canvas.x, canvas.y, canvas.z)))
    return canvas.hu[:, :, 0] > -2500


def test_bone_is_the_vertebra_that_phantoms_draw():
    """Docs: Dice 0.76 … 0.97; lowest where bowel or vessels with contrast touch the vertebra."""
    dice = []
    for number, seed in enumerate(range(7_100_000, 7_100_008)):
        person = in_phase(Person.random(seed), ("arterial", None, "portal")[(number + 1) % 3])
        grid = Grid.axial((420, 340, 1), (1.0, 1.0, 5.0))
        made = phantom(person, grid)
        hu = np.maximum(made.hu[:, :, 0].astype(np.float32), -1024)
        bone = tissues_of(hu, made.muscle[:, :, 0] > 0, (1.0, 1.0)) == TISSUES.index(Tissue.BONE)
        drawn_here = drawn_vertebra(person, grid)
        dice.append(2 * (bone & drawn_here).sum() / (bone.sum() + drawn_here.sum()))
    assert min(dice) > 0.74
    assert np.median(dice) > 0.93
