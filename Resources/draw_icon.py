"""Draw the extension's icon, 128 × 128: a body across L3 with its muscle in red.

`python Resources/draw_icon.py` writes SarcopeniaAssess/Resources/Icons/SarcopeniaAssess.png.
"""

from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 128
FINER = 8
ICON = Path(__file__).parents[1] / "SarcopeniaAssess" / "Resources" / "Icons" / "SarcopeniaAssess.png"
SKIN, FAT, CAVITY = "#27313d", "#e9d9a6", "#5f6b78"
MUSCLE, BONE, CANAL = "#c06858", "#f7f3e8", "#3a4450"


def draw() -> Image.Image:
    """The icon, RGBA, with nothing around the body."""
    large = Image.new("RGBA", (SIZE * FINER, SIZE * FINER), (0, 0, 0, 0))
    pen = ImageDraw.Draw(large)

    def oval(centre: tuple[float, float], radii: tuple[float, float], colour: str) -> None:
        (x, y), (a, b) = centre, radii
        pen.ellipse([(x - a) * FINER, (y - b) * FINER, (x + a) * FINER, (y + b) * FINER], fill=colour)

    oval((64, 64), (62, 48), SKIN)
    oval((64, 64), (59, 45), FAT)
    oval((64, 62), (49, 36), MUSCLE)
    oval((64, 57), (42, 27), CAVITY)
    for side in (-1, 1):
        oval((64 + side * 17, 93), (14, 10), MUSCLE)
        oval((64 + side * 21, 74), (10, 12), MUSCLE)
    oval((64, 76), (14, 11), BONE)
    oval((64, 89), (5, 4), CANAL)
    oval((64, 98), (3, 5), BONE)
    return large.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    ICON.parent.mkdir(parents=True, exist_ok=True)
    draw().save(ICON, optimize=True)
