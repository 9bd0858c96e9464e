"""One body put together: every contour of a person on the sub-slices, in painter's order."""

import numpy as np

from SarcopeniaTraining.second_family import bowel, girdles, organs, paraspinal, vertebrae, wall
from SarcopeniaTraining.second_family.contours import Array
from SarcopeniaTraining.second_family.frame import Frame, Layer, Stage
from SarcopeniaTraining.second_family.person import Person
from SarcopeniaTraining.second_family.tissue import Tissue


def build(person: Person, z_mm: Array, rng: np.random.Generator) -> tuple[Frame, Array]:
    """A frame with the whole body on it, and the skin's outer face (slices, points, 2)."""
    frame = Frame.random(person, z_mm, rng)
    halves = [wall.half_wall(frame, rng, side) for side in (1, -1)]
    sides = paraspinal.sides(frame, rng)
    _viscera(frame, halves, rng)
    paraspinal.crura(frame)
    low = bool((frame.level < -1.3).any())
    hips = girdles.pelvis(frame) if low else np.zeros((len(z_mm), 0, 2))
    envelope = [hips]
    for side, half in zip(sides, halves, strict=True):
        contour = paraspinal.paraspinal(frame, side, rng)
        envelope += _outside(frame, half, contour)
    if (frame.level > 1.5).any():
        for half in halves:
            girdles.rib_necks(frame, half)
    vertebrae.column(frame, rng)
    if (frame.level < -2.5).any():
        vertebrae.sacrum(frame)
    _screws(frame, rng)
    bowel.hernia(frame, rng)
    tip = frame.on_spine(np.repeat([[(0.0, -79.0), (-6.0, -78.0), (6.0, -78.0)]], len(z_mm), axis=0))
    outer, under = wall.skin(frame, np.concatenate([*envelope, tip], axis=1), rng)
    _wrap(frame, outer, under, rng)
    return frame, outer


def _outside(frame: Frame, half: wall.HalfWall, contour: Array) -> list[Array]:
    """Points that the skin goes round: wall, latissimus, erector."""
    mine = frame.spine * np.array([half.side, 1.0])
    skeleton = frame.person.skeleton
    back = contour[:, [49, 44, 39, 35]] * skeleton + mine
    lat = wall.latissimus(frame, half, back)
    face = half.out(half.face())
    keep = (frame.level > -2.6)[:, None, None]
    return [
        np.where(keep, face, face[:, -1:]),
        np.where((frame.level > -0.5)[:, None, None], half.out(lat), face[:, : lat.shape[1]]),
        frame.beside_spine(contour, half.side),
    ]


def _viscera(frame: Frame, halves: list[wall.HalfWall], rng: np.random.Generator) -> None:
    faces = tuple(half.out(half.path) for half in halves)
    right, left = faces[0], faces[1][:, ::-1]
    bowel.cavity(frame, (right, left), rng)
    organs.liver_and_spleen(frame, rng)
    bowel.colon(frame, rng)
    bowel.small_bowel(frame, rng)
    organs.upper_organs(frame, rng)
    organs.kidneys(frame, rng)
    organs.bladder(frame, rng)
    bowel.mesentery(frame, rng)
    bowel.great_vessels(frame, rng)
    if (frame.level > 2).any():
        for half in halves:
            girdles.ribs_and_lung(frame, half, rng)


def _screws(frame: Frame, rng: np.random.Generator) -> None:
    """Pedicle screws with rods on two vertebrae."""
    if not frame.person.has("metal"):
        return
    first = int(rng.integers(-1, 2)) * 36
    for sign in (1, -1):
        rod = np.array([[sign * 21.0, -43.0, z] for z in np.arange(first - 50, first + 16, 2.0)])
        screws = [
            [sign * (21 - 8 * t), -40 + 38 * t, z + 8]
            for z in (first, first - 37)
            for t in np.linspace(0, 1, 14)
        ]
        line = np.concatenate([rod, np.array(screws)])
        place = np.stack(
            [np.interp(line[:, 2], frame.z_mm, frame.spine[:, 0, axis]) for axis in (0, 1)], axis=-1
        )
        line[:, :2] = line[:, :2] * frame.person.skeleton + place
        frame.put_tube(Stage.INNER, line, np.full(len(line), 2.7), np.full(len(line), Tissue.METAL, np.uint8))


def _wrap(frame: Frame, outer: Array, under: Array, rng: np.random.Generator) -> None:
    """Skin, fat and its thin fascia under everything that is already on the pile."""
    everywhere = np.ones(len(frame.z_mm), dtype=bool)
    pile = list(frame.pile)
    frame.pile.clear()
    girdles.arms(frame, float(np.abs(outer[..., 0]).max()), rng)
    frame.pile.append(Layer(Stage.OUTER, int(Tissue.SKIN), outer, everywhere))
    frame.pile.append(Layer(Stage.OUTER, int(Tissue.SUBCUTANEOUS_FAT), under, everywhere))
    frame.pile.extend(pile)
