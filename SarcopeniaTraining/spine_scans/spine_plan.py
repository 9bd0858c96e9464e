"""Which vertebrae a person has, how large they are and how they stand on one another.

Sizes from Panjabi et al. 1991 and 1992 (Spine 16:888, 17:299: widths, depths and heights by level), raised
to the size of living adults on CT; sacral slope 40 ± 9° and lordosis as in Vialle et al. 2005 (J Bone Joint
Surg Am 87:260); transitional vertebrae in about one person of seven (Apazidis et al. 2011, Spine J 11:858).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from SarcopeniaTraining.spine_scans.canvas import Frame, turned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Variant = Literal["normal", "six lumbar", "four lumbar", "no twelfth rib", "lumbar rib", "sacralised"]
VARIANTS: Mapping[Variant, float] = {
    "normal": 0.76,
    "six lumbar": 0.05,
    "four lumbar": 0.04,
    "no twelfth rib": 0.05,
    "lumbar rib": 0.04,
    "sacralised": 0.06,
}
"""How often each is drawn: more often than born with, so that each is learnt."""

_TOP = 5
"""The highest vertebra drawn is T5."""
# From T5 down to T12, then L1 to L5.
_WIDTH_MM = (27.5, 28.0, 28.5, 29.5, 31.0, 33.0, 36.5, 40.5, 42.5, 44.5, 46.5, 49.0, 51.0)
_DEPTH_MM = (24.0, 25.5, 27.0, 28.0, 29.5, 30.5, 31.5, 32.5, 33.5, 34.5, 35.0, 35.0, 34.5)
_HEIGHT_MM = (18.5, 19.0, 19.5, 20.5, 21.5, 22.5, 23.5, 25.0, 26.5, 27.5, 28.0, 28.0, 27.5)
_DISC_BELOW_MM = (3.8, 4.0, 4.2, 4.6, 5.0, 5.6, 6.4, 7.4, 8.4, 9.6, 10.6, 11.4, 10.5)
_LEAN_DEG = (15.0, 10.0, 5.0, 0.0, -5.0, -9.0, -12.0, -14.0, -14.0, -10.0, -3.0, 8.0, 23.0)
_THORACIC = 8


@dataclass(frozen=True, eq=False)
class Vertebra:
    """One vertebra as it will be painted.

    Attributes
    ----------
    name:
        "T12", "L3" …
    frame:
        At the middle of the body.
    width_mm, depth_mm, height_mm, wedge:
        Of the body; the wedge is the share of its height lost in front.
    disc_mm, disc_kind:
        Height of the disc below, and what it is.
    ribs_mm:
        Length of the rib on the left and right; 0: none.
    transverse_mm:
        Reach of the transverse processes from the middle.
    sacralised:
        Its transverse processes have grown onto the sacrum.
    """

    name: str
    frame: Frame
    width_mm: float
    depth_mm: float
    height_mm: float
    wedge: float
    disc_mm: float
    disc_kind: Literal["healthy", "vacuum", "fused"]
    ribs_mm: tuple[float, float]
    transverse_mm: float
    sacralised: bool = False


@dataclass(frozen=True, eq=False)
class SpinePlan:
    """A spine.

    Attributes
    ----------
    vertebrae:
        From T5 down to the last lumbar one.
    sacrum:
        Frames at the middle of S1…S5.
    size:
        Scale of the person, about 1.
    variant:
        How the numbering departs from twelve thoracic and five lumbar vertebrae.
    """

    vertebrae: tuple[Vertebra, ...]
    sacrum: tuple[Frame, ...]
    sacrum_sizes_mm: tuple[tuple[float, float, float], ...]
    size: float
    variant: Variant

    def vertebra(self, name: str) -> Vertebra:
        """The vertebra of that name."""
        return next(v for v in self.vertebrae if v.name == name)


@dataclass(frozen=True, eq=False)
class _Posture:
    """How the spine bends: per level, from the sacrum upwards."""

    lean: float
    shift_deg: float
    scoliosis_deg: float
    period: float
    phase: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _Posture:
        bent = rng.random() < 0.25
        return cls(
            lean=float(rng.uniform(0.35, 1.35)),
            shift_deg=float(rng.normal(0, 4)),
            scoliosis_deg=float(rng.uniform(4, 16) if bent else rng.uniform(0, 3)),
            period=float(rng.uniform(5, 14)),
            phase=float(rng.uniform(0, 2 * np.pi)),
        )

    def axes(self, lean_deg: float, step: int, rng: np.random.Generator) -> NDArray[np.float64]:
        wave = np.sin(2 * np.pi * step / self.period + self.phase)
        side = self.scoliosis_deg * float(wave)
        return turned(self.lean * lean_deg + self.shift_deg + float(rng.normal(0, 1.5)), side, -0.9 * side)


def draw_plan(rng: np.random.Generator) -> SpinePlan:
    """Draw a spine whose last disc lies about the world's origin."""
    variant = list(VARIANTS)[int(rng.choice(len(VARIANTS), p=list(VARIANTS.values())))]
    size = float(np.clip(rng.normal(1.06, 0.07), 0.88, 1.24))
    posture = _Posture.drawn(rng)
    slope = float(np.clip(rng.normal(40, 9), 15, 65))
    sacrum, sizes = _sacrum(slope, size, rng)
    names = _names(variant)
    worn = float(rng.beta(1.2, 2.5))
    below, vertebrae = sacrum[0], []
    reach = sizes[0][2] / 2
    for step, name in enumerate(reversed(names)):
        vertebra, reach = _vertebra(name, step, (below, reach), (size, worn, posture, variant), rng)
        below = vertebra.frame
        vertebrae.append(vertebra)
    return SpinePlan(tuple(reversed(vertebrae)), sacrum, sizes, size, variant)


