"""Canonical axes and gaps between slices, on layouts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import GeometryError
from SarcopeniaAssessLib.geometry import CanonicalAxes, check_geometry, is_gap, slice_normal, tilt_deg
from Testing.library.ct_files import STORAGES, affine, rotation, store


def test_axes_of_a_coronal_storage():
    # i to superior, j to left, k to anterior
    ras_from_ijk = np.array([[0.0, -0.7, 0, 9], [0, 0, 0.8, -4], [5.0, 0, 0, 2], [0, 0, 0, 1]])
    axes = CanonicalAxes.of(ras_from_ijk)
    assert axes.order == (1, 2, 0)
    assert axes.flipped == (True, False, False)
    native = np.arange(24).reshape(2, 3, 4)
    assert axes.view(native)[0, 3, 1] == native[1, 2, 3]
    assert np.shares_memory(axes.view(native), native)
    canonical = axes.ras_from_canonical(ras_from_ijk, native.shape)
    np.testing.assert_allclose(canonical @ [0, 3, 1, 1], ras_from_ijk @ [1, 2, 3, 1])


@pytest.mark.parametrize(("order", "flips"), STORAGES)
def test_the_view_undoes_every_storage(order, flips):
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    native, ras_from_ijk = store(values, affine(rotation(20, -15, 10)), order, flips)
    axes = CanonicalAxes.of(ras_from_ijk)
    np.testing.assert_array_equal(axes.view(native), values)
    assert axes.native_slice(1, 4) == (2 if axes.flipped[2] else 1)


def test_the_normal_is_that_of_the_plane_not_the_direction_of_the_table():
    sheared = np.array([[1.0, 0, 0, 0], [0, np.cos(0.3), 0, 0], [0, np.sin(0.3), 3, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(slice_normal(sheared), (0, -np.sin(0.3), np.cos(0.3)), atol=1e-12)
    assert tilt_deg(sheared) == pytest.approx(np.degrees(0.3))


@pytest.mark.parametrize(
    ("distances", "gaps"),
    [
        ([3, 3, 3, 3, 3], []),
        ([3, 3, 6, 3, 3], [2]),
        ([6, 3, 3, 3], [0]),
        ([3, 3, 4.4, 3], []),
        ([2, 2, 2, 2, 2, 2, 5, 5, 5, 5, 5, 5], []),  # a change of spacing is no gap
        ([5, 5, 5, 5, 5, 5, 2, 2, 2, 2], []),
        ([5, 5, 10, 5, 5, 5, 5, 5, 2, 2, 2, 2, 2, 4, 2, 2], [2, 13]),
        ([7], []),
    ],
)
def test_a_gap_is_judged_by_its_neighbours(distances, gaps):
    found = np.array(distances, dtype=float)
    assert [m for m in range(len(found)) if is_gap(found, m)] == gaps


def test_ten_millimetres_are_in_and_rounding_does_not_matter():
    check_geometry((4, 5, 6), np.diag([0.2, 0.2, 10.0000004, 1.0]))
    with pytest.raises(GeometryError):
        check_geometry((4, 5, 6), np.diag([0.2, 0.2, 10.1, 1.0]))
