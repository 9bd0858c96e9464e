"""Bowel, great vessels, the mesentery's vessels and hernias, as tubes cut by the slices; and their cavity."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from SarcopeniaTraining.second_family.contours import Array
from SarcopeniaTraining.second_family.frame import Frame, Stage
from SarcopeniaTraining.second_family.organs import Hollow, frame_at, tube, vessel
from SarcopeniaTraining.second_family.tissue import Tissue

# fmt: off
_ASCENDING = np.array(
    [(84, 26, -92), (98, 22, -66), (106, 14, -36), (108, 10, 0), (106, 16, 30), (98, 36, 50)], dtype=float,
)
_TRANSVERSE = np.array(
    [(98, 40, 50), (74, 74, 20), (30, 84, 0), (-24, 86, 6), (-70, 72, 30), (-104, 30, 84)], dtype=float,
)
_HANGS = np.array([(0, 0, 0), (0, 0, 0.5), (0, 0, 1), (0, 0, 1), (0, 0, 0.4), (0, 0, 0)])
"""How much of its sag each point takes part in."""
_DESCENDING = np.array(
    [(-104, 30, 84), (-116, 6, 56), (-114, 0, 20), (-113, 4, -20), (-108, 14, -60), (-96, 22, -90),
     (-70, 34, -112), (-30, 44, -118), (-10, 30, -140), (0, -10, -160)], dtype=float,
)
# fmt: on


def colon(frame: Frame, rng: np.random.Generator) -> None:
    """Ascending, transverse and descending colon and the sigmoid, by what fills them."""
    person = frame.person
    stool = (
        (Tissue.STOOL,) if person.has("stool") else (Tissue.COLLAPSED_BOWEL, Tissue.BOWEL_FLUID, Tissue.STOOL)
    )
    if person.has("bowel_contrast"):
        stool = (*stool, Tissue.ORAL_CONTRAST)
    wall = float(rng.uniform(1.4, 2.6))
    right = _ASCENDING.copy()
    right[:, :2] += rng.normal(0, 4, 2)
    tube(frame, right, rng.uniform(17, 29), rng, Hollow(stool, wall, gas=0.45, haustra=0.16))
    hang = rng.uniform(-45, 40)
    across = _TRANSVERSE + hang * _HANGS
    tube(frame, across, rng.uniform(11, 22), rng, Hollow(stool, wall, gas=0.55, haustra=0.2))
    left = _DESCENDING.copy()
    left[:, :2] += rng.normal(0, 3, 2)
    tube(frame, left, rng.uniform(8, 16), rng, Hollow((*stool, Tissue.COLLAPSED_BOWEL), wall))


def small_bowel(frame: Frame, rng: np.random.Generator) -> None:
    """Loops: smooth random walks in the cavity, each a tube; the mesentery's vessels lead to them."""
    person = frame.person
    fluid = [Tissue.COLLAPSED_BOWEL, Tissue.COLLAPSED_BOWEL, Tissue.BOWEL_FLUID]
    if person.has("bowel_contrast"):
        fluid = [Tissue.ORAL_CONTRAST, Tissue.ORAL_CONTRAST, Tissue.COLLAPSED_BOWEL]
    for _ in range(int(rng.integers(16, 28))):
        count = int(rng.integers(5, 9))
        left = rng.random() < 0.58
        home = np.array([rng.uniform(-92, 10) if left else rng.uniform(-10, 84), rng.uniform(40, 78), 0.0])
        home[2] = rng.uniform(-120, 38 if left else 0)
        steps = rng.normal(0, 1, (count, 3)) * np.array([24, 11, 13])
        line = home + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
        line[:, 0] = np.clip(line[:, 0], -100, 88)
        line[:, 1] = np.clip(line[:, 1], 34, 84)
        radius = float(rng.uniform(7.5, 12.5)) * (1.25 if person.has("bowel_contrast") else 1.0)
        tube(frame, line, radius, rng, Hollow(tuple(fluid), rng.uniform(1.6, 2.8), gas=0.10))


