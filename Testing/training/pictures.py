"""What a figure drew, as pixels, for the tests of figures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def pixels(figure: Any) -> np.ndarray[Any, Any]:
    """The drawn figure as (row, column, RGB) of 0…255."""
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return np.asarray(Image.open(content).convert("RGB"))


def share(drawn: np.ndarray[Any, Any], colour: str, tolerance: int = 40) -> float:
    """Share of the pixels that have nearly this colour (#RRGGBB)."""
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return float((np.abs(drawn.astype(int) - wanted).max(axis=2) <= tolerance).mean())


def texts(figure: Any) -> str:
    """Every word of a figure."""
    from matplotlib.text import Text

    return "\n".join(found.get_text() for found in figure.findobj(Text))
