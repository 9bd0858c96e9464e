"""From a CT to what the network sees, and back: defined once, for training and assessment alike.

The network sees a *slab*: a few axial slices around L3 at a standard spacing, turned so that its axes
follow the patient's right and anterior as closely as the slice plane allows, with −175…250 HU scaled
to 0…1. The slab's middle slice is a native slice of the CT, so what comes back can be as fine as it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import GeometryError, ModelError
from SarcopeniaAssessLib.hounsfield import AIR_HU

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume


@dataclass(frozen=True)
class SlabPreset:
    """What a model was trained to see.

    Attributes
    ----------
    in_plane_mm:
        Pixel size in the slice plane.
    slice_mm:
        Distance between the slab's slices. Between native slices, linear interpolation.
    slices:
        Number of slices; the native slice at L3 has the index `middle` (slices // 2).
    hu_low, hu_high:
        HU mapped to 0 and 1; clipped outside (paper: −175…250).
    tile:
        Side of the windows, overlapping by half, in which the network sees the plane; None: all at once.
    """

    in_plane_mm: float
    slice_mm: float
    slices: int
    hu_low: float = -175.0
    hu_high: float = 250.0
    tile: int | None = None

    def __post_init__(self) -> None:
        valid = (
            0.2 <= self.in_plane_mm <= 10
            and 0.2 <= self.slice_mm <= 20
            and self.slices >= 1
            and self.hu_low < self.hu_high
            and (self.tile is None or self.tile >= 1)
        )
        if not valid:
            raise ModelError(
                f"the model's preprocessing is not usable ({self})",
                "take a model whose spacings lie within 0.2–10 mm in the plane, 0.2–20 mm along the body",
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SlabPreset:
        """Preset from the `preprocessing` part of a model's entry."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelError(
                f"the model's preprocessing is not understood ({error})", "use a model made by this version"
            ) from None

    def to_mapping(self) -> dict[str, Any]:
        """Values for the `preprocessing` part of a model's entry."""
        return asdict(self)

    @property
    def middle(self) -> int:
        """Index of the slab's native slice."""
        return self.slices // 2


@dataclass(frozen=True, eq=False)
class Plane:
    """Where the slab's pixels lie on the native slice.

    Attributes
    ----------
    shape:
        Pixels of the slab along its i (right) and j (anterior).
    slice_from_slab:
        (2, 3): canonical slice index = matrix @ (slab index, 1).
    slice_shape, antialias:
        Shape of the native slice, and the standard deviation in native pixels of the smoothing
        before it is sampled more coarsely.
    """

    shape: tuple[int, int]
    slice_from_slab: NDArray[np.float64]
    slice_shape: tuple[int, int]
    antialias: tuple[float, float]

    def sample(self, image: NDArray[Any], *, outside: float, smooth: bool = True) -> NDArray[np.float32]:
        """Native slice (I, J) on the slab's pixels (i, j), linear interpolation."""
        from scipy.ndimage import affine_transform, gaussian_filter

        source = np.asarray(image, np.float32)
        if smooth and max(self.antialias) > 0:
            source = gaussian_filter(source, self.antialias, mode="nearest", truncate=3)
        matrix, offset = self.slice_from_slab[:, :2], self.slice_from_slab[:, 2]
        if self.shape == self.slice_shape and np.allclose(matrix, np.eye(2)) and np.allclose(offset, 0):
            return source
        sampled = affine_transform(
            source,
            matrix,
            offset,
            output_shape=self.shape,
            output=np.float32,
            order=1,
            mode="constant",
            cval=outside,
        )
        return np.asarray(sampled, np.float32)

    def unsample(self, image: NDArray[np.float32], *, outside: float) -> NDArray[np.float32]:
        """Slab pixels (i, j) on the native slice (I, J), linear interpolation: the inverse of `sample`."""
        from scipy.ndimage import affine_transform

        inverse = np.linalg.inv(self.slice_from_slab[:, :2])
        offset = -inverse @ self.slice_from_slab[:, 2]
        back = affine_transform(
            image,
            inverse,
            offset,
            output_shape=self.slice_shape,
            output=np.float32,
            order=1,
            mode="constant",
            cval=outside,
        )
        return np.asarray(back, np.float32)


