"""Readings of two cases written by hand: four superpixels of four pixels each, muscle left and fat right."""

from __future__ import annotations

import numpy as np

from SarcopeniaTraining.classification.explained_cases import Explained, ExplainedCase
from SarcopeniaTraining.classification.explained_readings import Images, Method, Reading, State
from SarcopeniaTraining.classification.faithfulness import Curves
from SarcopeniaTraining.classification.tissues import TissueMap

QUADRANTS = np.kron([[0, 1], [2, 3]], np.ones((2, 2), int))
PIECES = {"A": QUADRANTS, "B": QUADRANTS}
GOOD = Curves((1.0, 0.2, 0.2), (0.0, 0.8, 1.0))  # areas 0.4 and 0.65
RANDOM_MAPS = (Curves((1.0, 0.5, 0.2), (0.0, 0.5, 1.0)), Curves((1.0, 0.7, 0.2), (0.0, 0.3, 1.0)))
CELLS = np.array([[[0, 1], [2, 3]], [[3, 2], [1, 0]]], float)


def reading(state, case, weights, probability=0.9, draw=0, cells=CELLS):
    """Of class 1 the cells fall row by row, of class 0 they rise."""
    is_head = state is State.RANDOM_HEAD
    made = {} if is_head else dict.fromkeys(Method, GOOD)
    return Reading(
        state, case, draw, probability, np.asarray(cells, np.float32), np.asarray(weights, float),
        (0.5,) * len(weights), made, () if is_head else RANDOM_MAPS,
    )  # fmt: skip


def half_and_half():
    """Left half muscle, right half fat."""
    shares = np.zeros((5, 4, 4), np.float32)
    shares[0, :, :2] = shares[1, :, 2:] = 1
    return TissueMap(shares)


def explained(tissues=True):
    """A is sarcopenic, B is not; both tested."""
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 255, (2, 4, 4, 1), np.uint8)
    return Explained(
        (ExplainedCase("A", True, "test", "p1"), ExplainedCase("B", False, "test", "p2")),
        Images(("A", "B"), np.repeat(grey, 3, axis=3)),
        {"A": half_and_half(), "B": half_and_half()} if tissues else {},
    )


def readings():
    """Trained: what speaks for sarcopenic lies left in A; B is called not sarcopenic, by what lies right.

    The first random head has A's order of weights reversed and calls A otherwise, the second has it
    unchanged; in the
    random network nothing speaks for the call of B.
    """
    first = [[0.4, -0.2, 0.3, 0.1], [0.4, -0.2, 0.1, 0.3]]
    return [
        reading(State.TRAINED, "A", first),
        reading(State.TRAINED, "B", [[0.1, -0.3, 0.2, -0.1], [0.1, -0.3, 0.2, 0.05]], 0.2),
        reading(State.RANDOM_HEAD, "A", [[-0.4, 0.2, -0.3, -0.1]], 0.2, cells=CELLS[::-1]),
        reading(State.RANDOM_HEAD, "B", [[0.1, -0.3, 0.2, -0.1]], 0.2),
        reading(State.RANDOM_HEAD, "A", [[4, -2, 3, 1]], draw=1),
        reading(State.RANDOM_HEAD, "B", [[0.1, -0.3, 0.2, -0.1]], 0.2, draw=1),
        reading(State.RANDOM, "A", [[0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]]),
        reading(State.RANDOM, "B", [[0.1, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.2]], 0.2),
    ]
