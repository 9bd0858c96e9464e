"""One random person: sizes that the other rooms share.

Ranges follow docs/phantoms.md. Everything is a function of the depth under the *outer face of the
muscle ring* (a superellipse that encloses wall, rectus and back muscles) and of the direction.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from SarcopeniaTraining.phantom.painting import cut
from SarcopeniaTraining.phantom.shapes import Along, Field, Wave, rotated, superellipse

PHASES = ("none", "arterial", "portal")


@dataclass(frozen=True)
class Warp:
    """A smooth deformation of the axial plane that changes slowly along the body."""

    x_of_y: Wave
    x_of_x: Wave
    y_of_x: Wave
    y_of_y: Wave
    drift: Wave
    amplitude_mm: float
    rotation_deg: float
    shift_mm: tuple[float, float]
    asymmetry: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Warp":
        """Amplitude 2–7 mm, rotation up to 8°, shift, left–right difference of up to 12 %."""
        waves = [Wave.random(rng, 70, 220) for _ in range(4)]
        return cls(
            x_of_y=waves[0],
            x_of_x=waves[1],
            y_of_x=waves[2],
            y_of_y=waves[3],
            drift=Wave.random(rng, 90, 300),
            amplitude_mm=float(rng.uniform(2, 7)),
            rotation_deg=float(np.clip(rng.normal(0, 3), -8, 8)),
            shift_mm=(float(rng.normal(0, 8)), float(rng.normal(0, 8))),
            asymmetry=float(rng.uniform(-0.12, 0.12)),
        )

    def __call__(self, x: Field, y: Field, z: Field) -> tuple[Field, Field]:
        """Body coordinates (mm) of scanner coordinates (mm)."""
        x, y = rotated(x - np.float32(self.shift_mm[0]), y - np.float32(self.shift_mm[1]), self.rotation_deg)
        a, turn = np.float32(self.amplitude_mm / 2), self.drift(z)
        u = x + a * (self.x_of_y(y + 40 * turn) + self.x_of_x(x)) + 3 * turn
        v = y + a * (self.y_of_x(x + 40 * turn) + self.y_of_y(y))
        u = u * (1 + np.float32(self.asymmetry) * np.tanh(u / 40))
        return u, v


@dataclass(frozen=True)
class SpineBend:
    """How the spine, with the muscles that lie on it, leaves the trunk's middle, and what one side lost.

    Attributes
    ----------
    shift_mm, turn_deg:
        Sideways and about the body's long axis; in one person of eight those of a scoliosis.
    size:
        (right, left) factors of psoas, quadratus, multifidus, erector: one-sided atrophy in one of nine.
    """

    shift_mm: Along
    turn_deg: Along
    size: tuple[tuple[float, float], ...]

    @classmethod
    def random(cls, rng: np.random.Generator) -> "SpineBend":
        """Mostly straight and even."""
        curved = rng.random() < 0.12
        shift, turn = (rng.uniform(3, 14), rng.uniform(3, 12)) if curved else (1.5, 1.0)
        size = np.clip(rng.normal(1, 0.03, (4, 2)), 0.9, 1.1)
        if rng.random() < 0.11:
            size[rng.integers(4), rng.integers(2)] *= rng.uniform(0.45, 0.85)
        return cls(
            Along(float(rng.normal(0, shift / 3)), float(shift), Wave.random(rng, 150, 400)),
            Along(float(rng.normal(0, turn / 3)), float(turn), Wave.random(rng, 150, 400)),
            tuple((float(right), float(left)) for right, left in size),
        )


@dataclass(frozen=True)
class Person:
    """Who is drawn, and the shape of the muscle ring.

    Attributes
    ----------
    bend:
        Scoliosis and one-sided atrophy.
    muscularity:
        Multiplies every muscle's thickness (square root of an area factor); about 0.5 when severely
        sarcopenic, 1.2 in an athlete.
    half_width_mm, half_depth_mm, exponent:
        The ring's superellipse; the sizes vary along the body.
    spine_y_mm:
        Centre of the vertebral body below the ring's centre.
    """

    seed: int
    sex: str
    age_years: int
    phase: str
    muscularity: float
    muscle_hu: float
    fatty: float
    half_width_mm: Along
    half_depth_mm: Along
    exponent: float
    groove_mm: float
    spine_y_mm: float
    vertebra_mm: tuple[float, float]
    period_mm: float
    warp: Warp
    bend: SpineBend

    @classmethod
    def random(cls, seed: int, *, sex: str | None = None, muscularity: float | None = None) -> "Person":
        """Draw a person; `sex` and `muscularity` may be set."""
        rng = np.random.default_rng([seed, 1])
        drawn_sex, drawn_muscularity = str(rng.choice(["male", "female"])), float(rng.uniform(0.5, 1.15))
        sex = sex or drawn_sex
        male = sex == "male"
        width = rng.normal(143 if male else 127, 12)
        ratio = rng.uniform(0.60, 0.80)
        vertebra = rng.normal(25.5 if male else 22.5, 1.6)
        age = int(np.clip(rng.normal(70, 12), 20, 95))
        phase = str(rng.choice(PHASES, p=[0.35, 0.15, 0.5]))
        level = float(np.clip(rng.normal(46, 11), 20, 72)) + (6 if phase != "none" else 0)
        return cls(
            seed=seed,
            sex=sex,
            age_years=age,
            phase=phase,
            muscularity=muscularity or drawn_muscularity,
            muscle_hu=level,
            fatty=float(rng.beta(1.3, 3)),
            half_width_mm=Along(float(np.clip(width, 104, 172)), 4, Wave.random(rng, 120, 400)),
            half_depth_mm=Along(float(np.clip(width, 104, 172) * ratio), 4, Wave.random(rng, 120, 400)),
            exponent=float(rng.uniform(2.0, 2.6)),
            groove_mm=float(rng.uniform(3, 16)),
            spine_y_mm=float(rng.uniform(0.2, 0.34)),
            vertebra_mm=(float(vertebra), float(vertebra * rng.uniform(0.68, 0.8))),
            period_mm=float(rng.normal(37.5 if male else 35, 1.5)),
            warp=Warp.random(rng),
            bend=SpineBend.random(np.random.default_rng([seed, 12])),
        )

    def rng(self, room: int) -> np.random.Generator:
        """Random numbers of one room, independent of what other rooms draw."""
        return np.random.default_rng([self.seed, 100 + room])

    def spine_y(self, z: Field) -> Field:
        """Anterior coordinate of the vertebral body's centre, mm."""
        return -np.float32(self.spine_y_mm) * self.half_depth_mm(z)

    def growth(self) -> float:
        """In-plane muscle size: the square root of an area factor."""
        size = float(self.half_width_mm.mean) / (143 if self.sex == "male" else 134)
        return float(np.sqrt(self.muscularity) * size**0.5)

    def on_spine(self, ring: "RingCoordinates") -> "RingCoordinates":
        """Ring coordinates whose x and y are those of the bent spine; depth and angle stay the trunk's."""
        centre = self.spine_y(ring.z)
        turn = np.radians(self.bend.turn_deg(ring.z)).astype(np.float32)
        c, s = np.cos(turn), np.sin(turn)
        u, v = ring.x - self.bend.shift_mm(ring.z), ring.y - centre
        x = c * u + s * v
        return replace(
            ring, x=x, y=c * v - s * u + centre, side=np.where(x > 0, np.float32(1), np.float32(-1))
        )


