"""Ribs of the held-out family: they begin at their vertebrae and fall backwards and outwards."""

from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaTraining.second_family.body import build
from SarcopeniaTraining.second_family.frame import Column
from SarcopeniaTraining.second_family.girdles import _Rib
from SarcopeniaTraining.second_family.person import Person
from SarcopeniaTraining.second_family.raster import Canvas, rasterise
from SarcopeniaTraining.second_family.tissue import Tissue

PIXEL_MM = 2.0
PLAIN = replace(Person.random(np.random.default_rng(4), variants=False), traits=(), asymmetry=0.0)


def rib_shares(heights, **facts):
    """The frame, and the share of each pixel (i, j, k) that ribs fill; x of i is 2 i − 319 mm."""
    frame = build(replace(PLAIN, **facts), np.array(heights), np.random.default_rng(3))[0]
    table = np.zeros(256, np.float32)
    table[[Tissue.RIB_CORTEX, Tissue.RIB_MARROW]] = 1
    return frame, rasterise(frame, Canvas((-320.0, -200.0), PIXEL_MM, (320, 200), 2), table, 1).hu


def ribs_beside_the_spine(numbering, order):
    """cm³ of rib on either side of a vertebra, between its process and the wall (25 to 50 mm aside)."""
    column = Column.of(replace(PLAIN, numbering=numbering))
    vertebra = next(v for v in column.vertebrae if v.number == 29 + order)
    heights = vertebra.middle_mm + np.arange(-8.0, 9.0, 2.0)
    frame, share = rib_shares(heights, numbering=numbering)
    aside = (np.arange(320) + 0.5) * PIXEL_MM - 320 - frame.spine[:, 0, :1]
    volumes = []
    for sign in (1, -1):
        near = ((sign * aside > 25) & (sign * aside < 50)).T[:, None, :]
        volumes.append((share * near).sum() * PIXEL_MM**2 * 2 / 1000)
    return min(volumes)


@pytest.mark.parametrize(
    ("numbering", "lowest"), [("normal", 3), ("T13", 2), ("no_T12_rib", 4), ("L4", 3), ("L6", 3)]
)
def test_ribs_reach_their_vertebrae_from_the_lowest_that_bears_them(numbering, lowest):
    assert ribs_beside_the_spine(numbering, lowest) > 0.8
    assert ribs_beside_the_spine(numbering, lowest + 1) > 0.8
    assert ribs_beside_the_spine(numbering, lowest - 1) == 0


def test_a_rib_falls_from_the_side_of_its_body_backwards_and_outwards():
    """T11: its head beside the body 4 to 12 mm above the middle, then behind and below."""
    middle = next(v.middle_mm for v in Column.of(PLAIN).vertebrae if v.number == 33)
    heights = middle + np.array([7.0, 0.0, -8.0])
    frame, share = rib_shares(heights)
    places = []
    for k in range(3):
        i, j = np.nonzero(share[160:230, :, k] > 0.5)
        x, y = (i + 0.5) * PIXEL_MM, (j + 0.5) * PIXEL_MM - 200
        near = (x - frame.spine[k, 0, 0] < 70) & (y < 0)
        places.append((x[near].mean() - frame.spine[k, 0, 0], y[near].mean() - frame.spine[k, 0, 1]))
    aside, front = zip(*places, strict=True)
    assert aside[0] < aside[1] < aside[2]
    assert front[0] > front[1] > front[2]
    assert 18 < aside[0] < 32
    assert -30 < front[0] < -8


@pytest.mark.parametrize(("number", "share"), [(32, 0.25), (34, 0.25), (35, 0.45), (36, 0.45)])
def test_heads_from_t10_down_lie_on_their_own_body_and_those_above_at_the_disc(number, share):
    """So far above the body's middle, in vertebrae: 34 is T10, half a vertebra is the disc."""
    vertebra = next(v for v in Column.of(PLAIN).vertebrae if v.number == number)
    head_mm = _Rib.of(vertebra, PLAIN.skeleton).head_mm
    assert (head_mm - vertebra.middle_mm) / vertebra.segment_mm == pytest.approx(share)
