"""A mask of one slice as a few hundred bytes of text, for records, audit logs and scenes."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import MaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_SIDE = 65536
_REMEDY = "assess the CT again"


def pack_mask(mask: NDArray[Any]) -> dict[str, Any]:
    """Pack a mask of one slice.

    Parameters
    ----------
    mask:
        (I, J), canonical: axes run to the patient's right and to anterior; every value but 0 is inside.

    Returns
    -------
    `shape` [I, J] and `bits`: pixels in C order, eight to a byte, the first in the highest bit; then zlib;
    then Base64. `numpy.unpackbits` on the inflated bytes gives them back in any program.
    """
    i, j = mask.shape
    packed = np.packbits(np.ascontiguousarray(mask) != 0).tobytes()
    return {"shape": [int(i), int(j)], "bits": base64.b64encode(zlib.compress(packed, 9)).decode("ascii")}


def unpack_mask(packed: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Unpack what `pack_mask` made: (I, J), bool.

    Raises
    ------
    MaskError
        Anything else, or fewer or more pixels than the shape says.
    """
    try:
        i, j = (int(side) for side in packed["shape"])
        if not (0 < i <= _LARGEST_SIDE and 0 < j <= _LARGEST_SIDE):
            raise ValueError(packed["shape"])
        wanted = (i * j + 7) // 8
        inflater = zlib.decompressobj()
        content = inflater.decompress(base64.b64decode(packed["bits"], validate=True), wanted + 1)
        if len(content) != wanted:
            raise ValueError(len(content))
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):
        raise MaskError("A packed mask is damaged", _REMEDY) from None
    inside: NDArray[np.bool_] = np.unpackbits(np.frombuffer(content, np.uint8), count=i * j) > 0
    return inside.reshape(i, j)


def dice(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Dice coefficient of two masks of one shape, 0…1; of two empty ones 1 (Dice 1945)."""
    a, b = one != 0, other != 0
    both = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 1.0 if both == 0 else 2.0 * int(np.count_nonzero(a & b)) / both
