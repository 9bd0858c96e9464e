"""The rib cage as geometry: where ribs, costal margin and the chest wall's layers lie.

Heights follow the vertebrae: T12 three levels over L3, each rib fixed to its own vertebra, descending by
33–48° at the side; cartilages of ribs 7–10 rise to the costal margin (Gray's Anatomy, thoracic wall).
"""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.shapes import Along, Field, Wave, smoothstep
from SarcopeniaTraining.phantom.trunk import Wall

ROOT_DEG = 160.0
"""Where a rib meets its transverse process, as an angle of the ring."""
MM_PER_DEG = 2.15
"""Arc of the ring per degree, about."""
RIB_HALF_MM = (6.6, 3.4)
"""Half height and half thickness of a rib."""
PLEURA_MM = 1.2


@dataclass(frozen=True)
class Rib:
    """One rib: bone from its vertebra down to `end_deg`, cartilage rising on to `cartilage_deg`.

    Angles in degrees of the ring, heights in mm over L3. A floating rib has no cartilage that rises.
    """

    number: int
    root_z: float
    end_deg: float
    end_z: float
    cartilage_deg: float
    cartilage_rise: float
    lean: float

    def height(self, angle: Field, side: Field) -> tuple[Field, Field]:
        """Superior coordinate of the rib's axis, mm, and the cosine of its slope."""
        beyond = angle - np.float32(self.end_deg)
        span = np.float32(ROOT_DEG - self.end_deg)
        part = np.clip(beyond / span, 0, 1)
        turn = part * np.float32(np.pi / 2)
        drop = np.float32(self.root_z - self.end_z)
        front = np.maximum(-beyond, 0) * np.float32(self.cartilage_rise)
        fall = np.float32(0.55) * np.sin(turn) + np.float32(0.45) * part
        z = np.float32(self.end_z) + drop * fall + front + np.float32(self.lean) * side
        steep = np.where(
            beyond > 0,
            drop / span * (np.float32(0.45) + np.float32(0.55 * np.pi / 2) * np.cos(turn)),
            np.float32(self.cartilage_rise),
        )
        return z, 1 / np.sqrt(1 + (steep / np.float32(MM_PER_DEG)) ** 2)


