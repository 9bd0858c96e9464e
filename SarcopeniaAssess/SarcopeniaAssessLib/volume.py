"""`CtVolume`: Hounsfield units, where they lie in the patient, and what is known about the patient.

A volume can only exist valid. Files store axes in any order and direction; here every slice is also
seen *canonically*: axis 0 runs nearest to the patient's right, 1 to anterior, 2 to superior, so that
slice index k counts from the feet. The canonical view is a permutation and flips, never a resampling,
and `native_mask` is its exact way back. World coordinates are RAS in mm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from SarcopeniaAssessLib.errors import Finding, GeometryError, MaskError, Severity
from SarcopeniaAssessLib.geometry import (
    CanonicalAxes,
    check_geometry,
    is_gap,
    pixel_area_cm2,
    slice_normal,
    spacing_mm,
    tilt_deg,
)
from SarcopeniaAssessLib.hounsfield import AIR_HU, PADDING_BELOW_HU, check_hu
from SarcopeniaAssessLib.patient import InputFacts, PatientFacts, Sex

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArraySource", "CtVolume", "InputFacts", "PatientFacts", "Sex", "VoxelSource"]

MAX_TILT_DEG = 30.0
FLAGGED_TILT_DEG = 10.0
_RESAMPLED_RATIO = 2.0
"""In-plane spacings of a scanner's slice are equal; this far apart, the slice was cut from others."""


