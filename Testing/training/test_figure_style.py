"""Figures are light, as wide as said, the same whenever drawn, and told when they cannot be written."""

import numpy as np
import pytest
from PIL import Image

from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaTraining.figure_style import PREDICTED, RUN_COLOURS, TRUTH, legend, panels, save
from Testing.training.pictures import pixels


def example():
    figure, (axis,) = panels(1, 1, 3.0)
    axis.plot([0, 1], [0, 1], label="a line")
    legend(figure, 1)
    return figure


def test_width_ground_and_bytes(tmp_path):
    first, second = save(example(), tmp_path / "a.png"), save(example(), tmp_path / "b.png")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as image:
        assert image.width == 1350
        assert set(image.info) <= {"dpi"}
    assert pixels(example())[0, 0].tolist() == [255, 255, 255]


def lightness(colour):
    """Relative luminance of #RRGGBB (WCAG)."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def deuteranope(colour):
    """Roughly what is left without green cones: red and green as one (Viénot 1999, simplified)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return np.array([0.29 * red + 0.71 * green, blue])


@pytest.mark.parametrize("pair", [(TRUTH, PREDICTED), RUN_COLOURS[:2], (RUN_COLOURS[0], RUN_COLOURS[2])])
def test_colours_stay_apart_without_green_cones(pair):
    assert np.linalg.norm(deuteranope(pair[0]) - deuteranope(pair[1])) > 50


def test_both_outlines_stand_out_from_muscle():
    assert min(lightness(TRUTH), lightness(PREDICTED)) > 1.5 * lightness("#808080")


def test_an_unwritable_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"a\.png cannot be written"):
        save(example(), tmp_path / "file" / "a.png")
