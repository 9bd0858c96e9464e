"""The outline of a result, drawn by Slicer's own displayable managers, lies on the muscle's edge."""

import numpy as np
import pytest

from SarcopeniaAssessLib.slicer_bridge import nodes
from Testing.library import small_case
from Testing.slicer import mrml_cases
from Testing.slicer.host.slice_pictures import SlicePicture

PIXELS = (480, 360)


@pytest.fixture
def picture(qt_host):
    """The axial view of a CT, with its muscle outlined in pure green."""
    import slicer

    volume = mrml_cases.add_volume(storage="dicom")
    volume.CreateDefaultDisplayNodes()
    node, segment = nodes.new_segmentation(volume)
    muscle = small_case.muscle()[:, :, small_case.LEVEL].astype(bool)
    nodes.write_mask(node, segment, volume, muscle, small_case.LEVEL)
    node.GetSegmentation().GetSegment(segment).SetColor(0.0, 1.0, 0.0)
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.0)
    display.SetOpacity2DOutline(1.0)
    view = slicer.app.layoutManager().sliceWidget("Red")
    view.mrmlSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    view.logic.SetSliceOffset(small_case.ORIGIN_MM[2] + small_case.LEVEL * small_case.SPACING_MM[2])
    made = SlicePicture(view, PIXELS)
    yield made
    made.close()


def green(picture):
    colours = picture.pixels().astype(int)
    return colours[:, :, 1] - np.maximum(colours[:, :, 0], colours[:, :, 2]) > 100


def edges_mm():
    """Sides of the muscle's blocks, counted by hand: half a pixel beyond the outermost centres."""
    x, y = small_case.ORIGIN_MM[:2]
    dx, dy = small_case.SPACING_MM[:2]
    blocks = ((25, 55, 12, 32), (60, 70, 30, 41), (41, 47, 20, 25))
    return [
        (x + (i0 - 0.5) * dx, x + (i1 - 0.5) * dx, y + (j0 - 0.5) * dy, y + (j1 - 0.5) * dy)
        for i0, i1, j0, j1 in blocks
    ]


def distance_to_edges(point):
    """Distance of a point from the nearest of the sides, mm."""
    found = []
    for left, right, back, front in edges_mm():
        dx = max(left - point[0], point[0] - right)
        dy = max(back - point[1], point[1] - front)
        outside = np.hypot(max(dx, 0.0), max(dy, 0.0))
        found.append(outside if outside > 0 else -max(dx, dy))
    return min(found)


def test_every_pixel_of_the_outline_lies_on_the_muscles_edge(picture):
    rows, columns = np.nonzero(green(picture))
    assert len(rows) > 300
    pixel_mm = np.linalg.norm(picture.ras_of(1, 0) - picture.ras_of(0, 0))
    far = max(
        distance_to_edges(picture.ras_of(column, row)) for row, column in zip(rows, columns, strict=True)
    )
    assert far <= 2.5 + 1.5 * pixel_mm  # half a voxel: the outline is smoothed between centres


def test_the_outline_reaches_all_of_the_edge(picture):
    outlined = green(picture)
    rows, columns = np.nonzero(outlined)
    drawn = np.array([picture.ras_of(c, r)[:2] for r, c in zip(rows, columns, strict=True)])
    for left, right, back, front in edges_mm():
        for corner in ((left, back), (left, front), (right, back), (right, front)):
            assert np.linalg.norm(drawn - corner, axis=1).min() < 6.0


def test_another_slice_has_no_outline(picture):
    picture._view.logic.SetSliceOffset(small_case.ORIGIN_MM[2])
    assert not green(picture).any()