def mesentery(frame: Frame, rng: np.random.Generator) -> None:
    """Arteries and veins that fan out from the root, strands and nodes."""
    enough = 46 if frame.person.depth > 0.8 else 26
    for _ in range(enough):
        start = np.array([rng.uniform(-8, 16), rng.uniform(44, 54), rng.uniform(-60, 30)])
        end = np.array([rng.uniform(-85, 80), rng.uniform(44, 84), start[2] - rng.uniform(-10, 60)])
        size = rng.uniform(1.0, 2.6)
        vessel(frame, start, end, (size, 0.7), Tissue.VEIN if rng.random() < 0.6 else Tissue.ARTERY, rng)
    for _ in range(int(rng.integers(5, 16))):
        start = np.array([rng.uniform(-110, 110), rng.uniform(-25, 70), rng.uniform(-110, 60)])
        end = start + rng.normal(0, 16, 3)
        vessel(frame, start, end, (0.8, 0.6), Tissue.FAT_STRAND, rng)


def great_vessels(frame: Frame, rng: np.random.Generator) -> None:
    """Aorta and cava with their division at L4, SMA, SMV, renal and iliac vessels, ureters."""
    person = frame.person
    stretch = person.skeleton
    size = 9.3 * stretch * float(rng.normal(1, 0.08)) * (1 + 0.002 * (person.age_years - 60))
    z = np.linspace(-34, 230, 90)
    level = frame.column.levels(z)
    bulge = np.exp(-(((level - 0.0) / 1.0) ** 2)) * rng.uniform(0.8, 1.9) if person.has("aneurysm") else 0 * z
    winding = rng.normal(0, 4 if person.age_years > 65 else 2)
    x = -8 + winding * np.sin(z / 40)
    y = 27 * stretch + np.interp(level, [-1, 0, 3, 5], [0, 0, -9, -14]) + size * bulge * 0.8
    middle = np.stack([x, y, z], axis=-1)
    radii = size * (1 + bulge) * np.interp(level, [-1, 2, 4], [0.92, 1.05, 1.2])
    cava = np.stack([20 + 0 * z, y - size * bulge * 0.6 - 1, z], axis=-1)
    wide = 11.0 * stretch * float(np.clip(rng.normal(1, 0.14), 0.6, 1.25))
    for shift, share in ((-4.5, 0.86), (0.0, 0.95), (4.5, 0.86)):
        frame.put_tube(
            Stage.VISCERA,
            cava + np.array([shift, 0, 0]),
            wide * share + 0 * z,
            np.full(90, Tissue.CAVA, np.uint8),
        )
    if person.has("aneurysm"):
        frame.put_tube(Stage.VISCERA, middle, radii, np.full(90, Tissue.THROMBUS, np.uint8))
        radii = np.minimum(radii, size * 1.25)
    frame.put_tube(Stage.VISCERA, middle, radii, np.full(90, Tissue.AORTA, np.uint8))
    _plaques(frame, middle, radii, rng)
    for sign in (1, -1):
        low = np.array([-8.0 if sign < 0 else -4.0, 27 * stretch, -34.0])
        for label, radius, aside, back in (
            (Tissue.AORTA, 5.4, 0, 0),
            (Tissue.CAVA, 6.8, 7 if sign > 0 else 4, -7),
        ):
            end = np.array([sign * 46.0, 10.0, -112.0])
            start = low + np.array([aside if label == Tissue.AORTA else 20, back * 0.2, 0])
            vessel(
                frame, start, end + np.array([0, back, 0]), (radius * stretch, radius * stretch), label, rng
            )
        start = np.array([sign * 12.0, 24, 34 + 4 * sign])
        vessel(frame, start, np.array([sign * 46.0, 8, 34]), (4.5, 4.0), Tissue.CAVA, rng)
        ureter = np.array([sign * 40.0, 26.0, 10.0])
        vessel(frame, ureter, np.array([sign * 44.0, 28.0, -110.0]), (1.9, 1.9), Tissue.ARTERY, rng)
    vessel(frame, np.array([-6.0, 40, 74]), np.array([0.0, 56, -50]), (3.4, 2.2), Tissue.ARTERY, rng)
    vessel(frame, np.array([14.0, 50, 64]), np.array([12.0, 56, -50]), (5.6, 3.2), Tissue.VEIN, rng)


