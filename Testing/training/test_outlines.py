"""Outlines drawn by Pillow over a grey image: what they enclose, counted by hand; what is told of others."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from SarcopeniaTraining.outlines import Line, OutlineError, fill_outline

ROWS, COLUMNS = 150, 190
RED = (255, 40, 20)


def grey():
    """A noisy grey image that is brighter to the right."""
    noise = np.random.default_rng(3).integers(0, 40, (ROWS, COLUMNS))
    image = (60 + 0.4 * np.arange(COLUMNS) + noise).astype(np.uint8)
    return np.repeat(image[:, :, None], 3, axis=2)


def drawn(draw, colour=RED, ground=None):
    image = Image.fromarray(grey() if ground is None else ground)
    draw(ImageDraw.Draw(image), colour)
    return np.array(image)


def box(left, top, right, bottom, width=1):
    """A rectangle whose outer edge has these pixels, inclusive."""
    return lambda pen, colour: pen.rectangle((left, top, right, bottom), outline=colour, width=width)


def both(*drawings):
    def draw(pen, colour):
        for each in drawings:
            each(pen, colour)

    return draw


@pytest.mark.parametrize("twin", [True, False])
@pytest.mark.parametrize(
    ("width", "line", "pixels"),
    [
        (1, Line.CENTRE, 99 * 59),  # of the line every second pixel
        (1, Line.INSIDE, 100 * 60),
        (1, Line.OUTSIDE, 98 * 58),
        (2, Line.CENTRE, 98 * 58),  # half of the line, by its area nearly
        (3, Line.CENTRE, 97 * 57),
        (3, Line.INSIDE, 100 * 60),
        (3, Line.OUTSIDE, 94 * 54),
    ],
)
def test_a_rectangle(twin, width, line, pixels):
    filled = fill_outline(drawn(box(20, 30, 119, 89, width)), grey() if twin else None, line)
    assert abs(int(filled.mask.sum()) - pixels) <= 4 * width  # an outer corner lies nearer to the outside
    assert filled.mask[60, 70]
    assert not filled.mask[60, 18]
    assert filled.width == width
    assert filled.findings == ()


def test_a_white_outline_is_found_beside_its_twin_alone():
    image = drawn(box(20, 30, 119, 89), (255, 255, 255))
    assert fill_outline(image, grey(), Line.INSIDE).mask.sum() == 100 * 60
    with pytest.raises(OutlineError, match="no coloured line"):
        fill_outline(image)


def test_an_outline_in_an_outline_is_a_hole_and_one_in_that_is_filled():
    filled = fill_outline(
        drawn(both(box(10, 10, 149, 129), box(30, 30, 129, 109), box(60, 50, 99, 89))), line=Line.INSIDE
    )
    ring = 140 * 120 - 98 * 78  # the line is muscle
    assert filled.mask.sum() == ring + 40 * 40
    assert filled.findings == ()


def test_two_outlines_apart():
    filled = fill_outline(drawn(both(box(10, 10, 49, 49), box(100, 60, 159, 99))), line=Line.INSIDE)
    assert filled.mask.sum() == 40 * 40 + 60 * 40
    assert filled.findings == ()


@pytest.mark.parametrize("corner", [(0, 0), (COLUMNS - 40, ROWS - 30)])
def test_an_outline_along_the_images_border(corner):
    left, top = corner
    filled = fill_outline(drawn(box(left, top, left + 39, top + 29)), line=Line.INSIDE)
    assert filled.mask.sum() == 40 * 30


def test_an_outline_that_runs_out_of_the_image_is_open():
    with pytest.raises(OutlineError, match=r"open outline near row \d+, column \d+"):
        fill_outline(drawn(box(-20, 40, 60, 90)))


def cut(size, width=1):
    """A rectangle with a gap in its upper side, from column 60."""
    image = drawn(box(20, 30, 119, 89, width))
    image[30 : 30 + width, 60 : 60 + size] = grey()[30 : 30 + width, 60 : 60 + size]
    return image


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("width", [1, 3])
def test_a_small_gap_is_closed_and_told(size, width):
    filled = fill_outline(cut(size, width))
    whole = fill_outline(drawn(box(20, 30, 119, 89, width)))
    assert abs(int(filled.mask.sum()) - int(whole.mask.sum())) <= 8
    assert [finding.code for finding in filled.findings] == ["outline_gap"]
    assert "near row 3" in filled.findings[0].message


@pytest.mark.parametrize("size", [9, 40])
@pytest.mark.parametrize("width", [1, 3])
def test_an_open_outline_is_refused_by_name(size, width):
    with pytest.raises(OutlineError, match="open outline") as refused:
        fill_outline(cut(size, width))
    assert "close the outline" in refused.value.remedy


def test_one_open_outline_among_closed_ones_is_found():
    arc = lambda pen, colour: pen.arc((120, 20, 170, 70), 20, 320, fill=colour)  # noqa: E731
    with pytest.raises(OutlineError, match="open outline near row"):
        fill_outline(drawn(both(box(10, 10, 79, 79), arc)))


def test_a_loose_end_on_a_closed_outline_is_found():
    tail = lambda pen, colour: pen.line((79, 40, 120, 44), fill=colour)  # noqa: E731
    with pytest.raises(OutlineError, match=r"open outline near row 4\d, column (9|10)\d"):
        fill_outline(drawn(both(box(10, 10, 79, 79), tail)))


@pytest.mark.parametrize("apart", [2, 4])
def test_an_outline_drawn_twice_is_refused_by_name(apart):
    second = box(20 + apart, 30 + apart, 119 - apart, 89 - apart)
    with pytest.raises(OutlineError, match="doubled outline near row"):
        fill_outline(drawn(both(box(20, 30, 119, 89), second)))


def test_two_strokes_that_cross_each_other_are_doubled():
    first = lambda pen, colour: pen.ellipse((20, 20, 120, 110), outline=colour)  # noqa: E731
    second = lambda pen, colour: pen.ellipse((24, 20, 116, 112), outline=colour)  # noqa: E731
    with pytest.raises(OutlineError, match="doubled outline"):
        fill_outline(drawn(both(first, second)))


def test_lines_that_run_into_one_are_doubled():
    dumbbell = [(20, 20), (80, 20), (80, 58), (110, 58), (110, 20), (170, 20), (170, 120), (110, 120)]
    dumbbell += [(110, 60), (80, 60), (80, 120), (20, 120), (20, 20)]
    pen_draws = lambda pen, colour: pen.line(dumbbell, fill=colour, width=3)  # noqa: E731
    with pytest.raises(OutlineError, match=r"doubled outline near row [56].*two lines run into one"):
        fill_outline(drawn(pen_draws))


def test_a_thin_muscle_is_not_taken_for_a_doubled_outline():
    filled = fill_outline(drawn(both(box(10, 10, 149, 129), box(17, 17, 142, 122))), line=Line.INSIDE)
    assert filled.mask.sum() == 140 * 120 - 124 * 104


def test_neighbours_that_share_a_line_are_both_filled_and_told():
    filled = fill_outline(drawn(both(box(20, 30, 79, 89), box(79, 50, 139, 109))), line=Line.INSIDE)
    assert filled.mask.sum() == 60 * 60 + 61 * 60 - 40
    assert [finding.code for finding in filled.findings] == ["outlines_touch"]
    assert "encloses 2 areas, 2 of them filled" in filled.findings[0].message


def test_neighbours_that_touch_in_a_point():
    filled = fill_outline(drawn(both(box(20, 30, 79, 89), box(79, 89, 139, 119))), line=Line.INSIDE)
    assert filled.mask.sum() == 60 * 60 + 61 * 31 - 1
    assert [finding.code for finding in filled.findings] == ["outlines_touch"]


def test_a_hole_that_touches_its_outline_in_a_point_stays_a_hole():
    hole = lambda pen, colour: pen.polygon([(20, 60), (60, 40), (90, 60), (60, 80)], outline=colour)  # noqa: E731
    filled = fill_outline(drawn(both(box(20, 30, 119, 89), hole)))
    assert not filled.mask[60, 60]
    assert filled.mask[35, 100]
    assert [finding.code for finding in filled.findings] == ["outlines_touch"]


def test_specks_and_grey_noise_are_no_outline():
    image = drawn(box(20, 30, 119, 89))
    image[5:8, 5:8] = RED
    assert fill_outline(image, line=Line.INSIDE).mask.sum() == 100 * 60
    with pytest.raises(OutlineError, match="equals its plain twin"):
        fill_outline(grey(), grey())
    with pytest.raises(OutlineError, match="no coloured line"):
        fill_outline(grey())


def test_images_that_are_no_twins():
    with pytest.raises(OutlineError, match="190×149 pixels, the annotated 190×150"):
        fill_outline(drawn(box(20, 30, 119, 89)), grey()[1:])
    with pytest.raises(OutlineError, match="more than half"):
        fill_outline(drawn(box(20, 30, 119, 89)), 255 - grey())
