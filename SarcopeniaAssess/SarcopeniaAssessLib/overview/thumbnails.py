"""Small pictures of the slices, cut out of the overlays, for a page that needs no file beside it."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from SarcopeniaAssessLib.overlay import BANDS_PX, WIDTH_PX

SIZE_PX = (132, 108)
"""At most; shown at two thirds of it, so that it is sharp on a fine screen too."""
_QUALITY = 55
_LARGEST_PX = 4 * WIDTH_PX
_AT_ONCE = 200


def thumbnails(overlays: Sequence[Path], advance: Callable[[], None]) -> Iterator[str]:
    """A data URI for each overlay, in their order; empty where there is no such picture.

    Parameters
    ----------
    advance:
        Called after each.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for start in range(0, len(overlays), _AT_ONCE):
            for made in threads.map(thumbnail, overlays[start : start + _AT_ONCE]):
                advance()
                yield made


def thumbnail(overlay: Path) -> str:
    """The slice of an overlay without the words above and below, as a data URI; empty if it is none."""
    from PIL import Image

    try:
        with Image.open(overlay, formats=("PNG",)) as picture:
            if max(picture.size) > _LARGEST_PX:
                return ""
            top, bottom = BANDS_PX
            small = picture.convert("RGB").reduce(
                max(1, picture.width // SIZE_PX[0] // 2),
                box=(0, top, picture.width, max(picture.height - bottom, top + 1)),
            )
        small.thumbnail(SIZE_PX, Image.Resampling.LANCZOS)
        content = io.BytesIO()
        small.save(content, "WEBP", quality=_QUALITY, method=4)
    except (OSError, ValueError, SyntaxError):  # no file, no PNG, damaged, too large for Pillow
        return ""
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")
