"""The coarse grid: every place keeps its HU and its position, in any storage, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import IntensityError
from SarcopeniaAssessLib.spine_grid import GRID_MM, HIGH_HU, LOW_HU, SpineGrid, coarse_grid, network_image
from SarcopeniaAssessLib.volume import CtVolume
from Testing.library.ct_files import STORAGES, rotation, store

SHAPE, SPACING = (90, 70, 60), (1.5, 1.8, 2.5)
BALL_MM, RADIUS_MM = np.array([12.0, -20.0, 31.0]), 22.0


def affine(turned: np.ndarray | None = None) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3] = (np.eye(3) if turned is None else turned) @ np.diag(SPACING)
    made[:3, 3] = -made[:3, :3] @ ((np.array(SHAPE) - 1) / 2) + [5, -10, 20]
    return made


def ball(ras_from_ijk: np.ndarray) -> np.ndarray:
    """Fat with a ball of 400 HU at a known place in the world, and air at the edge."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    world = index @ ras_from_ijk[:3, :3].T + ras_from_ijk[:3, 3]
    hu = np.full(SHAPE, -90, np.int16)
    hu[np.linalg.norm(world - BALL_MM, axis=-1) <= RADIUS_MM] = 400
    hu[:6] = -1000
    hu[6:9] = 45
    return hu


def seen_ball(volume: CtVolume) -> tuple[np.ndarray, float]:
    """Middle (mm) and volume (mm³) of what is above 155 HU on the grid."""
    grid = coarse_grid(volume)
    inside = np.argwhere(grid.hu > 155)
    return grid.position_of(inside).mean(axis=0), len(inside) * GRID_MM**3


@pytest.mark.parametrize(("order", "flips"), STORAGES)
def test_a_place_is_where_it_was_in_any_storage(order, flips):
    middle, volume_mm3 = seen_ball(CtVolume.from_array(*store(ball(affine()), affine(), order, flips)))
    assert middle == pytest.approx(BALL_MM, abs=0.6)
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.05)


@pytest.mark.parametrize("turned", [rotation(12, 0, 0), rotation(-8, 10, 15), rotation(0, 0, -20)], ids=str)
def test_an_oblique_scan_is_laid_along_the_patient(turned):
    oblique = affine(turned)
    middle, volume_mm3 = seen_ball(CtVolume.from_array(ball(oblique), oblique))
    assert middle == pytest.approx(BALL_MM, abs=0.8)
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.08)


def test_a_sheared_stack_of_a_tilted_gantry_is_straightened():
    sheared = affine()
    sheared[1, 2] = SPACING[2] * np.tan(np.radians(14))
    sheared[:3, 3] = -sheared[:3, :3] @ ((np.array(SHAPE) - 1) / 2) + [5, -10, 20]
    middle, _ = seen_ball(CtVolume.from_array(ball(sheared), sheared))
    assert middle == pytest.approx(BALL_MM, abs=0.8)


def crossing_mm(grid: SpineGrid) -> float:
    """Height at which the HU rise from −90 to 60, half way."""
    profile = grid.hu[10, 10]
    above = int(np.argmax(profile > -15))
    share = (-15 - profile[above - 1]) / (profile[above] - profile[above - 1])
    return float(grid.position_of([0, 0, above - 1 + share])[2])


@pytest.mark.parametrize("slice_mm", [0.6, 4.0, 7.0])
def test_thin_and_thick_slices_give_the_same_heights(slice_mm):
    slices = int(90 / slice_mm) + 1  # no multiple of the step in which thin slices are read
    hu = np.full((40, 40, slices), -90, np.int16)
    z = slice_mm * np.arange(slices)
    hu[:, :, z >= 45] = 60
    hu[:6], hu[6:9] = -1000, 45  # so that every part of it is a CT
    grid = coarse_grid(CtVolume.from_array(hu, np.diag([2.0, 2.0, slice_mm, 1.0])))
    assert grid.hu[10, 10, [0, -1]] == pytest.approx([-90, 60])
    first = z[z >= 45][0]
    assert crossing_mm(grid) == pytest.approx(first - slice_mm / 2, abs=1.0)