@dataclass(frozen=True)
class RingCoordinates:
    """Where each point of the canvas lies relative to the muscle ring.

    Attributes
    ----------
    depth:
        mm under the ring's outer face (negative in the subcutaneous fat).
    angle:
        0 in front, 90 at the side, 180 behind, degrees; the same on both sides.
    side:
        +1 right, −1 left.
    """

    x: Field
    y: Field
    z: Field
    depth: Field
    angle: Field
    side: Field

    def part(self, i: slice, j: slice) -> "RingCoordinates":
        """Rows i and columns j."""
        return self._picked(lambda field: cut(field, i, j))

    def row(self, where: NDArray[np.bool_]) -> "RingCoordinates":
        """Those of the points of a canvas's row."""
        return self._picked(lambda field: np.broadcast_to(field, where.shape)[where])

    def _picked(self, pick: Callable[[Field], Field]) -> "RingCoordinates":
        fields = (self.x, self.y, self.z, self.depth, self.angle, self.side)
        return RingCoordinates(*(pick(field) for field in fields))


def ring_coordinates(person: Person, x: Field, y: Field, z: Field) -> RingCoordinates:
    """Ring coordinates of body coordinates (mm)."""
    a, b = person.half_width_mm(z), person.half_depth_mm(z)
    depth = superellipse(x, y, a, b, person.exponent)
    behind = np.clip(-y / b, 0, 1)
    depth = depth - np.float32(person.groove_mm) * np.exp(-((x / 14) ** 2)) * behind**4
    angle = np.degrees(np.arctan2(np.abs(x) / a, y / b)).astype(np.float32)
    return RingCoordinates(x, y, z, depth, angle, np.where(x > 0, np.float32(1), np.float32(-1)))
