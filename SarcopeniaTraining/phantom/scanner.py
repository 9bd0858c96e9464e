"""What a scanner does to a painted body: point spread, kernel, beam hardening, noise, streaks, integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EDGE_SIGMA_MM = 1.2
"""Radius within which a sharp kernel overshoots at an edge."""
_SHADOW_ACROSS_MM, _SHADOW_ALONG_MM = 45.0, 7.0
_BONE_HU = 250.0


@dataclass(frozen=True)
class Scanner:
    """How a phantom is scanned.

    Attributes
    ----------
    blur_mm:
        Standard deviation of the in-plane point spread.
    edge:
        Overshoot of a sharp kernel: share of what lies above a blur of 1.2 mm, added once more.
    noise_hu:
        Standard deviation of the noise in the finished image, averaged over the body.
    grain_mm:
        Correlation length of the noise (a soft kernel has a coarse grain).
    middle_noise:
        How much of the noise follows the tissue a ray has crossed, 0…1: more in the middle of a large body.
    hu_scale:
        Factor of HU over air: what a calibration is out by.
    table:
        Whether a couch lies under the body.
    streaks_hu:
        Noise that runs from side to side, as behind hips, arms and in obese people.
    shadow_hu:
        Depth of the dark band between dense bones (beam hardening).
    slice_mm:
        Thickness over which a training slab's middle slice is averaged.
    """

    blur_mm: float
    noise_hu: float
    grain_mm: float
    hu_scale: float
    table: bool
    streaks_hu: float
    edge: float = 0.0
    middle_noise: float = 0.0
    shadow_hu: float = 0.0
    slice_mm: float = 1.0

    @classmethod
    def random(cls, seed: int) -> "Scanner":
        """Kernels from soft to sharp, noise 3–38 HU, slices 0.6–5 mm, table in two of three scans."""
        rng = np.random.default_rng([seed, 2])
        blur = float(rng.uniform(0.4, 1.2))
        noise = float(np.exp(rng.uniform(np.log(3), np.log(38))))
        grain, scale = float(blur * rng.uniform(0.5, 1)), float(rng.normal(1, 0.015))
        table = bool(rng.random() < 0.65)
        streaks = float(rng.uniform(3, 14) if rng.random() < 0.15 else 0)
        sharp = blur < 0.7 and rng.random() < 0.4
        return cls(
            blur_mm=blur,
            noise_hu=noise,
            grain_mm=grain,
            hu_scale=scale,
            table=table,
            streaks_hu=streaks,
            edge=float(rng.uniform(0.1, 0.6)) if sharp else 0.0,
            middle_noise=float(rng.uniform(0, 1)),
            shadow_hu=float(rng.uniform(4, 30)) if rng.random() < 0.3 else 0.0,
            slice_mm=float(rng.choice([0.6, 1.0, 1.25, 2.0, 2.5, 3.0, 4.0, 5.0])),
        )


def expose(
    hu: NDArray[np.float32], scanner: Scanner, spacing_mm: tuple[float, float], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Scan painted HU (i, j, k).

    Returns
    -------
    clean, image:
        (i, j, k): the HU without noise that define the truth, float32; and the CT, int16, −1024…3071.
    """
    clean = without_noise(hu, scanner, spacing_mm)
    return clean, with_noise(clean, scanner, spacing_mm, np.random.default_rng([seed, 4]))


def without_noise(
    hu: NDArray[np.float32], scanner: Scanner, spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Painted HU (i, j, k) after point spread, kernel, beam hardening and scale; slices stay apart."""
    image = _blurred(hu, scanner.blur_mm, spacing_mm)
    if scanner.edge:
        image = image + np.float32(scanner.edge) * (image - _blurred(image, EDGE_SIGMA_MM, spacing_mm))
    if scanner.shadow_hu:
        image = image - np.float32(scanner.shadow_hu) * _shadow(image, spacing_mm)
    clean: NDArray[np.float32] = ((image + 1000) * np.float32(scanner.hu_scale) - 1000).astype(np.float32)
    return clean


def _blurred(
    image: NDArray[np.float32], sigma_mm: float | tuple[float, float], spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    across, along = sigma_mm if isinstance(sigma_mm, tuple) else (sigma_mm, sigma_mm)
    blurred: NDArray[np.float32] = gaussian_filter(
        image, (across / spacing_mm[0], along / spacing_mm[1], 0.0), truncate=3
    )
    return blurred


def _shadow(image: NDArray[np.float32], spacing_mm: tuple[float, float]) -> NDArray[np.float32]:
    """0…1: how much a pixel lies beside dense bone at its own height, in soft tissue only."""
    bone = np.clip((image - np.float32(_BONE_HU)) / 500, 0, 1).astype(np.float32)
    band = _blurred(bone, (_SHADOW_ACROSS_MM, _SHADOW_ALONG_MM), spacing_mm)
    soft = np.clip((image + 300) / 100, 0, 1) * (1 - bone)
    shadow: NDArray[np.float32] = band / np.maximum(band.max(axis=(0, 1)), np.float32(1e-3)) * soft
    return shadow


def with_noise(
    clean: NDArray[np.float32], scanner: Scanner, spacing_mm: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.int16]:
    """The CT, −1024…3071: grainy noise and streaks on HU (i, j, k), rounded."""
    noise = _blurred(rng.standard_normal(clean.shape, np.float32), scanner.grain_mm, spacing_mm)
    noise *= np.float32(scanner.noise_hu) / max(float(noise.std()), 1e-6)
    if scanner.middle_noise:
        noise *= 1 + np.float32(scanner.middle_noise) * (_crossed(clean, spacing_mm) - 1)
    if scanner.streaks_hu:
        lines = _blurred(rng.standard_normal(clean.shape, np.float32), (60.0, 1.0), spacing_mm)
        noise = noise + np.float32(scanner.streaks_hu) * lines / max(float(lines.std()), 1e-6)
    # Air is clipped at the detector's end and carries little noise.
    damp = np.clip((clean + 1000) / 400, 0.15, 1)
    image: NDArray[np.int16] = np.clip(np.rint(clean + noise * damp), -1024, 3071).astype(np.int16)
    return image


def _crossed(clean: NDArray[np.float32], spacing_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Noise by the tissue that rays cross on their way through each pixel; mean over the body 1."""
    body = np.clip((clean + 500) / 400, 0, 1).astype(np.float32)
    coarse = body[::8, ::8]  # a map this smooth needs no more, and the filter is wide
    step = (spacing_mm[0] * 8, spacing_mm[1] * 8)
    crossed = np.repeat(np.repeat(_blurred(coarse, 55.0, step), 8, axis=0), 8, axis=1)
    crossed = crossed[: clean.shape[0], : clean.shape[1]]
    mean = (crossed * body).sum(axis=(0, 1)) / np.maximum(body.sum(axis=(0, 1)), 1)
    relative: NDArray[np.float32] = crossed / np.maximum(mean, np.float32(1e-3))
    return relative
