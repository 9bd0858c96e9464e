"""The picture of docs/phantoms.md: six persons in a row of seeds, at L3, with the truth's border.

python -m SarcopeniaTraining.phantom.picture docs/images/phantoms.png
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid
from SarcopeniaTraining.phantom.volume import Body, Rendering

FIRST_SEED, ROWS, COLUMNS = 3_000_200, 2, 3
_PIXEL_MM, _TILE = 1.25, (330, 264)
_WINDOW_HU = (-160.0, 240.0)
_BORDER = (255, 210, 0)


def tile(seed: int) -> NDArray[np.uint8]:
    """One person's L3 as (row, column, RGB), the patient's right on the left."""
    person = Person.random(seed)
    points = Body.of(person).points_mm
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    grid = Grid.axial((*_TILE, 1), (_PIXEL_MM, _PIXEL_MM, 5), (float(middle[0]), float(middle[1]), 0))
    drawn = Rendering.of(person, grid).draw(0, 1)
    low, high = _WINDOW_HU
    grey = np.clip((drawn.hu[:, :, 0] - low) / (high - low), 0, 1) * 255
    colours = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    colours[_border(drawn.muscle[:, :, 0] > 0)] = _BORDER
    return colours.transpose(1, 0, 2)[::-1, ::-1]


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask that have a neighbour outside."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    border: NDArray[np.bool_] = mask & ~inner
    return border


def write_picture(path: Path) -> None:
    """Write the montage as a palette PNG."""
    from PIL import Image

    tiles = [tile(FIRST_SEED + n) for n in range(ROWS * COLUMNS)]
    rows = [np.hstack(tiles[n : n + COLUMNS]) for n in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.vstack(rows)).quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    write_picture(Path(sys.argv[1]))
