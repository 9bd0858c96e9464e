"""An image finds its slice and its way round; nothing is taken for granted."""

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.image_match import match_image
from Testing.library.ct_files import SHAPE, STORAGES, affine, anatomy, rotation, store

SEEN = np.ones((SHAPE[1], SHAPE[0]), bool)


def image_of(k, across=True, down=True):
    """Slice k in another window as (rows, columns, 3): radiological, or mirrored across or upside down."""
    grey = np.clip((anatomy()[:, :, k].astype(float) + 220) / 500, 0, 1) * 255
    image = grey.astype(np.uint8)[:: -1 if across else 1, :: -1 if down else 1].T
    return np.repeat(image[:, :, None], 3, axis=2)


@pytest.mark.parametrize(("order", "flips"), STORAGES[::11], ids=str)
@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("down", [True, False])
def test_slice_and_way_round(order, flips, across, down):
    volume = CtVolume.from_array(*store(anatomy(), affine(rotation(5, 4, -8)), order, flips))
    image = image_of(6, across, down)
    match = match_image(image, SEEN, volume)
    assert match.k == 6
    assert bool(match.notes) != (across and down)
    shown = np.clip((anatomy()[:, :, 6].astype(float) + 220) / 500, 0, 1) * 255
    np.testing.assert_array_equal(match.canonical(image[:, :, 0]), shown.astype(np.uint8))


def test_what_is_drawn_over_does_not_count():
    volume = CtVolume.from_array(anatomy(), affine())
    image, seen = image_of(4), SEEN.copy()
    image[8:14, 3:27] = 255
    seen[8:14, 3:27] = False
    assert match_image(image, seen, volume, 4).correlation > 0.98
    with pytest.raises(MaskError, match="does not resemble slice 4"):
        match_image(image, SEEN, volume, 4)


def test_another_size_or_a_blank_image_is_refused():
    volume = CtVolume.from_array(anatomy(), affine())
    with pytest.raises(MaskError, match="the image has 30×21 pixels, the CT's slices 30×22"):
        match_image(image_of(4)[1:], SEEN[1:], volume)
    with pytest.raises(MaskError, match=r"any slice of the CT \(correlation 0\.00\)"):
        match_image(0 * image_of(4), SEEN, volume)