def _plaques(frame: Frame, middle: Array, radii: Array, rng: np.random.Generator) -> None:
    """Calcium in the aorta's wall."""
    if not frame.person.has("calcified_aorta"):
        return
    count = int(rng.integers(6, 60))
    picked = rng.integers(0, len(middle), count)
    turn = rng.uniform(0, 2 * np.pi, count)
    edge = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=-1) * (radii[picked] - 0.8)[:, None]
    spots = middle[picked] + edge
    frame.put_tube(
        Stage.VISCERA, spots, rng.uniform(0.9, 2.4, count), np.full(count, Tissue.CALCIUM, np.uint8)
    )


def hernia(frame: Frame, rng: np.random.Generator) -> None:
    """A sac of fat, now and then with bowel, in front of the wall near the middle line."""
    person = frame.person
    if not person.has("hernia"):
        return
    place = np.array([[rng.uniform(-14, 14), 108.0, rng.uniform(-50, 30)]])
    place[:, :2] = frame_at(frame, place)
    size = float(np.clip(rng.uniform(9, 26), 0, 6 + 0.9 * person.subcutaneous_mm[0]))
    steps = np.linspace(-1, 1, 7)[:, None] * np.array([0, 0, size * 0.7])
    line = place + steps
    frame.put_tube(Stage.INNER, line, np.full(7, size + 1.0), np.full(7, Tissue.FASCIA, np.uint8))
    frame.put_tube(Stage.INNER, line, np.full(7, size), np.full(7, Tissue.VISCERAL_FAT, np.uint8))
    if rng.random() < 0.5:
        bowel = line + rng.normal(0, 2, 3) * [1, 1, 0]
        frame.put_tube(Stage.INNER, bowel, np.full(7, size * 0.7), np.full(7, Tissue.BOWEL_WALL, np.uint8))
        frame.put_tube(Stage.INNER, bowel, np.full(7, size * 0.5), np.full(7, Tissue.BOWEL_FLUID, np.uint8))


def cavity(frame: Frame, faces: tuple[Array, Array], rng: np.random.Generator) -> None:
    """What organs may fill: the inner face of the wall less the fat in front of it, closed before the spine.

    Parameters
    ----------
    faces
        Inner faces of the right and the left half, (slices, points, 2), from behind to the middle line.
    """
    person = frame.person
    flat = person.has("organs_on_wall")
    fat = (0.4 if flat else 2.0 + 3.5 * person.depth) * (1.0 if flat else person.depth)
    right, left = faces
    ring = np.concatenate([right[:, 4:], left[:, ::-1][:, :-4]], axis=1)
    middle = np.array([0.0, 35.0 * person.depth]) + 0 * ring[:, :1]
    away = ring - middle
    length = np.linalg.norm(away, axis=-1, keepdims=True)
    uneven = np.abs(gaussian_filter1d(rng.standard_normal(ring.shape[1] + 40), 7)[20:-20])[None, :, None] * 9
    behind = np.clip((10 - ring[..., 1:2]) / 40, 0, 1) * (4 + 9 * person.depth) * (0.3 if flat else 1)
    below = frame.stations({3: 0.0, 2: 0.25, 1: 1.0})[:, None, None]
    inset = (fat * (0.4 + uneven) + behind) * below + 0.3
    ring = middle + away * np.maximum(1 - inset / length, 0.3)
    back = frame.on_spine(
        np.repeat(np.array([[(-58, -14), (-30, -10), (30, -10), (58, -14)]], dtype=float), len(ring), 0)
    )
    outline = np.concatenate([ring, back], axis=1)
    frame.put(Stage.CAVITY, 1, outline)
    if person.has("ascites"):
        frame.put(Stage.VISCERA, Tissue.ASCITES, outline)
        calm = gaussian_filter1d(outline, 7, axis=1, mode="wrap")
        inner = middle + (calm - middle) * (1 - rng.uniform(0.08, 0.22))
        frame.put(Stage.VISCERA, Tissue.VISCERAL_FAT, inner)
