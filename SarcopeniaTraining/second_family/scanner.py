"""From attenuation to image: point spread, table, clothes, beam hardening, streaks, metal, noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from SarcopeniaTraining.second_family.person import Person, Protocol

Float32 = NDArray[np.float32]
_SPREAD_MM = {"soft": 0.75, "medium": 0.58, "sharp": 0.40}
_EDGE = {"soft": 0.0, "medium": 0.15, "sharp": 0.5}
_GRAIN_MM = {"soft": (0.95, 2.6), "medium": (0.70, 1.7), "sharp": (0.45, 1.0)}


def spread(hu: Float32, pixel_mm: float, kernel: str) -> Float32:
    """The kernel's point spread in plane, sharper ones with a little edge enhancement."""
    sigma = _SPREAD_MM[kernel] / pixel_mm
    soft = gaussian_filter(hu, (sigma, sigma, 0), truncate=3.0)
    if _EDGE[kernel]:
        soft = soft + _EDGE[kernel] * (
            soft - gaussian_filter(soft, (1.6 * sigma, 1.6 * sigma, 0), truncate=3.0)
        )
    result: Float32 = soft
    return result


@dataclass(frozen=True, eq=False)
class Bench:
    """What the scanner needs to know: positions in mm, (i, 1) and (1, j), and the body's extent."""

    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    lowest_mm: float
    half_width_mm: float
    depth_mm: float


def furniture(hu: Float32, person: Person, bench: Bench, rng: np.random.Generator) -> Float32:
    """Table, mattress and blanket where there is air; they do not bend with the body."""
    x, y = bench.x_mm, bench.y_mm
    curve = 1 / rng.uniform(420, 900) if person.has("curved_table") else 0.0
    top = bench.lowest_mm - rng.uniform(1, 7) + 0.5 * curve * x**2
    pixel = float(x[1, 0] - x[0, 0])

    def line(depth: float, thick: float, value: float) -> NDArray[np.float64]:
        share = np.clip(0.5 + (thick / 2 - np.abs(y - (top - depth))) / pixel, 0, 1)
        return share * (np.abs(x) < 235) * value

    extra = line(4, 8, 90 + 60 * rng.random()) + line(14, 2.4, 1050) + line(44, 2.4, 900) + line(29, 28, 60)
    if person.has("blanket"):
        wave = 3 * np.sin(x / rng.uniform(14, 30)) + 2 * np.sin(x / 9.0 + 1)
        rim = np.sqrt(np.clip(1 - (x / (bench.half_width_mm + 14)) ** 2, 0, 1))
        cloth = bench.lowest_mm + bench.depth_mm * (0.5 + 0.5 * rim) + wave + rng.uniform(5, 12)
        extra = extra + 260 * np.clip(1 - np.abs(y - cloth) / (1.1 * pixel), 0, 1) * (rim > 0)
    air = hu < -900
    result: Float32 = np.where(air, np.maximum(hu, -1000 + extra[:, :, None]), hu).astype(np.float32)
    return result


def artefacts(hu: Float32, bone: Float32, person: Person, bench: Bench, rng: np.random.Generator) -> Float32:
    """Cupping, dark bands beside dense bone, streaks from arms, and a metal's star."""
    x, y = bench.x_mm, bench.y_mm
    middle = bench.lowest_mm + bench.depth_mm / 2
    radius = (x / bench.half_width_mm) ** 2 + ((y - middle) / (bench.depth_mm / 2)) ** 2
    cup = rng.uniform(0, 5) * (bench.half_width_mm / 170)
    result = hu.astype(np.float64) - (cup * np.clip(1 - radius, 0, 1))[:, :, None]
    dense = bone.sum(axis=0, keepdims=True)
    dense = gaussian_filter1d(dense, 3.0, axis=1)
    dense = dense / max(float(dense.max()), 1e-6)
    result -= rng.uniform(0, 7) * dense * (1 - bone)
    if person.has("arms"):
        rows = gaussian_filter1d(rng.standard_normal((1, hu.shape[1], hu.shape[2])), 1.2, axis=1) * 2
        where = np.exp(-(((y + 25) / 45) ** 2))[:, :, None]
        result += rows * where * rng.uniform(5, 13)
    if person.has("metal"):
        result = _star(result, bench, rng)
    return result.astype(np.float32)


def _star(hu: NDArray[np.float64], bench: Bench, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rays of metal from its own place; nothing where there is none in the slice."""
    weights = np.clip(hu - 2300, 0, None)
    result = hu.copy()
    turns = rng.uniform(0, 6.28, 8)
    for k in range(hu.shape[2]):
        if weights[:, :, k].max() <= 0:
            continue
        total = weights[:, :, k].sum()
        dx = bench.x_mm - float((weights[:, :, k] * bench.x_mm).sum() / total)
        dy = bench.y_mm - float((weights[:, :, k] * bench.y_mm).sum() / total)
        angle, away = np.arctan2(dy, dx), np.hypot(dx, dy)
        rays = np.cos(2 * angle) * -1.2 + sum(np.cos(n * 3 * angle + turns[n]) for n in range(2, 8)) * 0.35
        result[:, :, k] += 70 * rays * np.exp(-away / 38)
    return result


def noisy(hu: Float32, protocol: Protocol, bench: Bench, rng: np.random.Generator) -> Float32:
    """Noise with the band-pass spectrum of filtered back projection, stronger amid large bodies."""
    pixel = float(bench.x_mm[1, 0] - bench.x_mm[0, 0])
    white = rng.standard_normal(hu.shape, dtype=np.float32)
    near, far = (max(length / pixel, 0.25) for length in _GRAIN_MM[protocol.kernel])
    grain = gaussian_filter(white, (near, near, 0), truncate=2.5)
    grain = grain - 0.85 * gaussian_filter(white, (far, far, 0), truncate=2.5)
    grain = grain / float(grain[:, :, 0].std())
    middle = bench.lowest_mm + bench.depth_mm / 2
    radius = (bench.x_mm / (bench.half_width_mm * 1.05)) ** 2 + (
        (bench.y_mm - middle) / (bench.depth_mm * 0.55)
    ) ** 2
    large = np.clip(bench.half_width_mm / 170, 0.7, 1.5)
    level = 0.45 + (0.55 + 0.25 * (large - 1)) * np.exp(-1.1 * radius)
    result: Float32 = (hu + protocol.noise_hu * level[:, :, None] * grain).astype(np.float32)
    return result
