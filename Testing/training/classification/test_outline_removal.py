"""What a network is shown of a picture on which somebody drew: the plain twin, or the line filled in."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from SarcopeniaTraining.classification.outline_removal import fill_in, plain_image, remove_outline
from SarcopeniaTraining.outlines import OutlineError

YELLOW, RED, WHITE = (255, 230, 0), (255, 64, 32), (255, 255, 255)


def picture(seed=3):
    """A grey section of 90 × 120 pixels: a body with an organ, and noise; as (rows, columns, 3)."""
    made = Image.new("L", (120, 90), 0)
    draw = ImageDraw.Draw(made)
    draw.ellipse((8, 8, 112, 82), fill=90)
    draw.ellipse((30, 24, 70, 60), fill=150)
    noise = np.random.default_rng(seed).normal(0, 8, (90, 120))
    grey = np.clip(np.asarray(made, float) + np.where(np.asarray(made) > 0, noise, 0), 0, 255)
    return np.repeat(np.round(grey).astype(np.uint8)[:, :, None], 3, axis=2)


def drawn(plain, colour=YELLOW, width=2, blur=0.0):
    """The picture with a closed line within its body."""
    layer = Image.new("L", plain.shape[1::-1], 0)
    ImageDraw.Draw(layer).ellipse((20, 16, 100, 74), outline=255, width=width)
    opacity = (
        np.asarray(layer.filter(ImageFilter.GaussianBlur(blur)) if blur else layer, float)[..., None] / 255
    )
    return np.round(plain * (1 - opacity) + np.array(colour) * opacity).astype(np.uint8)


def test_the_plain_twin_is_taken_as_it_is():
    plain = picture()
    for colour in (YELLOW, WHITE):
        taken = plain_image(plain, drawn(plain, colour))
        assert np.array_equal(taken.grey, plain[:, :, 0])
        assert not taken.restored.any()
        assert taken.note == ""


@pytest.mark.parametrize("colour", [YELLOW, WHITE])
def test_twins_the_wrong_way_round_are_told_by_their_pixels(colour):
    plain = picture()
    taken = plain_image(drawn(plain, colour), plain)
    assert np.array_equal(taken.grey, plain[:, :, 0])
    assert "annotated_image" in taken.note


def test_without_a_twin_a_grey_picture_is_plain():
    plain = picture()
    assert np.array_equal(plain_image(plain).grey, plain[:, :, 0])


@pytest.mark.parametrize("blur", [0.0, 0.7, 1.2])
@pytest.mark.parametrize("colour", [YELLOW, RED, (0, 0, 255)])
def test_a_coloured_line_is_gone_and_all_else_is_untouched(colour, blur):
    plain = picture()
    annotated = drawn(plain, colour, blur=blur)
    removed = remove_outline(annotated)
    changed = (annotated != plain).any(axis=2)
    touched = removed.restored
    # Of a blurred line what is left is less than the noise, which is 8.
    assert touched[np.abs(annotated.astype(int) - plain).max(axis=2) > 6].all()
    assert np.array_equal(removed.grey[~changed & ~touched], plain[:, :, 0][~changed & ~touched])
    error = removed.grey.astype(float) - plain[:, :, 0]
    # The line crosses even tissue: what is filled in is off by two draws of its noise at most.
    assert np.sqrt((error[touched] ** 2).mean()) < 8 * 2
    assert abs(error[touched].mean()) < 2


def test_what_is_filled_in_is_as_rough_as_its_surroundings():
    plain = picture()
    removed = remove_outline(drawn(plain, width=3))
    rough = removed.grey - gaussian_filter(removed.grey.astype(float), 1.5)
    truth = plain[:, :, 0] - gaussian_filter(plain[:, :, 0].astype(float), 1.5)
    assert 0.75 < rough[removed.restored].std() / truth[removed.restored].std() < 1.3


def test_a_ramp_is_filled_exactly():
    ramp = np.repeat(np.arange(0, 160, 4, dtype=np.uint8)[None], 12, axis=0)
    covered = np.zeros(ramp.shape, bool)
    covered[:, 17:20] = True
    covered[4:6, 30:33] = True
    damaged = np.where(covered, 255, ramp).astype(np.uint8)
    assert np.array_equal(fill_in(damaged, covered), ramp)


def test_an_edge_beside_the_line_is_not_mirrored_into_it():
    # Columns 20 to 22 are covered; from column 24 on a quarter of the rows is brighter by 150.
    scene = np.full((60, 48), 50.0)
    scene[:15, 24:] = 200
    scene += np.random.default_rng(4).normal(0, 2, scene.shape)
    covered = np.zeros(scene.shape, bool)
    covered[:, 20:23] = True
    filled = fill_in(np.round(scene).astype(np.uint8), covered)
    # Three of the noise's standard deviations at most, on a surface that is off by its noise.
    assert np.abs(filled[covered].astype(float) - 50).max() < 20


def test_a_covered_corner_is_filled_from_the_two_sides_that_it_has():
    flat = np.full((9, 7), 40, np.uint8)
    covered = np.zeros(flat.shape, bool)
    covered[:2, :3] = covered[-1, -1] = True
    assert np.array_equal(fill_in(np.where(covered, 200, flat).astype(np.uint8), covered), flat)


def test_the_same_picture_gives_the_same_bytes():
    annotated = drawn(picture())
    assert np.array_equal(remove_outline(annotated).grey, remove_outline(annotated).grey)


def test_the_tints_of_a_jpeg_are_no_line():
    plain = picture()
    kept = io.BytesIO()
    Image.fromarray(plain + np.array([0, 3, 1], np.uint8)).save(kept, "JPEG", quality=95)
    tinted = np.array(Image.open(kept).convert("RGB"))
    assert (tinted != tinted[:, :, :1]).any()
    assert not plain_image(tinted).restored.any()


def test_a_faint_line_without_a_twin_is_refused():
    plain = picture()
    faint = drawn(plain, (120, 90, 100))
    with pytest.raises(OutlineError, match="no line of a clear colour"):
        plain_image(faint)
    assert np.array_equal(plain_image(plain, faint).grey, plain[:, :, 0])


def test_a_band_of_half_the_contrast_is_no_drawn_line():
    plain = picture()
    ring = (drawn(plain) != plain).any(axis=2)
    other = plain.copy()
    other[ring] = plain[ring] // 2 + 110
    for image, twin in ((plain, other), (other, plain)):
        taken = plain_image(image, twin)
        assert (taken.note, taken.grey.tolist()) == ("", image[:, :, 0].tolist())


def test_a_coloured_speck_is_filled_in_too():
    plain = picture()
    marked = plain.copy()
    marked[40:42, 50:53] = YELLOW
    restored = plain_image(marked).restored
    assert restored.sum() == 6
    assert restored[40:42, 50:53].all()


def test_a_picture_that_is_coloured_all_over_is_refused():
    plain = picture()
    tinted = np.minimum(plain.astype(int) + np.array([70, 0, 0]), 255).astype(np.uint8)
    tinted[:60] = plain[:60]
    with pytest.raises(OutlineError, match="of the image is coloured"):
        plain_image(tinted)


def test_twins_of_another_size_do_not_count_as_twins():
    plain = picture()
    assert np.array_equal(plain_image(plain, drawn(plain)[:80]).grey, plain[:, :, 0])
    assert plain_image(drawn(plain), plain[:80]).restored.any()


def test_the_grey_picture_of_somebody_else_does_not_stand_in():
    other = np.roll(picture(seed=9), 14, axis=1)
    with pytest.raises(OutlineError, match="not the same without them"):
        plain_image(drawn(picture()), other)


def test_one_picture_given_twice_is_refused_unless_its_line_has_a_colour():
    plain = picture()
    with pytest.raises(OutlineError, match="equals its annotated twin"):
        plain_image(plain, plain)
    assert plain_image(drawn(plain), drawn(plain)).restored.any()
