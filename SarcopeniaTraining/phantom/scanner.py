"""What a scanner does to a painted body: table, point spread, noise, streaks, integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.painting import Canvas


@dataclass(frozen=True)
class Scanner:
    """How a phantom is scanned.

    Attributes
    ----------
    blur_mm:
        Standard deviation of the in-plane point spread.
    noise_hu:
        Standard deviation of the noise in the finished image.
    grain_mm:
        Correlation length of the noise (a soft kernel has a coarse grain).
    """

    blur_mm: float
    noise_hu: float
    grain_mm: float
    hu_scale: float
    table: bool
    streaks_hu: float

    @classmethod
    def random(cls, seed: int) -> "Scanner":
        """Kernels from soft to sharp, noise 3–38 HU, table in two of three scans."""
        rng = np.random.default_rng([seed, 2])
        blur = float(rng.uniform(0.4, 1.2))
        return cls(
            blur_mm=blur,
            noise_hu=float(np.exp(rng.uniform(np.log(3), np.log(38)))),
            grain_mm=float(blur * rng.uniform(0.5, 1)),
            hu_scale=float(rng.normal(1, 0.015)),
            table=bool(rng.random() < 0.65),
            streaks_hu=float(rng.uniform(3, 14) if rng.random() < 0.15 else 0),
        )


def paint_table(canvas: Canvas, lowest_skin_mm: float, seed: int) -> None:
    """A curved couch with a thin dense shell and foam inside, just below the body."""
    rng = np.random.default_rng([seed, 3])
    gap, sag = rng.uniform(0, 12), rng.uniform(0, 0.0016)
    top = np.float32(lowest_skin_mm - gap) + np.float32(sag) * canvas.x**2
    depth = np.minimum(top - canvas.y, canvas.y - top + np.float32(rng.uniform(14, 45)))
    depth = np.minimum(depth, np.float32(rng.uniform(200, 260)) - np.abs(canvas.x))
    outside = np.clip((-700 - canvas.hu) / 200, 0, 1)
    shell, foam = np.float32(rng.uniform(-300, 150)), np.float32(rng.uniform(-980, -850))
    canvas.hu += outside * canvas.share(depth) * (shell - canvas.hu)
    canvas.hu += outside * canvas.share(depth - np.float32(1.8)) * (foam - canvas.hu)


def expose(
    canvas: Canvas, scanner: Scanner, spacing_mm: tuple[float, float], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Scan the canvas.

    Returns
    -------
    clean, image:
        (i, j, k): the HU without noise that define the truth, float32; and the CT, int16, −1024…3071.
    """
    clean = without_noise(canvas.hu, scanner, spacing_mm)
    return clean, with_noise(clean, scanner, spacing_mm, np.random.default_rng([seed, 4]))


def without_noise(
    hu: NDArray[np.float32], scanner: Scanner, spacing_mm: tuple[float, float]
) -> NDArray[np.float32]:
    """Painted HU (i, j, k) after the scanner's in-plane point spread and scale; slices stay apart."""
    from scipy.ndimage import gaussian_filter

    sigma = (scanner.blur_mm / spacing_mm[0], scanner.blur_mm / spacing_mm[1], 0.0)
    blurred = gaussian_filter(hu, sigma)
    clean: NDArray[np.float32] = ((blurred + 1000) * np.float32(scanner.hu_scale) - 1000).astype(np.float32)
    return clean


def with_noise(
    clean: NDArray[np.float32], scanner: Scanner, spacing_mm: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.int16]:
    """The CT, −1024…3071: grainy noise and streaks on HU (i, j, k), rounded."""
    from scipy.ndimage import gaussian_filter

    noise = rng.standard_normal(clean.shape, np.float32)
    noise = gaussian_filter(noise, (scanner.grain_mm / spacing_mm[0], scanner.grain_mm / spacing_mm[1], 0.0))
    noise *= np.float32(scanner.noise_hu) / max(float(noise.std()), 1e-6)
    if scanner.streaks_hu:
        lines = gaussian_filter(rng.standard_normal((1, *clean.shape[1:]), np.float32), (0, 1.0, 0))
        noise = noise + np.float32(scanner.streaks_hu) * lines / max(float(lines.std()), 1e-6)
    # Air is clipped at the detector's end and carries little noise.
    damp = np.clip((clean + 1000) / 400, 0.15, 1)
    image: NDArray[np.int16] = np.clip(np.rint(clean + noise * damp), -1024, 3071).astype(np.int16)
    return image