@dataclass(frozen=True, eq=False)
class Slab:
    """What the network sees.

    Attributes
    ----------
    image:
        (i, j, s) float32, 0…1; s = `preset.middle` is the native slice.
    ras_from_slab:
        (4, 4), mm.
    plane:
        The way back to the native slice.
    """

    image: NDArray[np.float32]
    ras_from_slab: NDArray[np.float64]
    plane: Plane


def slice_directions(volume: CtVolume) -> NDArray[np.float64]:
    """The patient's right in the slice plane, and anterior at a right angle to it: unit columns (3, 2), RAS.

    Raises
    ------
    GeometryError
        The slices are not axial.
    """
    normal = volume.slice_normal
    right = np.array([1.0, 0, 0]) - normal[0] * normal
    if np.linalg.norm(right) < 0.5:
        raise GeometryError("the slices are not axial", "give the axial series of this CT")
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(normal, right)])


def slab_plane(volume: CtVolume, preset: SlabPreset) -> tuple[Plane, NDArray[np.float64]]:
    """In-plane sampling for a volume, and the (4, 4) affine of slab pixels on canonical slice 0.

    The slab's i follows the projection of the patient's right onto the slice plane, j lies at a right
    angle to it in the plane towards anterior; sheared in-plane axes are straightened too.
    """
    affine = np.asarray(volume.ras_from_canonical, np.float64)
    in_plane = slice_directions(volume) * preset.in_plane_mm
    index_from_mm = np.linalg.pinv(affine[:3, :2])
    matrix = index_from_mm @ in_plane

    rows, columns = (int(n) for n in volume.canonical_shape[:2])
    corners = np.array([[0, rows - 1, 0, rows - 1], [0, 0, columns - 1, columns - 1]], float)
    spots = np.linalg.solve(matrix, corners)
    low, high = spots.min(axis=1), spots.max(axis=1)
    shape = np.maximum(np.ceil(np.round(high - low, 3)).astype(int) + 1, 1)
    start = (low + high) / 2 - (shape - 1) / 2
    offset = matrix @ start
    # Averaging before coarser sampling: the pixel's own box is accounted for already.
    ratio = np.linalg.norm(in_plane, axis=0) / np.linalg.norm(affine[:3, :2], axis=0)
    antialias = 0.5 * np.sqrt(np.maximum(ratio**2 - 1, 0))
    plane = Plane(
        (int(shape[0]), int(shape[1])),
        np.column_stack([matrix, offset]),
        (rows, columns),
        (float(antialias[0]), float(antialias[1])),
    )
    ras = np.eye(4)
    ras[:3, :2] = in_plane
    ras[:3, 3] = affine[:3, :2] @ offset + affine[:3, 3]
    return plane, ras


def make_slab(volume: CtVolume, slice_from_feet: int, preset: SlabPreset) -> Slab:
    """The slab around one slice, as a model of this preset expects it.

    Only the native slices that are needed are decoded. Beyond the scan's ends the last slice repeats.
    """
    plane, ras = slab_plane(volume, preset)
    step = np.asarray(volume.ras_from_canonical)[:3, 2]
    normal = np.cross(ras[:3, 0], ras[:3, 1])
    step_mm = abs(float(step @ normal) / float(np.linalg.norm(normal)))
    last = volume.slice_count - 1
    wanted = [
        float(np.clip(slice_from_feet + (n - preset.middle) * preset.slice_mm / step_mm, 0, last))
        for n in range(preset.slices)
    ]
    wanted[preset.middle] = float(slice_from_feet)
    start, stop = int(np.floor(min(wanted))), int(np.ceil(max(wanted))) + 1
    native = volume.slab(start, stop)
    layers = []
    for k in wanted:
        below, part = int(np.floor(k)) - start, np.float32(k - np.floor(k))
        layer = np.asarray(native[:, :, below], np.float32)
        if part > 0:
            layer = layer * (1 - part) + part * np.asarray(native[:, :, below + 1], np.float32)
        layers.append(plane.sample(np.maximum(layer, AIR_HU), outside=AIR_HU))
    image = np.stack(layers, axis=-1)
    image = np.clip((image - preset.hu_low) / (preset.hu_high - preset.hu_low), 0, 1)
    ras[:3, 2] = step * (preset.slice_mm / step_mm)
    ras[:3, 3] += step * slice_from_feet - ras[:3, 2] * preset.middle
    return Slab(image.astype(np.float32), ras, plane)