def _ribs(person: Person) -> tuple[Rib, ...]:
    """Ribs 12 to 5."""
    rng = person.rng(3)
    rate = rng.uniform(1.15, 1.7)
    ends = (rng.uniform(103, 140), rng.uniform(68, 96), *(rng.normal((58, 48, 40, 33, 28, 24), 2)))
    rise = rng.uniform(2.0, 2.8)
    found = []
    for n, end in enumerate(ends):
        root = (3 + n * rng.uniform(0.97, 1.0)) * person.period_mm + rng.normal(3, 3)
        drop = (rate + rng.normal(0, 0.04)) * (ROOT_DEG - end)
        reach = 0.0 if n < 2 else rng.uniform(10, 16) if n < 5 else end - 9
        found.append(
            Rib(
                12 - n,
                float(root),
                float(end),
                float(root - drop),
                float(end - reach),
                float(rise),
                float(rng.normal(0, 2.5)),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Cage:
    """The chest of one person.

    Attributes
    ----------
    intercostal_mm, oblique_mm, latissimus_mm, serratus_mm, gap_mm:
        Thickness of the sheet between the ribs, of external oblique with serratus anterior over them, of
        latissimus, of serratus posterior inferior, and of the fat between those and the ribs.
    plane_slope:
        How fast the wall runs backwards from the transverse processes, in front of the erector.
    """

    ribs: tuple[Rib, ...]
    intercostal_mm: float
    oblique_mm: Along
    latissimus_mm: float
    latissimus_deg: tuple[float, float]
    latissimus_z: tuple[float, float]
    serratus_mm: float
    gap_mm: float
    slips: Wave
    plane_slope: float
    period_mm: float
    plane_mm: tuple[float, float]

    @classmethod
    def random(cls, person: Person) -> "Cage":
        """Draw; thicknesses scale with the person's muscularity."""
        rng, growth, period = person.rng(40), person.growth(), person.period_mm
        oblique = float(np.clip(rng.normal(5.5, 1.3), 2.8, 9) * growth)
        start = rng.uniform(1.0, 1.7) * period
        return cls(
            ribs=_ribs(person),
            intercostal_mm=float(np.clip(rng.normal(5.4, 1.0), 3.5, 8) * growth**0.5),
            oblique_mm=Along(oblique, 0.15 * oblique, Wave.random(rng, 50, 150)),
            latissimus_mm=float(np.clip(rng.normal(8, 2), 3.5, 13) * growth),
            latissimus_deg=(float(rng.uniform(122, 134)), float(rng.uniform(24, 33))),
            latissimus_z=(float(start), float(start + rng.uniform(1.4, 2.2) * period)),
            serratus_mm=float(rng.uniform(1.2, 3.2) * growth),
            gap_mm=float(rng.uniform(0, 1) + 2.5 * person.fatty * rng.random()),
            slips=Wave.random(rng, 26, 60),
            plane_slope=float(rng.uniform(0.48, 0.68)),
            period_mm=period,
            plane_mm=(24.0, float(-person.vertebra_mm[1] - rng.uniform(4, 9))),
        )

    @property
    def lowest_mm(self) -> float:
        """Below this height nothing of the chest wall is met."""
        return min(rib.end_z - abs(rib.lean) for rib in self.ribs) - 28

    def above_margin(self, angle: Field, z: Field) -> Field:
        """Height over the costal margin at this direction, mm (negative below it)."""
        arch = [
            (rib.cartilage_deg, rib.end_z + rib.cartilage_rise * (rib.end_deg - rib.cartilage_deg))
            for rib in self.ribs
            if rib.number >= 7 and rib.cartilage_deg < rib.end_deg
        ]
        ends = [(rib.end_deg, rib.end_z) for rib in self.ribs if rib.number >= 10]
        root_z = self.ribs[0].root_z
        outer = [(0.0, max(height for _, height in arch)), (ROOT_DEG, root_z - 8), (180.0, root_z)]
        at, height = zip(*sorted([*arch, *ends, *outer]), strict=True)
        margin = np.interp(angle, at, np.asarray(height) - RIB_HALF_MM[0]).astype(np.float32)
        above: Field = z - margin
        return above

    def oblique(self, angle: Field, z: Field, side: Field) -> Field:
        """Thickness of external oblique and serratus anterior over the ribs, in slips, mm."""
        slips = np.float32(0.75) + np.float32(0.3) * self.slips(angle * 1.6 + z + 90 * side)
        thick: Field = self._sheath(angle, z) * np.clip(slips, np.float32(0.3), 1)
        return thick

    def _sheath(self, angle: Field, z: Field) -> Field:
        """Room for external oblique and serratus anterior outside the ribs, mm."""
        return self.oblique_mm(z) * smoothstep((angle - 22) / 22) * smoothstep((134 - angle) / 24)

    def latissimus(self, angle: Field, z: Field) -> Field:
        """Thickness of latissimus under the ring's face, mm: nothing at L3, full over the ribs."""
        centre, spread = self.latissimus_deg
        low, high = self.latissimus_z
        grown = smoothstep((z - np.float32(low)) / np.float32(high - low))
        lens = np.clip(1 - ((angle - np.float32(centre)) / np.float32(spread)) ** 2, 0, 1)
        thick: Field = np.float32(self.latissimus_mm) * grown * np.sqrt(lens)
        return thick

    def serratus(self, angle: Field, z: Field) -> Field:
        """Thickness of serratus posterior inferior under latissimus (L2 to T11), mm."""
        p = np.float32(self.period_mm)
        along = smoothstep((z - p) / p) * smoothstep((5 * p - z) / p)
        return (
            np.float32(self.serratus_mm)
            * smoothstep((angle - 126) / 10)
            * smoothstep((164 - angle) / 8)
            * along
        )

    def lie(self, ring: RingCoordinates, wall: Wall) -> Field:
        """Depth of the ribs' middle under the ring's outer face, in front of and beside the erector, mm."""
        cover = np.maximum(
            self._sheath(ring.angle, ring.z),
            self.latissimus(ring.angle, ring.z) + self.serratus(ring.angle, ring.z),
        )
        edge = 2 * wall.rectus_half_width(ring.z) + np.float32(wall.alba_mm / 2)
        front = smoothstep((edge + 8 - np.abs(ring.x)) / 12) * smoothstep((80 - ring.angle) / 15)
        rectus = (wall.rectus_mm(ring.z) + np.float32(wall.rectus_lift_mm)) * front
        outside = np.maximum(np.maximum(cover, rectus), np.float32(1.2))
        lie: Field = outside + np.float32(RIB_HALF_MM[1] + self.gap_mm)
        return lie

    def inward(self, ring: RingCoordinates, wall: Wall, spine_y: Field) -> Field:
        """Distance inwards from the middle of the ribs' layer, mm (negative outside it).

        Behind, the layer leaves the ring and runs in front of the erector to the transverse processes.
        """
        beside = ring.depth - self.lie(ring, wall)
        x0, y0 = self.plane_mm
        slope = np.float32(self.plane_slope)
        ahead = (ring.y - spine_y - np.float32(y0) + slope * (np.abs(ring.x) - np.float32(x0))) / np.sqrt(
            1 + slope**2
        )
        near = np.clip(0.5 - (beside - ahead) / np.float32(24), 0, 1)  # smooth minimum of the two
        inward: Field = ahead + (beside - ahead) * near - np.float32(12) * near * (1 - near)
        return inward


@dataclass(frozen=True, kw_only=True)
class WallUnderRibs(Wall):
    """A wall that ends at the costal margin, and there either thins out or goes on as the chest's.

    Attributes
    ----------
    lined:
        The inner face goes on as the inner face of the ribs (room for organs), else to nothing (muscle).
    """

    cage: Cage
    lined: bool

    @classmethod
    def of(cls, wall: Wall, cage: Cage, *, lined: bool) -> "WallUnderRibs":
        """The same wall below the ribs."""
        return cls(**vars(wall), cage=cage, lined=lined)

    def depth_of_inner_face(self, ring: RingCoordinates) -> Field:
        """Thickness at each point's direction, mm."""
        inner = super().depth_of_inner_face(ring)
        if float(ring.z.max()) < self.cage.lowest_mm:
            return inner
        chest = smoothstep((self.cage.above_margin(ring.angle, ring.z) + 8) / 42)
        if not self.lined:
            return inner * (1 - chest)
        within = self.cage.lie(ring, self) + np.float32(self.cage.intercostal_mm / 2 + PLEURA_MM + 1.5)
        lined: Field = inner + (np.maximum(within, 0) - inner) * chest
        return lined
