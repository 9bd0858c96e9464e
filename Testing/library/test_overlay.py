"""The picture: which side is where, true proportions, a contour that covers nothing, a bar of 5 cm."""

import io
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib import overlay
from SarcopeniaAssessLib.overlay import CONTOUR, WIDTH_PX, SliceView, draw_slice, overlay_png, png_bytes
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import STORAGES, rotation, store
from Testing.library.small_case import record

SPACING_MM = (2.0, 3.0, 5.0)


def disc_ct(spacing_mm=SPACING_MM):
    """A disc of 240 mm of soft tissue; a bright spot at the patient's left and anterior, none elsewhere."""
    shape = (int(300 / spacing_mm[0]), int(300 / spacing_mm[1]), 3)
    i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    right = (i - (shape[0] - 1) / 2) * spacing_mm[0]
    anterior = (j - (shape[1] - 1) / 2) * spacing_mm[1]
    hu = np.full(shape, -1000, np.int16)
    hu[right**2 + anterior**2 < 120**2] = 40
    hu[(right + 60) ** 2 + (anterior - 60) ** 2 < 15**2] = 1000
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = (-140.0, 17.0, 300.0)
    return hu, affine


def view_of(native, affine, mask=None):
    volume = CtVolume.from_array(native, affine)
    hu = volume.slab(1, 2)[:, :, 0]
    drawn = np.zeros(hu.shape, bool) if mask is None else mask
    return SliceView(hu, drawn, volume.ras_from_canonical)


def bright_centre(picture):
    """Where the bright spot lies, as fractions of the disc's width and height from its upper left."""
    grey = np.asarray(picture)[:, :, 0].astype(int)
    grey[:70, :80] = grey[:70, -80:] = 0  # the letters
    grey[-60:, -260:] = 0  # the scale bar
    body = grey > 90
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    y, x = np.nonzero(grey > 240)
    return (x.mean() - columns[0]) / np.ptp(columns), (y.mean() - rows[0]) / np.ptp(rows)


@pytest.mark.parametrize(("order", "flips"), STORAGES[::5], ids=str)
def test_patients_left_is_on_the_right_and_anterior_up_in_every_storage(order, flips):
    native, affine = store(*disc_ct(), order, flips)
    x, y = bright_centre(draw_slice(view_of(native, affine)))
    # 60 mm to the left and up of the centre of a disc of 240 mm: 3/4 across, 1/4 down.
    assert x == pytest.approx(0.75, abs=0.02)
    assert y == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("turn_deg", [-35, 20])
def test_a_patient_lying_askew_is_drawn_upright(turn_deg):
    hu, affine = disc_ct()
    turned = np.eye(4)
    turned[:3, :3] = rotation(0, 0, turn_deg)
    # The anatomy stays where it is in the world; the image's axes are turned, so it is sampled anew.
    native_from_upright = np.linalg.inv(turned @ affine) @ affine
    centre = (np.array(hu.shape[:2]) - 1) / 2
    i, j = np.meshgrid(*(np.arange(n) for n in hu.shape[:2]), indexing="ij")
    matrix = np.linalg.inv(native_from_upright[:2, :2])
    source = (
        np.einsum("ab,bij->aij", matrix, np.stack([i - centre[0], j - centre[1]])) + centre[:, None, None]
    )
    nearest = np.clip(np.rint(source).astype(int), 0, np.array(hu.shape[:2])[:, None, None] - 1)
    sampled = hu[nearest[0], nearest[1], :]
    x, y = bright_centre(draw_slice(view_of(sampled, turned @ affine)))
    assert x == pytest.approx(0.75, abs=0.02)
    assert y == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("spacing_mm", [(2.0, 3.0, 5.0), (3.0, 1.5, 2.0), (0.75, 0.75, 5.0)], ids=str)
