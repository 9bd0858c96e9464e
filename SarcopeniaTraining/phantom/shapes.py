"""Depth functions: how far, in mm, a point lies inside a shape (negative outside).

All take coordinates in mm as arrays that broadcast against each other, so the same lines draw one
axial slice, a stack of them, or an oblique grid.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Coordinates or depths in mm, float32 in practice; shapes broadcast."""

Number = float | np.floating[Any]


@dataclass(frozen=True)
class Wave:
    """A smooth random function of one coordinate: a few sinusoids of amplitude about one.

    Parameters
    ----------
    wavenumbers, phases, weights:
        Each of shape (n,); wavenumbers in rad/mm.
    """

    wavenumbers: tuple[float, ...]
    phases: tuple[float, ...]
    weights: tuple[float, ...]

    @classmethod
    def random(cls, rng: np.random.Generator, shortest_mm: float, longest_mm: float, n: int = 3) -> "Wave":
        """Draw a wave whose components are between the two lengths."""
        lengths = np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm), n))
        weights = rng.dirichlet(np.ones(n)) * 1.4
        phases = rng.uniform(0, 2 * np.pi, n)
        return cls(tuple(2 * np.pi / lengths), tuple(phases), tuple(weights))

    def __call__(self, t: Field) -> Field:
        """Value at `t` (mm), about within ±1."""
        total = np.zeros_like(t)
        for k, phase, weight in zip(self.wavenumbers, self.phases, self.weights, strict=True):
            total += np.float32(weight) * np.sin(np.float32(k) * t + np.float32(phase))
        return total


@dataclass(frozen=True)
class Along:
    """A size in mm that varies smoothly along the body."""

    mean: float
    swing: float
    wave: Wave

    def __call__(self, z: Field) -> Field:
        """Size at superior coordinate `z` (mm)."""
        return np.float32(self.mean) + np.float32(self.swing) * self.wave(z)


@dataclass(frozen=True)
class Grain:
    """A smooth random field, about standard normal: plane waves in all directions.

    Parameters
    ----------
    waves:
        (n, 4): wavenumbers along x, y, z in rad/mm, and phase.
    """

    waves: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        shortest_mm: float,
        longest_mm: float,
        *,
        stretch: float = 1.0,
        n: int = 8,
    ) -> "Grain":
        """Draw a field; with `stretch` its grains are so many times longer in one direction of the plane.

        Along the body they are three times as long.
        """
        along = rng.uniform(0, np.pi)
        c, s = np.cos(along), np.sin(along)
        waves = []
        for _ in range(n):
            k = 2 * np.pi / np.exp(rng.uniform(np.log(shortest_mm), np.log(longest_mm)))
            turn = rng.uniform(0, 2 * np.pi)
            u, v = k * np.cos(turn) / stretch, k * np.sin(turn)
            waves.append((c * u - s * v, s * u + c * v, rng.normal(0, k / 3), rng.uniform(0, 2 * np.pi)))
        return cls(tuple((float(a), float(b), float(d), float(e)) for a, b, d, e in waves))

    def __call__(self, x: Field, y: Field, z: Field) -> Field:
        """Value at each point (mm)."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for a, b, c, phase in self.waves:
            total += np.sin(np.float32(a) * x + (np.float32(b) * y + (np.float32(c) * z + np.float32(phase))))
        total *= np.float32(np.sqrt(2 / len(self.waves)))
        return total


def superellipse(x: Field, y: Field, a: Field | Number, b: Field | Number, n: float) -> Field:
    """Depth inside |x/a|^n + |y/b|^n = 1 in mm, to first order a true distance near the border."""
    u, v = np.abs(x / a) + np.float32(1e-6), np.abs(y / b) + np.float32(1e-6)
    if n == 2:
        r = np.sqrt(u * u + v * v)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2) / r
    else:
        un, vn = u ** np.float32(n - 1), v ** np.float32(n - 1)
        r = (un * u + vn * v) ** np.float32(1 / n)
        slope = r ** np.float32(1 - n) * np.hypot(un / a, vn / b)
    depth: Field = (1 - r) / np.maximum(slope, np.float32(1e-3))
    return depth


def rotated(x: Field, y: Field, degrees: float) -> tuple[Field, Field]:
    """Coordinates in axes turned by `degrees` from x towards y."""
    c, s = np.float32(np.cos(np.radians(degrees))), np.float32(np.sin(np.radians(degrees)))
    return x * c + y * s, y * c - x * s


def ellipsoid(x: Field, y: Field, z: Field, radii_mm: tuple[float, float, float]) -> Field:
    """Depth inside an ellipsoid centred on the origin, mm (exact on the border)."""
    a, b, c = (np.float32(radius) for radius in radii_mm)
    r = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) + np.float32(1e-6)
    slope = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2) / r
    depth: Field = (1 - r) / np.maximum(slope, np.float32(1e-3))
    return depth


def box(x: Field, y: Field, half_x: Field | Number, half_y: Field | Number) -> Field:
    """Depth inside a rectangle, mm."""
    depth: Field = np.minimum(half_x - np.abs(x), half_y - np.abs(y))
    return depth


def smoothstep(t: Field) -> Field:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
