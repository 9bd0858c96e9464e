"""From a CT and a level to the muscle mask of that slice.

The network draws the *outline* of the muscle compartments on the slab's grid; its logits are brought
back to the native slice, and Hounsfield units carve fat out of the outline, as a reader does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import DeviceError
from SarcopeniaAssessLib.hounsfield import MUSCLE_HU_HIGH, MUSCLE_HU_LOW
from SarcopeniaAssessLib.preprocessing import Slab, SlabPreset, make_slab
from SarcopeniaAssessLib.tiling import slice_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.models import SegmentationModel
    from SarcopeniaAssessLib.volume import CtVolume

SMOOTHING_PIXELS = 0.6
SMALLEST_PIECE_PIXELS = 12
SMALLEST_OUTLINE_MM2 = 60.0
OUTSIDE_LOGIT = -20.0
BODY_LEVEL = 0.07
"""About −145 HU in the window −175…250: below fat, above air."""
MARGIN_PIXELS = 10


@dataclass(frozen=True, eq=False)
class SliceSegmentation:
    """The muscle of one slice.

    Attributes
    ----------
    mask:
        (I, J) bool on the canonical native slice: the delivered mask.
    outline_probability:
        (I, J) float32, 0…1: the network's opinion on the compartments, before HU carve.
    fragments_removed_cm2:
        Area of the pieces that were dropped as too small to be muscle.
    preprocess_s, network_s:
        Seconds spent, shared evenly between slices that were segmented together.
    """

    mask: NDArray[np.bool_]
    outline_probability: NDArray[np.float32]
    fragments_removed_cm2: float
    preprocess_s: float
    network_s: float


def choose_device(spec: str = "auto") -> str:
    """The device to run on: `auto` (the first GPU that works, else the CPU), cpu, cuda, cuda:N or mps.

    Raises
    ------
    DeviceError
        A device of another kind, or one that this machine does not have.
    """
    import torch

    kind, _, number = spec.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdigit())):
        raise DeviceError(f"there is no device {spec!r}", "choose auto, cpu, cuda, cuda:N or mps")
    if spec == "cpu":
        return spec
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("this computer has no Apple GPU that torch can use", "choose --device cpu")
        return spec
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "auto":
        return "cuda" if count else "cpu"
    if int(number or 0) >= count:
        found = "no GPU" if not count else f"{count} GPU{'s' if count > 1 else ''}, counted from 0"
        raise DeviceError(
            f"device {spec} was asked for, but torch finds {found}", "choose --device cpu or auto"
        )
    return spec


def segment_slices(
    volume: CtVolume, levels: Sequence[int], model: SegmentationModel, device: str = "cpu"
) -> list[SliceSegmentation]:
    """Muscle of some slices (indices from the feet); each as if it were segmented alone.

    Raises
    ------
    DeviceError
        The device's memory does not suffice.
    IntensityError
        The slices' values cannot be HU.
    """
    started = time.perf_counter()
    preset = SlabPreset.from_mapping(model.entry.preprocessing)
    slabs = [make_slab(volume, k, preset) for k in levels]
    prepared = time.perf_counter()
    logits = [_outline_logits(slab, preset, model, device) for slab in slabs]
    ran = time.perf_counter()
    results = []
    for k, slab, logit in zip(levels, slabs, logits, strict=True):
        native = slab.plane.unsample(logit, outside=OUTSIDE_LOGIT)
        outline, dropped = _without_specks(native > 0, volume.pixel_area_cm2)
        mask, fragments = carve(outline, volume.slab(k, k + 1)[:, :, 0])
        results.append(
            SliceSegmentation(
                mask=mask,
                outline_probability=(1 / (1 + np.exp(-np.clip(native, -30, 30)))).astype(np.float32),
                fragments_removed_cm2=(dropped + fragments) * volume.pixel_area_cm2,
                preprocess_s=(prepared - started) / len(slabs),
                network_s=(ran - prepared) / len(slabs),
            )
        )
    return results


def segment_slice(
    volume: CtVolume, level: int, model: SegmentationModel, device: str = "cpu"
) -> SliceSegmentation:
    """Muscle of one slice (index from the feet); see `segment_slices`."""
    return segment_slices(volume, [level], model, device)[0]


def _outline_logits(
    slab: Slab, preset: SlabPreset, model: SegmentationModel, device: str
) -> NDArray[np.float32]:
    """Logit of muscle against everything else, (i, j) on the slab's grid; the network sees the body only."""
    import torch

    window = body_window(slab.image)
    margin = np.full(slab.image.shape[:2], OUTSIDE_LOGIT, np.float32)
    try:
        # Tensor cores; on a CPU half precision gains a quarter of the time only (docs/benchmarks.md).
        half = torch.autocast("cuda", torch.float16, enabled=device.startswith("cuda"))
        with torch.inference_mode(), half:
            image = torch.from_numpy(np.ascontiguousarray(slab.image[window])[None, None]).to(device)
            logits = slice_logits(model.network, image, preset.middle, preset.tile)
            margin[window] = (logits[0, 1] - logits[0, 0]).float().cpu().numpy()
    except torch.OutOfMemoryError:
        raise DeviceError(f"the memory of {device} does not suffice", "choose --device cpu") from None
    return margin


def body_window(image: NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns of a slab (i, j, s), 0…1, that hold the body, with a margin of 10 pixels.

    Air and table around the body are left out: they cost time, and a network that normalises over the
    image would see a patient in a large field of view differently.
    """
    from scipy.ndimage import find_objects, gaussian_filter, label

    middle = gaussian_filter(image[:, :, image.shape[-1] // 2], 1.5)
    pieces, count = label(middle > BODY_LEVEL)
    if count == 0:
        return slice(0, image.shape[0]), slice(0, image.shape[1])
    largest = int(np.bincount(pieces.ravel())[1:].argmax())
    rows, columns = find_objects(pieces)[largest]
    return (
        slice(max(rows.start - MARGIN_PIXELS, 0), rows.stop + MARGIN_PIXELS),
        slice(max(columns.start - MARGIN_PIXELS, 0), columns.stop + MARGIN_PIXELS),
    )


def carve(outline: NDArray[np.bool_], hu: NDArray[Any]) -> tuple[NDArray[np.bool_], int]:
    """Restrict an outline to muscle: −29…150 HU on a lightly smoothed slice, no specks.

    Parameters
    ----------
    outline:
        (I, J) bool.
    hu:
        (I, J) HU of the native slice; smoothed here with a Gaussian of 0.6 pixel.

    Returns
    -------
    mask, dropped:
        (I, J) bool, and how many pixels lay in pieces under 12 pixels (joined by edges).
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(np.asarray(hu, np.float32), SMOOTHING_PIXELS)
    inside = outline & (smooth >= MUSCLE_HU_LOW) & (smooth <= MUSCLE_HU_HIGH)
    kept = _large_pieces(inside, SMALLEST_PIECE_PIXELS)
    return kept, int(inside.sum() - kept.sum())


def _without_specks(outline: NDArray[np.bool_], pixel_area_cm2: float) -> tuple[NDArray[np.bool_], int]:
    """Drop islands of the outline under 60 mm²: no muscle at L3 is as small."""
    kept = _large_pieces(outline, SMALLEST_OUTLINE_MM2 / (pixel_area_cm2 * 100))
    return kept, int(outline.sum() - kept.sum())


def _large_pieces(mask: NDArray[np.bool_], least_pixels: float) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    pieces, count = label(mask)
    if count == 0:
        return mask
    large = np.bincount(pieces.ravel()) >= least_pixels
    large[0] = False
    kept: NDArray[np.bool_] = large[pieces]
    return kept