def test_an_uneven_series_is_laid_by_its_slices_own_positions():
    z = np.concatenate([np.arange(0, 50, 5.0), np.arange(50, 101, 2.5)])
    hu = np.full((40, 40, len(z)), -90, np.int16)
    hu[:, :, z >= 60] = 60
    origins = np.stack([np.zeros_like(z), np.zeros_like(z), z], axis=1)
    even = CtVolume.from_array(hu, np.diag([2.0, 2.0, 4.0, 1.0]))
    volume = CtVolume(even.source, even.ras_from_ijk, slice_origins_mm=origins)
    grid = coarse_grid(volume)
    assert crossing_mm(grid) == pytest.approx(58.75, abs=1.0)


def test_a_gap_blurs_no_slices_but_those_beside_it():
    """Ten slices are missing far above; a disc of 8 mm stays a disc."""
    z = np.concatenate([np.arange(0, 80, 2.0), np.arange(120, 160, 2.0)])
    hu = np.full((40, 40, len(z)), 200, np.int16)
    hu[:12] = -90
    hu[12:, :, (z >= 36) & (z < 44)] = 60
    origins = np.stack([np.zeros_like(z), np.zeros_like(z), z], axis=1)
    even = CtVolume.from_array(hu, np.diag([2.0, 2.0, 2.0, 1.0]))
    grid = coarse_grid(CtVolume(even.source, even.ras_from_ijk, slice_origins_mm=origins))
    profile = grid.hu[15, 10]
    heights = grid.position_of(np.stack([np.zeros(len(profile))] * 2 + [np.arange(len(profile))], axis=1))[
        :, 2
    ]
    assert profile.min() < 90
    assert heights[np.argmin(profile)] == pytest.approx(39, abs=3)
    assert np.isfinite(grid.hu).all()


def test_a_damaged_part_within_the_body_is_refused_and_one_at_its_end_is_air():
    hu = np.full((40, 40, 160), -90, np.float32)
    hu[8:32, 8:32, ::2] = 30
    affine_mm = np.diag([2.0, 2.0, 2.0, 1.0])
    hu[..., 150:] = np.nan
    assert np.allclose(coarse_grid(CtVolume.from_array(hu, affine_mm)).hu[..., -1], LOW_HU)
    hu[..., 70:75] = np.nan
    with pytest.raises(
        IntensityError, match=r"across slices 64…79: the image holds voxels that are not numbers"
    ):
        coarse_grid(CtVolume.from_array(hu, affine_mm))


def test_training_and_use_see_the_same():
    assert network_image(np.array([-1000, -200, 200, 600, 3000], np.int16)).tolist() == [-1, -1, 0, 1, 1]
    assert network_image(np.array([0.0])).dtype == np.float32


def test_hu_are_clipped_before_they_are_averaged():
    hu = np.full((40, 40, 20), -90, np.int16)
    hu[:4], hu[4:8] = -1000, 45
    hu[20, 20, 10] = 3000
    grid = coarse_grid(CtVolume.from_array(hu, np.diag([2.0, 2.0, 2.0, 1.0])))
    assert grid.hu.min() >= LOW_HU
    assert grid.hu.max() < -90 + (HIGH_HU + 90) / 4  # one voxel of metal: far from 3000 / 8
    image = network_image(grid.hu)
    assert -1 <= image.min() <= image.max() <= 1


def test_ends_of_air_are_air_and_nothing_but_air_is_refused():
    hu = np.full((40, 40, 80), -1000, np.int16)
    with pytest.raises(IntensityError):
        coarse_grid(CtVolume.from_array(hu, np.diag([2.0, 2.0, 2.0, 1.0])))
    hu[8:32, 8:32, 20:60] = 30
    hu[8:32, 8:32, 20:60:2] = -90
    grid = coarse_grid(CtVolume.from_array(hu, np.diag([2.0, 2.0, 2.0, 1.0])))
    assert np.allclose(grid.hu[:, :, [0, -1]], LOW_HU)
    assert grid.hu[10, 10, 20] > -100
