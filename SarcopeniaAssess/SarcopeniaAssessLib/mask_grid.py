"""Where a given mask lies on its CT: on the same grid, or as slices placed by their affine; or why not.

Storage order and flips of either do no harm: both are seen canonically. Nothing is resampled, since an
area told from a resampled mask would not be the area that was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import MaskError
from SarcopeniaAssessLib.geometry import CanonicalAxes, spacing_mm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.ct_io import LabelMap
    from SarcopeniaAssessLib.volume import CtVolume

GRID_TOLERANCE = 0.1
"""Of a pixel, at every corner: more than rounding in any format, far less than an area would show."""
_LISTED = 12
_OWN_GRID = "give a mask on the CT's own grid"
_DRAWN_ON_IT = "give the mask that was drawn on this CT, on its own pixels"
_DIRECTIONS = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))


@dataclass(frozen=True, eq=False)
class PlacedMask:
    """A mask whose slices are known to be slices of a CT.

    Attributes
    ----------
    slices:
        (I, J, n) canonical, True inside.
    levels:
        Canonical slice of the CT, from the feet, under each of the n; ascending.
    """

    slices: NDArray[np.bool_]
    levels: tuple[int, ...]

    @property
    def marked(self) -> tuple[int, ...]:
        """CT slices on which something is marked."""
        return tuple(k for n, k in enumerate(self.levels) if self.slices[:, :, n].any())

    def at(self, k: int) -> NDArray[np.bool_]:
        """(I, J) on CT slice k.

        Raises
        ------
        MaskError
            Nothing is marked there.
        """
        if k not in self.marked:
            where = _listed(self.marked) if self.marked else "none"
            raise MaskError(
                f"The mask is empty on slice {k}, it is marked on {where} (from the feet)",
                "correct the level, or give the mask of that slice",
            )
        inside: NDArray[np.bool_] = self.slices[:, :, self.levels.index(k)]
        return inside

    def whole(self, slice_count: int) -> NDArray[np.bool_]:
        """(I, J, K) on all slices of the CT, False where the mask has none."""
        volume = np.zeros((*self.slices.shape[:2], slice_count), dtype=np.bool_)
        volume[:, :, list(self.levels)] = self.slices
        return volume


def place_mask(mask: LabelMap, volume: CtVolume, *, label: int | None = None) -> PlacedMask:
    """Find the CT slices that a mask was drawn on.

    Parameters
    ----------
    mask:
        A whole volume, or some or one of its slices, with an affine.
    label:
        Which value is the muscle; `None`: the only one.

    Raises
    ------
    MaskError
        Empty, several labels and none chosen; other pixels than the CT's; beside or between its slices.
    """
    axes = CanonicalAxes.of(mask.ras_from_ijk)
    inside = axes.view(choose_label(mask.labels, label))
    ras_from_mask = axes.ras_from_canonical(mask.ras_from_ijk, mask.labels.shape)
    if inside.shape == volume.canonical_shape and not _apart(ras_from_mask, volume):
        return PlacedMask(inside, tuple(range(volume.slice_count)))
    _require_same_pixels(inside.shape, ras_from_mask, volume)
    found = {
        m: k for m in range(inside.shape[2]) if (k := _slice_under(ras_from_mask, m, volume)) is not None
    }
    if not found:
        raise _outside(ras_from_mask, inside.shape[2], volume)
    return PlacedMask(inside[:, :, list(found)], tuple(found.values()))


def choose_label(labels: NDArray[Any], label: int | None) -> NDArray[np.bool_]:
    """Where a label map is the label, or its only one.

    Raises
    ------
    MaskError
        Empty, without that label, or several and none chosen.
    """
    # Plane by plane: sorting a whole volume at once would take its memory several times over.
    planes = (np.unique(plane[plane != 0]) for plane in labels)
    present = sorted({int(value) for values in planes for value in values})
    if not present:
        raise MaskError("The mask is empty", "give one in which the muscle is marked")
    if label is None and len(present) > 1:
        raise MaskError(
            f"The mask holds several labels: {_listed(present)}", "choose the muscle's with --label V"
        )
    if label is not None and label not in present:
        raise MaskError(
            f"The mask has no label {label}, only {_listed(present)}", "choose one of them with --label V"
        )
    chosen: NDArray[np.bool_] = labels == (present[0] if label is None else label)
    return chosen


def require_same_grid(mask: CtVolume, ct: CtVolume) -> None:
    """Refuse a mask that has not the very voxels of its CT; another storage order does no harm.

    Raises
    ------
    MaskError
        Another number of voxels, or another place of them.
    """
    if mask.canonical_shape != ct.canonical_shape:
        raise MaskError(
            f"The mask has {_times(mask.canonical_shape)} voxels and the CT {_times(ct.canonical_shape)}",
            _OWN_GRID,
        )
    if apart_mm := _apart(mask.ras_from_canonical, ct):
        raise MaskError(f"Mask and CT lie up to {apart_mm:.2g} mm apart in the world", _OWN_GRID)


def _apart(ras_from_mask: NDArray[np.float64], ct: CtVolume) -> float:
    """Largest distance in mm between corners of two grids of one shape; 0 within the tolerance."""
    last = np.array(ct.canonical_shape) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    apart_mm = np.linalg.norm(((ras_from_mask - ct.ras_from_canonical) @ corners)[:3], axis=0).max()
    within = apart_mm <= GRID_TOLERANCE * min(spacing_mm(ct.ras_from_canonical))
    return 0.0 if within else float(apart_mm)


def _require_same_pixels(
    shape: tuple[int, ...], ras_from_mask: NDArray[np.float64], volume: CtVolume
) -> None:
    """A mask slice has as many pixels as a CT slice, of the same size and in the same directions."""
    if shape[:2] != volume.canonical_shape[:2]:
        raise MaskError(
            f"A slice of the mask has {_times(shape[:2])} pixels, "
            f"of the CT {_times(volume.canonical_shape[:2])}",
            _DRAWN_ON_IT,
        )
    mask_mm, ct_mm = spacing_mm(ras_from_mask)[:2], spacing_mm(volume.ras_from_canonical)[:2]
    last = np.array(shape[:2]) - 1
    too_much = GRID_TOLERANCE * min(ct_mm)
    if any(abs(a - b) * n > too_much for a, b, n in zip(mask_mm, ct_mm, last, strict=True)):
        raise MaskError(
            f"The mask's pixels measure {mask_mm[0]:.4g} × {mask_mm[1]:.4g} mm, the CT's "
            f"{ct_mm[0]:.4g} × {ct_mm[1]:.4g}",
            _DRAWN_ON_IT,
        )
    turned = (ras_from_mask - volume.ras_from_canonical)[:3, :2] * last
    if np.linalg.norm(turned, axis=0).max() > too_much:
        raise MaskError("The mask's slices are turned against the CT's", _DRAWN_ON_IT)


def _slice_under(ras_from_mask: NDArray[np.float64], m: int, volume: CtVolume) -> int | None:
    """CT slice that mask slice m is; `None` beyond the scan's ends.

    Raises
    ------
    MaskError
        It lies between two slices, or beside them.
    """
    depths_mm, steps_mm = _depths(volume)
    depth_mm = _centre(ras_from_mask, m, volume) @ volume.slice_normal
    if not depths_mm[0] - steps_mm[0] / 2 <= depth_mm <= depths_mm[-1] + steps_mm[-1] / 2:
        return None
    k = int(np.argmin(np.abs(depths_mm - depth_mm)))
    off_mm = _centre(ras_from_mask, m, volume) - volume.slice_centre_mm(k)
    along_mm = float(off_mm @ volume.slice_normal)
    if abs(along_mm) > GRID_TOLERANCE * steps_mm[k]:
        raise MaskError(
            f"The mask lies {abs(along_mm):.2g} mm {'above' if along_mm > 0 else 'below'} slice {k}, "
            "between two slices of the CT",
            _DRAWN_ON_IT,
        )
    beside_mm = off_mm - along_mm * volume.slice_normal
    if np.linalg.norm(beside_mm) > GRID_TOLERANCE * min(spacing_mm(volume.ras_from_canonical)[:2]):
        axis = int(np.argmax(np.abs(beside_mm)))
        raise MaskError(
            f"The mask is shifted by {np.linalg.norm(beside_mm):.2g} mm in the slice's plane, "
            f"mostly to {_DIRECTIONS[axis][int(beside_mm[axis] < 0)]}",
            _DRAWN_ON_IT,
        )
    return k


def _outside(ras_from_mask: NDArray[np.float64], slices: int, volume: CtVolume) -> MaskError:
    depths_mm, _ = _depths(volume)
    own = [_centre(ras_from_mask, m, volume) @ volume.slice_normal for m in (0, slices - 1)]
    below_mm, above_mm = float(depths_mm[0] - max(own)), float(min(own) - depths_mm[-1])
    where = f"{below_mm:.4g} mm below" if below_mm > above_mm else f"{above_mm:.4g} mm above"
    return MaskError(f"The mask fits nowhere in the CT: it lies {where} its slices", _DRAWN_ON_IT)


def _depths(volume: CtVolume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each CT slice, in mm along the normal: where it lies, and how far the nearer neighbour is."""
    depths_mm = volume.slice_depths_mm
    if depths_mm.size == 1:
        return depths_mm, np.array([abs(float(volume.ras_from_canonical[:3, 2] @ volume.slice_normal))])
    steps_mm = np.diff(depths_mm)
    return depths_mm, np.minimum(np.append(steps_mm, steps_mm[-1]), np.append(steps_mm[0], steps_mm))


def _centre(ras_from_mask: NDArray[np.float64], m: int, volume: CtVolume) -> NDArray[np.float64]:
    i, j = volume.canonical_shape[:2]
    centre: NDArray[np.float64] = (ras_from_mask @ np.array([(i - 1) / 2, (j - 1) / 2, m, 1.0]))[:3]
    return centre


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _listed(values: list[int] | tuple[int, ...]) -> str:
    return ", ".join(map(str, values[:_LISTED])) + (" …" if len(values) > _LISTED else "")
