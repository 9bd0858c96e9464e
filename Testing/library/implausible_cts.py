"""What is no CT of an adult's abdomen: slices of HU, canonical (I, J), with the grain of a scanner."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

Image = np.ndarray[Any, Any]
SHAPE = (400, 340)
PIXEL_MM = (1.0, 1.0)


def ellipse(radii_mm: tuple[float, float], centre_mm: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Inside an ellipse; axis 0 to the right, axis 1 to the front, from the image's middle."""
    x, y = ((np.arange(n) - (n - 1) / 2) for n in SHAPE)
    return ((x[:, None] - centre_mm[0]) / radii_mm[0]) ** 2 + (
        (y[None, :] - centre_mm[1]) / radii_mm[1]
    ) ** 2 < 1


def scanned(hu: Image, seed: int = 1, noise_hu: float = 12.0) -> Image:
    """Point spread and grainy noise; int16."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(hu.shape), 0.8)
    blurred = gaussian_filter(hu.astype(np.float64), 0.8)
    noisy = blurred + noise_hu * noise / noise.std() * np.clip((blurred + 1000) / 400, 0.15, 1)
    return np.clip(np.rint(noisy), -1024, 3071).astype(np.int16)


def texture(width_mm: float, size_hu: float, seed: int) -> Image:
    """A smooth random field."""
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), width_mm)
    return size_hu * field / field.std()


def vertebra(hu: Image, centre_mm: tuple[float, float], size: float = 1.0) -> None:
    """Paint a vertebra: cortex, spongiosa, canal, arch and processes."""
    x, y = centre_mm
    hu[ellipse((40 * size, 7 * size), (x, y - 26 * size))] = 350
    hu[ellipse((6 * size, 22 * size), (x, y - 45 * size))] = 400
    hu[ellipse((25 * size, 18 * size), centre_mm)] = 450
    hu[ellipse((23 * size, 16 * size), centre_mm)] = 200
    hu[ellipse((10 * size, 8 * size), (x, y - 25 * size))] = 30


def head() -> Image:
    """Scalp, skull, brain with ventricles."""
    hu = np.full(SHAPE, -1000.0)
    hu[ellipse((78, 97))] = -60
    hu[ellipse((75, 94))] = 1100
    hu[ellipse((68, 87))] = 34
    hu += texture(4, 4, 2) * ellipse((68, 87))
    for side in (-1, 1):
        hu[ellipse((6, 24), (12 * side, 8))] = 6
    return scanned(hu)


def chest() -> Image:
    """Ribs, two lungs with vessels, heart, vertebra, muscle of back and chest."""
    hu = np.full(SHAPE, -1000.0)
    hu[ellipse((165, 118))] = -100
    hu[ellipse((152, 105))] = 50
    hu[ellipse((138, 92))] = -90
    for side in (-1, 1):
        hu[ellipse((60, 82), (72 * side, 0))] = -860
        for angle in np.linspace(0.3, 2.8, 6):
            spot = (72 * side + 66 * side * np.sin(angle), 88 * np.cos(angle))
            hu[ellipse((7, 5), spot)] = 400
    vessels = (texture(2, 1, 3) > 1.9) & (hu == -860)
    hu[vessels] = 40
    hu[ellipse((52, 46), (-22, 30))] = 60
    vertebra(hu, (0, -58), 0.8)
    return scanned(hu)


def thighs() -> Image:
    """Two legs: skin, fat, muscle with septa, femur."""
    hu = np.full(SHAPE, -1000.0)
    for side in (-1, 1):
        hu[ellipse((82, 86), (92 * side, 0))] = -100
        hu[ellipse((68, 72), (92 * side, 0))] = 52
        hu[ellipse((15, 15), (98 * side, 8))] = 1200
        hu[ellipse((9, 9), (98 * side, 8))] = -40
    septa = (np.abs(texture(9, 1, 4)) < 0.08) & (hu == 52)
    hu[septa] = -90
    return scanned(hu)


def pelvis() -> Image:
    """Sacrum and iliac wings as one arch of bone, gluteal muscle, bowel."""
    hu = np.full(SHAPE, -1000.0)
    hu[ellipse((180, 120))] = -100
    hu[ellipse((160, 100), (0, -8))] = 50
    hu[ellipse((125, 82), (0, 5))] = -95
    hu[ellipse((62, 24), (0, -62))] = 320
    for side in (-1, 1):
        hu[ellipse((14, 52), (88 * side, -20))] = 380
        hu[ellipse((38, 14), (60 * side, -62))] = 360
        hu[ellipse((24, 18), (40 * side, 30))] = 40
    return scanned(hu)


def hips() -> Image:
    """Femoral heads in their sockets, bladder, coccyx."""
    hu = np.full(SHAPE, -1000.0)
    hu[ellipse((185, 115))] = -100
    hu[ellipse((165, 95))] = 50
    hu[ellipse((60, 70))] = -90
    hu[ellipse((40, 32), (0, 15))] = 5
    hu[ellipse((8, 5), (0, -72))] = 300
    for side in (-1, 1):
        hu[ellipse((30, 38), (95 * side, 5))] = 500
        hu[ellipse((24, 24), (98 * side, 5))] = 350
    return scanned(hu)


def water() -> Image:
    """A cylinder of water in an acrylic wall."""
    hu = np.full(SHAPE, -1000.0)
    hu[ellipse((105, 105))] = 120
    hu[ellipse((100, 100))] = 0
    return scanned(hu)


def as_mr(hu: Image, *, scaled: bool, seed: int = 5) -> Image:
    """A CT slice as T1-weighted MR: fat bright, muscle grey, bone and air dark; bias field, Rician noise.

    `scaled`: stretched onto −1000…1000 with the background at −1000, as a disguise; else as stored.
    """
    points = [-1000, -300, -120, -60, 0, 60, 150, 300, 1500]
    signal = np.interp(
        gaussian_filter(hu.astype(float), 0.7), points, [0, 60, 950, 800, 250, 380, 420, 200, 30]
    )
    bias = gaussian_filter(np.random.default_rng(seed).standard_normal(hu.shape), 60)
    signal = signal * (1 + 0.3 * bias / np.abs(bias).max())
    noise = np.random.default_rng(seed + 1).normal(0, 22, (2, *hu.shape))
    image = np.hypot(signal + noise[0], noise[1])
    if scaled:
        image = image / np.quantile(image, 0.999) * 2000 - 1000
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


def shrunk(hu: Image, factor: float) -> Image:
    """The same body smaller on the same pixels: air around it."""
    centre = (np.array(hu.shape) - 1) / 2
    made = affine_transform(
        hu.astype(np.float32), np.eye(2) / factor, centre - centre / factor, order=1, cval=-1000
    )
    return np.rint(made).astype(np.int16)


def with_metal(hu: Image, places: list[tuple[int, int]], *, streak_hu: float) -> Image:
    """Screws of metal at (i, j), and dark and bright streaks that run from them through the body."""
    made = hu.astype(float)
    i, j = np.meshgrid(*(np.arange(n) for n in hu.shape), indexing="ij")
    body = hu > -300
    for n, (a, b) in enumerate(places):
        angle = np.arctan2(j - b, i - a)
        rays = np.random.default_rng(n).normal(0, 1, 90)
        at = np.interp(angle, np.linspace(-np.pi, np.pi, 90), rays)
        made += streak_hu * at * np.exp(-np.hypot(i - a, j - b) / 140) * body
    for a, b in places:
        made[np.hypot(i - a, j - b) < 5] = 3071
    return np.clip(np.rint(made), -1024, 3071).astype(np.int16)
