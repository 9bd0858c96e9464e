"""Slices are shown as a radiologist sees them, and the outlines lie where the masks are."""

import numpy as np
import pytest

from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.figure_style import PREDICTED, TRUTH
from SarcopeniaTraining.outline_figures import (
    Chosen,
    best_median_worst,
    caption,
    outline_figure,
    radiological,
    upright,
)
from SarcopeniaTraining.patient_scores import Reading
from SarcopeniaTraining.phantom.generate import Grid
from Testing.training.made_scores import score
from Testing.training.pictures import pixels, share, texts


def ranks(*dice):
    return [
        (one.rank, one.score.dice) for one in best_median_worst([score(f"P{d}", (1, 1), d) for d in dice])
    ]


def test_best_median_worst():
    assert ranks(0.9, 0.7, 0.8) == [("best", 0.9), ("median", 0.8), ("worst", 0.7)]
    assert ranks(0.9, 0.7, 0.8, 0.6) == [("best", 0.9), ("median", 0.7), ("worst", 0.6)]
    assert ranks(0.9, 0.7) == [("best", 0.9), ("median and worst", 0.7)]
    assert ranks(0.9) == [("the only one", 0.9)]
    assert ranks() == []


def body(axes, turn=(0, 0, 0)):
    """A box of soft tissue with muscle at the patient's right front, in any storage."""
    grid = Grid.oblique((150, 110, 3), (1.9, 2.4, 5.0), rotation_deg=turn, axes=axes)
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), -1)
    x, y, _ = np.moveaxis(ijk @ grid.ras_from_ijk[:3, :3].T + grid.ras_from_ijk[:3, 3], -1, 0)
    hu = np.where((np.abs(x) < 100) & (np.abs(y) < 80), 0, -1000).astype(np.int16)
    front_right = (x > 30) & (x < 80) & (y > 20) & (y < 60)
    return CtVolume.from_array(hu, grid.ras_from_ijk), front_right


@pytest.mark.parametrize(("axes", "turn"), [("RAS", (0, 0, 0)), ("LPS", (0, 0, 0)), ("RPS", (0, 0, 10))])
def test_the_patients_right_front_is_on_the_upper_left(axes, turn):
    volume, native = body(axes, turn)
    mask = volume.canonical_slice_mask(native.astype(np.uint8), 1)
    image, (shown,) = upright(volume, 1, [mask])
    rows, columns = np.nonzero(shown > 0.5)
    middle = np.array(image.shape) / 2
    assert rows.mean() < middle[0]
    assert columns.mean() < middle[1]
    # 50 × 40 mm on pixels of 0.7 mm.
    assert (shown > 0.5).sum() * 0.7**2 == pytest.approx(2000, rel=0.08)


def test_radiological_turns_right_anterior_to_left_up():
    image = np.zeros((4, 3), np.float32)
    image[3, 2] = 1  # the most right, the most anterior
    assert radiological(image).shape == (3, 4)
    assert radiological(image)[0, 0] == 1


def reading(shift):
    volume, native = body("LPS")
    truth = volume.canonical_slice_mask(native.astype(np.uint8), 1)
    return Reading(volume, 1, truth, np.roll(truth, shift, axis=0))


def figure_of(shift, count=1):
    chosen = [Chosen(str(n), score("P1", (150.0, 150.0 + shift), 0.9)) for n in range(count)]
    return outline_figure(chosen, [reading(shift)] * count, "Test patients")


def test_both_outlines_are_drawn_and_the_numbers_written():
    figure = figure_of(6)
    drawn = pixels(figure)
    assert drawn.shape[1] == 1350
    assert share(drawn, TRUTH) > 0.001
    assert share(drawn, PREDICTED) > 0.001
    words = texts(figure)
    assert "true 150.0 cm², predicted 156.0 cm²\n(+4.0 %)" in words
    assert "P1" not in words  # nobody is named in a picture


def test_an_empty_prediction_is_drawn_without_its_outline():
    one = reading(0)
    empty = Reading(one.volume, one.k, one.truth, np.zeros_like(one.truth))
    figure = outline_figure([Chosen("worst", score("P1", (150.0, 0.0), 0.0))], [empty], "x")
    with_outline = share(pixels(figure_of(6)), PREDICTED)
    assert share(pixels(figure), PREDICTED) < with_outline / 2


def test_three_patients_of_unequal_slices_at_one_scale():
    assert pixels(figure_of(3, count=3)).shape[1] == 1350


def test_the_caption_tells_who_and_why():
    chosen = best_median_worst([score("P4", (150.0, 147.0), 0.91)])
    words = caption(chosen, "sarcopenic", 3)
    assert words.startswith("Test patients of fold 3 who are sarcopenic")
    assert "the only one: P4, Dice 0.910, true 150.0 cm², predicted 147.0 cm² (−2.0 %)" in words