class VoxelSource(Protocol):
    """Where voxels come from; decodes only what is asked for."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Native shape (i, j, k)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what `read` returns."""
        ...

    def read(self, axis: int, start: int, stop: int) -> NDArray[Any]:
        """HU of native positions start…stop−1 along `axis`, all of the other axes; integers stay integers."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Voxels that are in memory (or memory-mapped) as HU already."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Native shape (i, j, k)."""
        i, j, k = self.array.shape
        return i, j, k

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the array, as stored."""
        return self.array.dtype

    def read(self, axis: int, start: int, stop: int) -> NDArray[Any]:
        """A view of the array; no copy."""
        return self.array[(slice(None),) * axis + (slice(start, stop),)]


@dataclass(frozen=True, eq=False)
class CtVolume:
    """One CT whose geometry is sound and whose voxels are decoded on demand.

    Parameters
    ----------
    source:
        Native voxels in HU.
    ras_from_ijk:
        4×4, native voxel centres (i, j, k) → RAS mm; left- or right-handed, oblique, sheared.
    patient, input, findings:
        What is known; findings about the geometry are added here.
    slice_origins_mm:
        (K, 3), RAS position of voxel (0, 0, k) of each native slice, for a series whose slices are
        unevenly spaced along native axis 2; `None` where the affine tells everything.

    Raises
    ------
    GeometryError
        Not 3-D, an affine that is not finite or not invertible, a spacing outside 0.2–10 mm, or slices
        tilted by more than 30° from axial.
    """

    source: VoxelSource
    ras_from_ijk: NDArray[np.float64]
    patient: PatientFacts = field(default_factory=PatientFacts)
    input: InputFacts = field(default_factory=lambda: InputFacts("memory", ""))
    findings: tuple[Finding, ...] = ()
    slice_origins_mm: NDArray[np.float64] | None = None
    axes: CanonicalAxes = field(init=False)
    ras_from_canonical: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        affine = np.array(self.ras_from_ijk, dtype=np.float64)
        check_geometry(self.source.shape, affine)
        axes = CanonicalAxes.of(affine)
        canonical = axes.ras_from_canonical(affine, self.source.shape)
        for array in (affine, canonical):
            array.flags.writeable = False
        object.__setattr__(self, "ras_from_ijk", affine)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "ras_from_canonical", canonical)
        self._check_slices()
        known = {finding.code for finding in self.findings}
        added = tuple(f for f in self._geometry_findings() if f.code not in known)
        object.__setattr__(self, "findings", (*self.findings, *added))

    @classmethod
    def from_array(
        cls,
        hu: NDArray[Any],
        ras_from_ijk: NDArray[np.float64],
        *,
        patient: PatientFacts | None = None,
        input: InputFacts | None = None,  # noqa: A002 - the field's name
        findings: tuple[Finding, ...] = (),
    ) -> CtVolume:
        """A volume from HU in memory, shape (i, j, k), any real dtype; the array is not copied."""
        hu = np.asanyarray(hu)
        if hu.ndim != 3:
            raise GeometryError(f"A CT has three dimensions, this image has {hu.ndim}", "give one 3-D volume")
        if hu.dtype.kind not in "iuf":
            raise GeometryError(
                f"Voxels of type {hu.dtype} cannot be Hounsfield units", "give integers or floats"
            )
        facts = input or InputFacts("memory", _sha256_of_array(hu))
        return cls(ArraySource(hu), ras_from_ijk, patient or PatientFacts(), facts, findings)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Native shape (i, j, k)."""
        return self.source.shape

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Native spacing: lengths of the affine's columns, so along the slice axis the real step."""
        return spacing_mm(self.ras_from_ijk)

    @property
    def orientation(self) -> str:
        """Native orientation as three letters of the directions axes run towards, e.g. `LPS`."""
        letters = ["", "", ""]
        for world, (native, flip) in enumerate(zip(self.axes.order, self.axes.flipped, strict=True)):
            letters[native] = ("RAS", "LPI")[flip][world]
        return "".join(letters)

    @property
    def canonical_shape(self) -> tuple[int, int, int]:
        """Shape (I, J, slices) of the canonical view."""
        i, j, k = (self.shape[native] for native in self.axes.order)
        return i, j, k

    @property
    def slice_count(self) -> int:
        """Number of axial slices."""
        return self.canonical_shape[2]

    @property
    def slice_normal(self) -> NDArray[np.float64]:
        """Unit normal of the slices, RAS, pointing to superior."""
        return slice_normal(self.ras_from_canonical)

    @property
    def tilt_deg(self) -> float:
        """Angle between the slices' normal and superior, 0–90°."""
        return tilt_deg(self.ras_from_canonical)

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Lengths of the two in-plane steps, canonical."""
        columns = np.linalg.norm(self.ras_from_canonical[:3, :2], axis=0)
        return float(columns[0]), float(columns[1])

    @property
    def pixel_area_cm2(self) -> float:
        """Area of one pixel of an axial slice: |column × row|, right for oblique and sheared affines."""
        return pixel_area_cm2(self.ras_from_canonical, 2)

    def slice_centre_mm(self, k: int) -> NDArray[np.float64]:
        """RAS position of the centre of canonical slice k, shape (3,), exact in uneven series too."""
        self._check_k(k)
        i, j, slices = self.canonical_shape
        centre = self.ras_from_canonical @ np.array([(i - 1) / 2, (j - 1) / 2, k, 1.0])
        position: NDArray[np.float64] = centre[:3]
        if self.slice_origins_mm is not None:
            native_k = self.axes.native_slice(k, slices)
            believed = self.ras_from_ijk[:3, 3] + native_k * self.ras_from_ijk[:3, 2]
            position = position + self.slice_origins_mm[native_k] - believed
        return position

    def slice_superior_mm(self, k: int) -> float:
        """Superior coordinate (RAS, mm) of the centre of canonical slice k."""
        return float(self.slice_centre_mm(k)[2])

    @property
    def slice_depths_mm(self) -> NDArray[np.float64]:
        """Where each canonical slice lies along the slices' normal, mm, (K,), rising."""
        centres = np.array([self.slice_centre_mm(k) for k in range(self.slice_count)])
        depths: NDArray[np.float64] = centres @ self.slice_normal
        return depths

    def slab(self, start: int, stop: int) -> NDArray[Any]:
        """HU of canonical slices start…stop−1, shape (I, J, stop − start); only those are decoded.

        Integers stay integers. Padding and overshoot below −1024 become −1024.

        Raises
        ------
        IntensityError
            If the values cannot be Hounsfield units (`hounsfield.check_hu`).
        """
        raw = self._read(start, stop)
        check_hu(raw)
        if raw.dtype.kind == "u" or raw.dtype.itemsize == 1:
            return raw
        clamped: NDArray[Any] = np.maximum(raw, raw.dtype.type(AIR_HU))
        return clamped

    def padding(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Where canonical slices start…stop−1 hold padding instead of measured values, (I, J, slices)."""
        padded: NDArray[np.bool_] = self._read(start, stop) < PADDING_BELOW_HU
        return padded

    def stored_as(self, axes: CanonicalAxes) -> NDArray[Any]:
        """All voxels in the storage order of other native axes; a view where they are in memory."""
        source = self.source
        native = source.array if isinstance(source, ArraySource) else source.read(2, 0, self.shape[2])
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in axes.flipped)
        voxels: NDArray[Any] = self.axes.view(native)[steps].transpose(np.argsort(axes.order))
        return voxels

    def native_mask(self, slice_mask: NDArray[np.bool_], k: int) -> NDArray[np.uint8]:
        """A mask of canonical slice k, shape (I, J), on the native grid: uint8, shape `shape`, else 0."""
        self._check_k(k)
        if slice_mask.shape != self.canonical_shape[:2]:
            raise MaskError(
                f"A slice of this CT is {self.canonical_shape[:2]}, the mask {slice_mask.shape}",
                "give a mask of the CT's own slice",
            )
        native = np.zeros(self.shape, dtype=np.uint8)
        self.axes.view(native)[:, :, k] = slice_mask
        return native

    def canonical_slice_mask(self, native_mask: NDArray[Any], k: int) -> NDArray[np.bool_]:
        """Canonical slice k, shape (I, J), of a mask on the native grid; every value but 0 is inside."""
        self._check_k(k)
        if native_mask.shape != self.shape:
            raise MaskError(
                f"The CT's grid is {self.shape}, the mask's {native_mask.shape}",
                "give a mask on the CT's grid",
            )
        inside: NDArray[np.bool_] = self.axes.view(native_mask)[:, :, k] != 0
        return inside

    def with_patient(self, patient: PatientFacts) -> CtVolume:
        """The same CT with other patient facts."""
        return replace(self, patient=patient)

    def around(self, k: int) -> CtVolume:
        """The same CT with an affine that is exact at canonical slice k; itself if evenly spaced.

        Raises
        ------
        GeometryError
            If slices are missing beside slice k: its level, and L3's mid-height, could not be trusted.
        """
        self._check_k(k)
        if self.slice_origins_mm is None:
            return self
        native_k = self.axes.native_slice(k, self.slice_count)
        steps = np.diff(self.slice_origins_mm, axis=0)
        beside = [m for m in (native_k - 1, native_k) if 0 <= m < len(steps)]
        if any(is_gap(np.linalg.norm(steps, axis=1), m) for m in beside):
            raise GeometryError(
                f"Slices are missing beside slice {k}, the level to be measured",
                "send the series again, or choose a level where it is complete",
            )
        affine = self.ras_from_ijk.copy()
        affine[:3, 2] = steps[beside].mean(axis=0)
        affine[:3, 3] = self.slice_origins_mm[native_k] - native_k * affine[:3, 2]
        return replace(self, ras_from_ijk=affine)

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        if not 0 <= start < stop <= self.slice_count:
            raise IndexError(f"slices {start}…{stop - 1} of 0…{self.slice_count - 1}")
        ends = (
            self.axes.native_slice(start, self.slice_count),
            self.axes.native_slice(stop - 1, self.slice_count),
        )
        return self.axes.view(self.source.read(self.axes.order[2], min(ends), max(ends) + 1))

    def _check_k(self, k: int) -> None:
        if not 0 <= k < self.slice_count:
            raise IndexError(f"slice {k} of 0…{self.slice_count - 1}")

    def _check_slices(self) -> None:
        if min(self.canonical_shape[:2]) < 2:
            raise GeometryError(
                f"An axial slice of {self.canonical_shape[0]}×{self.canonical_shape[1]} voxels has no area",
                "give a 3-D axial CT",
            )
        if self.tilt_deg > MAX_TILT_DEG + 1e-6:
            raise GeometryError(
                f"The slices are tilted by {self.tilt_deg:.0f}° from axial, more than {MAX_TILT_DEG:.0f}°",
                "give the axial series of this examination",
            )
        if self.slice_origins_mm is not None and (
            self.axes.order[2] != 2 or self.slice_origins_mm.shape != (self.shape[2], 3)
        ):
            raise GeometryError("Slice positions do not fit the slices", "read the series again")

    def _geometry_findings(self) -> tuple[Finding, ...]:
        findings = []
        if self.tilt_deg > FLAGGED_TILT_DEG and all(f.code != "gantry_tilt" for f in self.findings):
            message = (
                f"The slices are tilted by {self.tilt_deg:.0f}° from axial; the area is the tilted slice's."
            )
            findings.append(Finding("tilted_slices", Severity.WARNING, message))
        in_plane = spacing_mm(self.ras_from_canonical)[:2]
        if max(in_plane) > _RESAMPLED_RATIO * min(in_plane):
            message = (
                f"Axial pixels measure {in_plane[0]:.2g} × {in_plane[1]:.2g} mm: this image was resampled "
                "from another plane, so no status is given."
            )
            findings.append(Finding("resampled_plane", Severity.ERROR, message))
        return tuple(findings)


def _sha256_of_array(hu: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for plane in hu:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()