def test_a_disc_stays_a_disc_and_the_bar_is_five_centimetres(spacing_mm):
    picture = draw_slice(view_of(*disc_ct(spacing_mm)))
    grey = np.asarray(picture)[:, :, 0]
    body = grey[:, WIDTH_PX // 2 - 1] > 90
    height = np.ptp(np.flatnonzero(body)) + 1
    middle = grey[picture.height // 2] > 90
    width = np.ptp(np.flatnonzero(middle)) + 1
    assert width / height == pytest.approx(1.0, abs=0.02)
    bar = np.flatnonzero(grey[picture.height - 22, picture.width // 2 :] == 255)
    # 50 mm of a disc of 240 mm; the ends' strokes are 2 px wide.
    assert np.ptp(bar) / width == pytest.approx(50 / 240, abs=0.01)


def test_the_mask_is_a_line_around_and_nothing_over_what_it_encloses():
    hu, affine = disc_ct()
    mask = np.zeros(hu.shape[:2], bool)
    mask[60:90, 40:60] = True
    plain = np.asarray(draw_slice(view_of(hu, affine))).astype(int)
    drawn = np.asarray(draw_slice(view_of(hu, affine, mask))).astype(int)
    changed = np.abs(drawn - plain).sum(axis=2) > 30
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    inside = changed[rows[0] + 8 : rows[-1] - 7, columns[0] + 8 : columns[-1] - 7]
    assert not inside.any()
    line = drawn[rows[0] : rows[-1] + 1, columns.mean().astype(int)]
    assert np.abs(line - CONTOUR).sum(axis=1).min() < 20
    # 30 × 2 mm by 20 × 3 mm enclosed: the line lies around a square of 60 mm.
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(1.0, abs=0.03)
    assert changed.sum() < 0.12 * np.ptp(rows) * np.ptp(columns)


def test_a_mask_at_the_images_border_is_drawn():
    hu, affine = disc_ct()
    mask = np.zeros(hu.shape[:2], bool)
    mask[:12, :] = True
    picture = np.asarray(draw_slice(view_of(hu, affine, mask)))
    assert (np.abs(picture.astype(int) - CONTOUR).sum(axis=2) < 20).any()


def test_without_a_ct_the_mask_itself_is_shown():
    mask = np.zeros((100, 80), bool)
    mask[30:60, 20:50] = True
    picture = draw_slice(SliceView(None, mask, np.diag([1.0, 1.0, 3.0, 1.0])))
    grey = np.asarray(picture)
    assert picture.width == WIDTH_PX
    assert len(np.unique(grey[picture.height // 2, picture.width // 2])) == 1
    assert 0 < grey[picture.height // 2, picture.width // 2, 0] < 255


@pytest.mark.parametrize("hu", [-1000, 40])
def test_a_slice_of_one_value_is_drawn_whole(hu):
    view = SliceView(np.full((20, 24), hu, np.int16), np.zeros((20, 24), bool), np.diag([5.0, 4.0, 3.0, 1.0]))
    picture = draw_slice(view)
    # 100 × 96 mm and a margin of 12 mm on each side, whatever is in it.
    assert picture.size == (WIDTH_PX, pytest.approx(WIDTH_PX * (92 + 24) / (95 + 24), abs=2))


@pytest.mark.parametrize(("wide", "sex"), [*product([True, False], ["male", None])])
def test_the_png_has_bands_above_and_below(wide, sex):
    hu, affine = disc_ct()
    picture = draw_slice(view_of(hu[:, :: 1 if wide else 2], affine))
    status = (
        {} if sex else {"value": "undetermined", "borderline": None, "cutoff": None, "reason": "needs sex"}
    )
    made = record(patient={"sex": sex, "sex_source": "given" if sex else None}, status=status)
    png = overlay_png(picture, made)
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert image.width == picture.width >= 900
    assert image.height > picture.height
    assert not image.info  # no text, no time
    np.testing.assert_array_equal(np.asarray(image)[104 : 104 + picture.height], np.asarray(picture))
    assert png_bytes(picture) == png_bytes(picture)


def blue(picture):
    """Where the picture has the colour of doubt."""
    red, _, blue_ = (np.asarray(picture).astype(int)[..., n] for n in range(3))
    return blue_ - red > 80


def doubtful_view(region):
    hu, affine = disc_ct()
    hu[60:110, 30:60] = 0
    i, j = np.meshgrid(*(np.arange(n) for n in hu.shape[:2]), indexing="ij")
    mask = (i >= 60) & (i < 110) & (j >= 30) & (j < 60)
    doubtful = np.zeros_like(mask)
    doubtful[region] = True
    return replace(view_of(hu, affine, mask), doubtful=doubtful)


def test_only_the_stretch_beside_a_doubtful_region_is_drawn_as_doubt():
    sure = draw_slice(doubtful_view(np.s_[0:0, 0:0]))
    assert not blue(sure).any()
    doubted = draw_slice(doubtful_view(np.s_[104:110, 30:60]))  # the mask's right side
    found = blue(doubted)
    found[-60:, :320] = False  # the legend
    yellow = np.asarray(doubted).astype(int)
    yellow = yellow[..., 0] - yellow[..., 2] > 80
    x, (y, beside) = np.nonzero(found)[1], np.nonzero(yellow)
    # The patient's right is on the left of the picture; the mask is 100 mm wide, the region 12, beside 2.5.
    px_per_mm = (beside.max() - x.min()) / 100
    assert beside.min() > x.min()
    assert x.max() == pytest.approx(x.min() + 14.5 * px_per_mm, abs=2 * px_per_mm)
    # A region that touches the mask has no border of its own: all lies along the mask's.
    inside = found[y.min() + 12 : y.max() - 12, x.min() + 12 :]
    assert not inside.any()
    assert found.sum() < yellow.sum()


def test_a_doubtful_region_away_from_the_mask_has_a_border_of_its_own_and_a_legend_tells():
    picture = draw_slice(doubtful_view(np.s_[30:42, 40:50]))
    found = blue(picture)
    assert found[-40:, :60].any()  # the legend
    found[-60:, :320] = False
    # A region of 24 × 30 mm: a thin line around it, nothing inside.
    y, x = np.nonzero(found)
    assert np.ptp(x) / np.ptp(y) == pytest.approx(24 / 30, rel=0.12)
    assert not found[int(y.mean()), int(x.mean())]


@pytest.mark.parametrize("radius", [0.9, 1.0, 1.5, 4.8, 7.3])
@pytest.mark.parametrize("shape", [(40, 56), (3, 5), (9, 4)])
def test_a_region_grows_by_a_distance(radius, shape):
    """Held against distances one by one, also where the disc is larger than the picture."""
    inside = np.random.default_rng(3).random(shape) > 0.96
    inside[1, 2] = True
    i, j = np.indices(shape)
    near = [(i - a) ** 2 + (j - b) ** 2 <= radius**2 for a, b in np.argwhere(inside)]
    assert (overlay._grown(inside, radius) == np.any(near, axis=0)).all()
