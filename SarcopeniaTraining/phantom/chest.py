"""The chest wall: ribs and what lies on them."""

from dataclasses import dataclass

import numpy as np

from SarcopeniaTraining.phantom.anatomy import Person, RingCoordinates
from SarcopeniaTraining.phantom.painting import Canvas
from SarcopeniaTraining.phantom.shapes import smoothstep
from SarcopeniaTraining.phantom.trunk import fatty_streaks, muscle_hu


@dataclass(frozen=True)
class Ribs:
    """Ribs 9–12 as arches that descend towards the front, in mm and degrees."""

    tip_deg: tuple[float, ...]
    root_z_mm: tuple[float, ...]
    descent_mm: float

    @classmethod
    def random(cls, person: Person) -> "Ribs":
        """The twelfth rib starts 1.6–2.2 vertebrae above L3 and is short."""
        rng = person.rng(3)
        first = rng.uniform(1.75, 2.25) * person.period_mm
        roots = [float(first + n * person.period_mm * rng.uniform(0.92, 1.02)) for n in range(5)]
        tips = [rng.uniform(95, 130), rng.uniform(60, 95), rng.uniform(45, 60), rng.uniform(35, 48), 35]
        return cls(tuple(float(t) for t in tips), tuple(roots), float(rng.uniform(55, 95)))


def paint_ribs(person: Person, canvas: Canvas, ring: RingCoordinates, ribs: Ribs) -> None:
    """Each rib is a flattened tube under the wall's outer half, cortex around marrow."""
    rng = person.rng(4)
    for tip, root in zip(ribs.tip_deg, ribs.root_z_mm, strict=True):
        # The lowest point of a rib's arch lies at the side; cartilage rises again towards the front.
        sweep = np.clip((165 - ring.angle) / 100, 0, 1.2)
        dz = ring.z - (np.float32(root) - np.float32(ribs.descent_mm) * sweep)
        if canvas.misses(dz, 12):
            continue
        lie = np.float32(rng.uniform(6, 9))
        r = np.sqrt((dz / np.float32(7)) ** 2 + ((ring.depth - lie) / np.float32(4.2)) ** 2)
        depth = (1 - r) * np.float32(4.5)
        depth = np.minimum(depth, (ring.angle - np.float32(tip)) * 2.2)
        depth = np.minimum(depth, (168 - ring.angle) * 2)
        canvas.paint(depth, np.float32(rng.uniform(300, 800)), muscle=False)
        canvas.paint(depth - np.float32(1.3), np.float32(rng.uniform(40, 220)), muscle=False)
        canvas.exclude(depth + np.float32(1.0))


def paint_latissimus(person: Person, canvas: Canvas, ring: RingCoordinates) -> None:
    """The lowest fibres of latissimus dorsi, a thin sheet outside the ring, in two of five people."""
    rng = person.rng(16)
    thick = np.float32(rng.uniform(2.5, 8) * person.growth())
    centre, spread = np.float32(rng.uniform(118, 140)), np.float32(rng.uniform(10, 20))
    if rng.random() > 0.4:
        return
    lens = (
        thick
        * (1 - ((ring.angle - centre) / spread) ** 2)
        * smoothstep((ring.z + np.float32(rng.uniform(-20, 40))) / 40)
    )
    lift = np.float32(rng.uniform(0.5, 2.5))
    depth = np.minimum(lens + lift + ring.depth, -ring.depth - lift)
    share = canvas.share(depth) * smoothstep((lens - 1) / 1.5)
    canvas.blend(share, muscle_hu(person, canvas, 24), muscle=True)
    canvas.tint(fatty_streaks(person, canvas, 25) * share, np.float32(-90))
