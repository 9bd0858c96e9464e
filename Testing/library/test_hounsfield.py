"""What is and is not Hounsfield units, on values whose making is known."""

from __future__ import annotations

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import IntensityError
from SarcopeniaAssessLib.hounsfield import check_finite, check_hu, is_label_like
from Testing.library.ct_files import anatomy

RANDOM = np.random.default_rng(3)


def body(scale: int = 3) -> np.ndarray:
    """The anatomy at a size at which fractions are those of a CT."""
    return np.repeat(np.repeat(anatomy(), scale, 0), scale, 1)


@pytest.mark.parametrize(
    "hu",
    [
        body(),
        body().astype(np.float32) + 0.25,
        body()[18:66, 15:50],  # cropped into the body: no air
        np.clip(body(), -175, 250),
        np.where(RANDOM.random(body().shape) < 0.01, 30000, body()),  # metal on an extended scale
        np.where(np.arange(90)[:, None, None] < 40, -3024, body()),
        np.pad(body(), ((200, 200), (200, 200), (0, 0)), constant_values=-1000)[:, :, ::2],
    ],
    ids=["plain", "float", "no air", "windowed", "metal", "padded", "small in its field"],
)
def test_a_ct_is_a_ct(hu):
    check_hu(hu)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (body() + 1024, "intercept"),
        (np.clip(body() + 1024, 0, 4095).astype(np.uint16), "intercept"),
        (np.where(np.arange(90)[:, None, None] < 5, -2000, body() + 1024), "intercept"),
        (body() % 4096, "wrapped around to values near 3000"),
        (body().astype(np.uint16), "wrapped around to values near 65000"),
        (np.where(body() < -500, 2071, body()), "above 1900"),
        (np.where(body() > 0, 29, 0), "label map"),
        (np.where(body() > 0, 255, 0).astype(np.uint8), "label map"),
        (np.full((20, 20, 5), -1000) + RANDOM.integers(-9, 9, (20, 20, 5)), "nothing but air"),
        (np.full((20, 20, 5), -2000), "nothing but padding"),
        (body() - 1024, "nothing but air"),
        (np.abs(RANDOM.normal(300, 200, (40, 30, 6))).astype(np.int16), "MR, PET"),
        ((np.clip(body(), -175, 250) + 175) / 425, "MR, PET"),
        (RANDOM.normal(0, 1, (40, 30, 6)), "MR, PET"),
        (RANDOM.normal(0, 7, (40, 30, 6)), "not Hounsfield"),
        (np.where(body() == 50, np.inf, body().astype(float)), "NaN or infinite"),
    ],
)
def test_what_is_no_ct_is_refused_with_what_it_seems_to_be(values, says):
    with pytest.raises(IntensityError, match=says):
        check_hu(values)


def test_a_single_nan_in_a_large_volume_is_found():
    values = np.zeros((200, 100, 80), np.float32)
    values[137, 61, 43] = np.nan
    with pytest.raises(IntensityError):
        check_finite(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 0, 255]), True),
        (np.arange(118), True),
        (np.array([0.0, 0.5, 1.0]), False),
        (np.array([-1, 0, 1]), False),
        (np.arange(256), False),
        (np.array([0, 0, 65535]), True),
        (np.array([]), False),
    ],
)
def test_labels_are_few_whole_numbers(values, expected):
    assert is_label_like(values) is expected
