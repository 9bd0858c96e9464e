"""Small pictures of the slices, cut out of the overlays, for a page that needs no file beside it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from SarcopeniaAssessLib.overlay import BANDS_PX, WIDTH_PX

SIZE_PX = (132, 108)
"""At most; shown at two thirds of it, so that it is sharp on a fine screen too."""
_QUALITY = 55
_LARGEST_PX = 4 * WIDTH_PX
_AT_ONCE = 200
_LARGEST_PAGE_BYTES = 1 << 30
_BLOCK = re.compile(r'<script type="application/json" class="pictures">([^<]*)</script>')
_URI = re.compile(r"data:image/webp;base64,[A-Za-z0-9+/]+={0,2}")


def thumbnails(
    overlays: Sequence[tuple[str, Path]], earlier: Mapping[str, str], advance: Callable[[], None]
) -> Iterator[tuple[str, str]]:
    """Each result's id and a data URI, in their order; empty where there is no such picture.

    Parameters
    ----------
    overlays:
        Id of the result and its overlay: a case's folder appears whole and is replaced whole, so a picture
        of an id never changes.
    earlier:
        Pictures of an earlier page by id, which need not be made again.
    advance:
        Called after each.
    """

    def made(each: tuple[str, Path]) -> tuple[str, str]:
        return each[0], earlier.get(each[0]) or thumbnail(each[1])

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for start in range(0, len(overlays), _AT_ONCE):
            for picture in threads.map(made, overlays[start : start + _AT_ONCE]):
                advance()
                yield picture


def earlier_pictures(page: Path) -> dict[str, str]:
    """Pictures of a page that was made before, by the id of their result; none where it is no such page."""
    try:
        if not page.is_file() or page.stat().st_size > _LARGEST_PAGE_BYTES:  # a pipe would be waited for
            return {}
        blocks = [json.loads(text) for text in _BLOCK.findall(page.read_text(encoding="utf-8"))]
        found = {id_: picture for block in blocks for id_, picture in block}
    except (OSError, TypeError, ValueError, RecursionError):
        return {}
    return {
        id_: picture
        for id_, picture in found.items()
        if isinstance(id_, str) and isinstance(picture, str) and _URI.fullmatch(picture)
    }


def thumbnail(overlay: Path) -> str:
    """The slice of an overlay without the words above and below, as a data URI; empty if it is none."""
    from PIL import Image

    try:
        if not overlay.is_file():
            return ""
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # no PNG, damaged, too large
        return ""
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")
