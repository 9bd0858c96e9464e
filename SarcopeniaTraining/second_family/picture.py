"""The picture of docs/second-family.md: six persons in a row of seeds, at L3, with the truth's border.

python -m SarcopeniaTraining.second_family.picture docs/images/second-family.png
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.second_family.scan import draw_l3

FIRST_SEED, ROWS, COLUMNS = 5_000_000, 2, 3
_TILE = 400
_WINDOW_HU = (-160.0, 240.0)
_BORDER = (255, 210, 0)


def tile(seed: int) -> NDArray[np.uint8]:
    """One person's L3 as (row, column, RGB), the patient's right on the left."""
    from PIL import Image

    scan = draw_l3(seed)
    low, high = _WINDOW_HU
    grey = np.clip((scan.hu[:, :, 2] - low) / (high - low), 0, 1) * 255
    small = (_TILE, _TILE)
    grey = np.asarray(Image.fromarray(grey.astype(np.uint8)).resize(small, Image.Resampling.BILINEAR))
    colours = np.repeat(grey[:, :, None], 3, axis=2)
    muscle = np.asarray(Image.fromarray(scan.muscle[:, :, 2]).resize(small, Image.Resampling.NEAREST)) > 0
    inner = muscle.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(muscle, step, axis)
    colours[muscle & ~inner] = _BORDER
    return colours.transpose(1, 0, 2)[::-1, ::-1]


def write_picture(path: Path) -> None:
    """Write the montage as a palette PNG."""
    from PIL import Image

    tiles = [tile(FIRST_SEED + n) for n in range(ROWS * COLUMNS)]
    rows = [np.hstack(tiles[n : n + COLUMNS]) for n in range(0, len(tiles), COLUMNS)]
    palette = Image.new("P", (1, 1))
    greys = np.linspace(0, 255, 47).astype(np.uint8)
    palette.putpalette([*np.repeat(greys, 3).tolist(), *_BORDER])
    montage = Image.fromarray(np.vstack(rows)).quantize(palette=palette, dither=Image.Dither.NONE)
    montage.save(path, optimize=True)


if __name__ == "__main__":
    write_picture(Path(sys.argv[1]))