def _names(variant: Variant) -> list[str]:
    lumbar = {"six lumbar": 6, "four lumbar": 4}.get(variant, 5)
    return [f"T{n}" for n in range(_TOP, 13)] + [f"L{n}" for n in range(1, lumbar + 1)]


def _row(name: str, lumbar: int) -> float:
    """Place in the tables above; six or four lumbar vertebrae are spread over the five rows."""
    number = int(name[1:])
    if name[0] == "T":
        return float(number - _TOP)
    return _THORACIC + (number - 1) * (4 / (lumbar - 1))


def _between(table: tuple[float, ...], row: float) -> float:
    return float(np.interp(row, np.arange(len(table)), table))


def _vertebra(
    name: str,
    step: int,
    below: tuple[Frame, float],
    person: tuple[float, float, _Posture, Variant],
    rng: np.random.Generator,
) -> tuple[Vertebra, float]:
    """The next vertebra upwards, and half its height."""
    size, worn, posture, variant = person
    lumbar = {"six lumbar": 6, "four lumbar": 4}.get(variant, 5)
    row = _between(tuple(range(len(_WIDTH_MM))), _row(name, lumbar))
    axes = posture.axes(_between(_LEAN_DEG, row), step, rng)
    fractured = rng.random() < 0.05
    height = (
        size * _between(_HEIGHT_MM, row) * rng.normal(1, 0.03) * (rng.uniform(0.5, 0.85) if fractured else 1)
    )
    disc = size * _between(_DISC_BELOW_MM, row) * float(np.clip(rng.normal(1, 0.12), 0.7, 1.3))
    kind: Literal["healthy", "vacuum", "fused"] = "healthy"
    if rng.random() < 0.7 * worn:
        disc *= rng.uniform(0.3, 0.8)
        kind = "vacuum" if rng.random() < 0.35 else "fused" if rng.random() < 0.12 else "healthy"
    sacralised = variant == "sacralised" and step == 0
    if sacralised:
        disc *= rng.uniform(0.3, 0.7)
    lower, reach = below
    join = lower.world(0, 0, reach + disc / 2) if reach else lower.centre
    up = axes[:, 2]
    centre = join + up * (disc / 2 + height / 2) + axes[:, 1] * (size * rng.normal(1.0, 0.7))
    transverse = size * (
        _lumbar_reach(name, lumbar) if name[0] == "L" else 27 - max(int(name[1:]) - 9, 0) * 2.0
    )
    vertebra = Vertebra(
        name=name,
        frame=Frame(centre, axes),
        width_mm=size * _between(_WIDTH_MM, row) * rng.normal(1, 0.03),
        depth_mm=size * _between(_DEPTH_MM, row) * rng.normal(1, 0.03),
        height_mm=float(height),
        wedge=float(rng.uniform(0.1, 0.4) if fractured else rng.normal(0, 0.04)),
        disc_mm=float(max(disc, 1.5)),
        disc_kind=kind,
        ribs_mm=_ribs(name, variant, rng),
        transverse_mm=float(transverse * rng.normal(1, 0.08)),
        sacralised=sacralised,
    )
    return vertebra, float(height) / 2


def _lumbar_reach(name: str, lumbar: int) -> float:
    """Transverse processes reach farthest at L3."""
    return _between((37.0, 42.0, 46.0, 42.0, 43.0), (int(name[1:]) - 1) * 4 / (lumbar - 1))


def _ribs(name: str, variant: Variant, rng: np.random.Generator) -> tuple[float, float]:
    """Length of the left and the right rib; a twelfth may be missing, a first lumbar one present."""
    if name[0] == "L":
        if variant == "lumbar rib" and name == "L1":
            both = rng.random() < 0.7
            pair = rng.uniform(18, 70, 2)
            return (float(pair[0]), float(pair[1]) if both else 0.0)
        return 0.0, 0.0
    number = int(name[1:])
    if number == 12:
        if variant == "no twelfth rib":
            pair = np.where(rng.random(2) < 0.6, 0.0, rng.uniform(8, 20, 2))
        else:
            pair = np.clip(rng.normal(95, 32), 28, 170) * rng.normal(1, 0.12, 2)
        return float(pair[0]), float(pair[1])
    length = {11: rng.normal(185, 25), 10: rng.normal(260, 20)}.get(number, rng.normal(310, 20))
    return float(length), float(length * rng.normal(1, 0.04))


def _sacrum(
    slope_deg: float, size: float, rng: np.random.Generator
) -> tuple[tuple[Frame, ...], tuple[tuple[float, float, float], ...]]:
    """Frames and (width, depth, height) of S1…S5, curved backwards and forwards again."""
    leans = slope_deg + np.array([0, 7, 9, -22, -62]) + rng.normal(0, 3, 5)
    sizes = size * np.array([[50, 31, 29], [40, 24, 24], [33, 18, 21], [28, 14, 19], [22, 11, 16]])
    frames, join = [], np.zeros(3)
    for lean, (_, _, height) in zip(leans, sizes, strict=True):
        axes = turned(float(lean))
        frames.append(Frame(join - axes[:, 2] * height / 2, axes))
        join = join - axes[:, 2] * (height + 1.5)
    triples = tuple((float(w), float(d), float(h)) for w, d, h in sizes)
    return tuple(frames), triples
