"""Images of sections: BMP, PNG, TIFF or JPEG, 8 or 24 bit, read as red, green and blue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODES = {"1", "L", "P", "RGB", "RGBA", "LA"}


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image, (rows, columns, 3); a palette is resolved, transparency lies on black.

    Raises
    ------
    InputError
        No image, damaged, of several pages, or of more than 8 bits a channel.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise InputError("the image has several pages", "give the page of L3 alone")
            if image.mode not in _MODES:
                raise InputError(
                    f"the image is of mode {image.mode}, not 8 bits a channel", "export it in 8 or 24 bits"
                )
            rgba = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise InputError("the image cannot be read", "export it again as BMP or PNG") from None
    ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return np.array(Image.alpha_composite(ground, rgba).convert("RGB"))


def is_grey(rgb: NDArray[np.uint8]) -> bool:
    """Whether all three channels are equal."""
    return bool((rgb == rgb[:, :, :1]).all())
