"""What the explanations of a network come to: shares on tissues, curves, agreement of seeds, the check.

All of it follows from the readings, so that tables, figures and `explanations.json` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaTraining.agreement import Estimate, clustered
from SarcopeniaTraining.classification.explained_readings import (
    ExplainPlan,
    Method,
    Reading,
    State,
    by_state,
    superpixels_of,
)
from SarcopeniaTraining.classification.lime_maps import Stability, rank_correlation
from SarcopeniaTraining.classification.sanity import Level, verdict
from SarcopeniaTraining.classification.tissues import TISSUES, Tissue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.explained_cases import Explained

SHOWN = (State.TRAINED, State.RANDOM)
"""States that stand side by side."""
LEVELS = {Level.HEAD: State.RANDOM_HEAD, Level.ALL: State.RANDOM}


@dataclass(frozen=True)
class TissueShare:
    """How much of an explanation lies on a tissue, over cases.

    Attributes
    ----------
    cases:
        With a map; those without any attribution are left out.
    share:
        Mean share of the attribution, with an interval of patients drawn with replacement.
    pixels:
        Mean share of the same images' pixels.
    """

    state: State
    method: Method
    tissue: Tissue
    cases: int
    share: Estimate
    pixels: float

    @property
    def times_chance(self) -> float | None:
        """Share of the attribution over share of the pixels: 1 is what a map blind to tissue gives."""
        return self.share.value / self.pixels if self.pixels else None


@dataclass(frozen=True)
class Checks:
    """Whether maps of a method can be believed, over cases.

    Attributes
    ----------
    insertion, deletion, random_insertion, random_deletion:
        Mean areas under the curves, of the maps and of random maps.
    gain:
        Insertion less deletion of the map, less the same of random maps: above nought the order means
        something; with an interval of patients drawn with replacement.
    stability, fit:
        Of LIME: means over cases.
    unchanged:
        Level → mean rank correlation of the maps before and after randomising, and whether that passes.
    """

    state: State
    method: Method
    cases: int
    insertion: float
    deletion: float
    random_insertion: float
    random_deletion: float
    gain: Estimate
    stability: Stability
    fit: float | None
    unchanged: Mapping[Level, tuple[float | None, bool | None]]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Everything that is told of a network's explanations."""

    shares: tuple[TissueShare, ...]
    checks: tuple[Checks, ...]


def numbers_of(explained: Explained, readings: Sequence[Reading], plan: ExplainPlan) -> Numbers:
    """Shares and checks of the trained and the random network, by both methods."""
    pieces = superpixels_of(explained.images, plan)
    shares: list[TissueShare] = []
    checks: list[Checks] = []
    for state in SHOWN:
        read = by_state(readings, state)
        for method in Method:
            shares += _shares(explained, read, (state, method), pieces)
            checks.append(
                _checks(explained, read, (state, method), _unchanged(readings, state, method, pieces))
            )
    return Numbers(tuple(shares), tuple(checks))


def case_shares(
    explained: Explained, reading: Reading, method: Method, pieces: NDArray[np.intp]
) -> dict[Tissue, float] | None:
    """Shares of one image's map of the class called; `None` where tissues are not known or nothing speaks."""
    tissues = explained.tissues.get(reading.case)
    return None if tissues is None else tissues.of(reading.attribution(method, pieces, reading.called))


def changed_by(
    readings: Sequence[Reading], method: Method, level: Level, pieces: Mapping[str, NDArray[np.intp]]
) -> dict[str, float | None]:
    """Rank correlation of each image's map before and after randomising, of the class called before.

    LIME is compared by the weights of its first seed, Grad-CAM by the cells of its layer; of several draws
    of random weights the mean.
    """
    before, state = by_state(readings, State.TRAINED), LEVELS[level]
    draws = sorted({each.draw for each in readings if each.state is state})
    found: dict[str, float | None] = {}
    for case, reading in before.items():
        called = reading.called
        pairs = [(reading, by_state(readings, state, draw)[case]) for draw in draws]
        if method is Method.LIME:
            maps = [tuple(each.lime(pieces[case], called).weights[0] for each in pair) for pair in pairs]
        else:
            maps = [tuple(each.cells[called] for each in pair) for pair in pairs]
        found[case] = known_mean([rank_correlation(one, other) for one, other in maps])
    return found


def _unchanged(
    readings: Sequence[Reading], state: State, method: Method, pieces: Mapping[str, NDArray[np.intp]]
) -> dict[Level, tuple[float | None, bool | None]]:
    if state is not State.TRAINED:
        return {}
    return {level: verdict(list(changed_by(readings, method, level, pieces).values())) for level in Level}


def _shares(
    explained: Explained,
    read: Mapping[str, Reading],
    of: tuple[State, Method],
    pieces: Mapping[str, NDArray[np.intp]],
) -> list[TissueShare]:
    found = {
        each.case: case_shares(explained, read[each.case], of[1], pieces[each.case])
        for each in explained.cases
    }
    people = [each.patient for each in explained.cases if found[each.case] is not None]
    known = [(case, shares) for case, shares in found.items() if shares is not None]
    if not known:
        return []
    made = []
    for tissue in TISSUES:
        values = np.array([shares[tissue] for _, shares in known])
        pixels = np.array([explained.tissues[case].of_pixels[tissue] for case, _ in known])
        mean = _mean_of(people, values)
        made.append(TissueShare(*of, tissue, len(known), mean, float(pixels.mean())))
    return made


def _checks(
    explained: Explained,
    read: Mapping[str, Reading],
    of: tuple[State, Method],
    unchanged: Mapping[Level, tuple[float | None, bool | None]],
) -> Checks:
    cases = [read[each.case] for each in explained.cases]
    own = [each.curves[of[1]] for each in cases]
    random_insertion = [np.mean([r.insertion_area for r in each.random_curves]) for each in cases]
    random_deletion = [np.mean([r.deletion_area for r in each.random_curves]) for each in cases]
    gains = np.array([each.gain for each in own]) - random_insertion + random_deletion
    is_lime = of[1] is Method.LIME
    return Checks(
        *of,
        len(cases),
        insertion=float(np.mean([each.insertion_area for each in own])),
        deletion=float(np.mean([each.deletion_area for each in own])),
        random_insertion=float(np.mean(random_insertion)),
        random_deletion=float(np.mean(random_deletion)),
        gain=_mean_of([each.patient for each in explained.cases], gains),
        stability=_stability(cases) if is_lime else Stability(None, None),
        fit=float(np.mean([each.fit for each in cases])) if is_lime else None,
        unchanged=unchanged,
    )


def _stability(cases: Sequence[Reading]) -> Stability:
    """Means over cases, of the class that each is called."""
    from SarcopeniaTraining.classification.lime_maps import stability

    each = [stability(case.weights if case.called else -case.weights) for case in cases]
    return Stability(
        known_mean([one.rank_correlation for one in each]), known_mean([one.top_overlap for one in each])
    )


def known_mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is known; `None` where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean_of(people: Sequence[str], values: NDArray[Any]) -> Estimate:
    return clustered(people, lambda chosen: float(values[chosen].mean()))
