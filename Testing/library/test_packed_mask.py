"""A packed mask: bits in the order that is promised, the exact way back, and refusal of anything else."""

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.packed_mask import dice, pack_mask, unpack_mask


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=23)))
def test_a_mask_survives_json(mask):
    packed = json.loads(json.dumps(pack_mask(mask)))
    np.testing.assert_array_equal(unpack_mask(packed), mask)


def test_bits_are_in_the_promised_order():
    mask = np.zeros((2, 5), np.uint8)
    mask[0, 1] = mask[1, 4] = 255  # pixels 1 and 9 of ten
    packed = pack_mask(mask.T.copy().T)
    assert packed["shape"] == [2, 5]
    assert zlib.decompress(base64.b64decode(packed["bits"])) == bytes([0b01000000, 0b01000000])


def test_a_slice_of_a_ct_takes_little_room():
    i, j = np.ogrid[:512, :512]
    ring = (np.hypot(i - 250, j - 270) < 180) & (np.hypot(i - 250, j - 270) > 150)
    assert len(json.dumps(pack_mask(ring))) < 4000


def bits(content):
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"shape": [2, 5]},
        {"shape": [2, 5], "bits": None},
        {"shape": [2, 5], "bits": "no base64!"},
        {"shape": [2, 5], "bits": base64.b64encode(b"no zlib").decode()},
        {"shape": [2, 5], "bits": bits(b"\x40")},
        {"shape": [2, 5], "bits": bits(b"\x40\x40\x40")},
        {"shape": [2, 5, 1], "bits": bits(b"\x40\x40")},
        {"shape": [0, 5], "bits": bits(b"")},
        {"shape": [-2, -5], "bits": bits(b"\x40\x40")},
        {"shape": [1 << 20, 1], "bits": bits(bytes(1 << 17))},
        {"shape": "25", "bits": bits(b"\x40")},
    ],
)
def test_what_is_damaged_is_refused(damaged):
    with pytest.raises(MaskError, match="damaged"):
        unpack_mask(damaged)


def test_dice_by_hand():
    one = np.array([[1, 1, 0], [1, 1, 0]])
    other = np.array([[0, 1, 1], [0, 0, 0]], np.bool_)
    assert dice(one, other) == 2 * 1 / (4 + 2)
    assert dice(one, np.zeros((2, 3))) == 0.0
    assert dice(np.zeros((2, 3)), np.zeros((2, 3))) == 1.0
