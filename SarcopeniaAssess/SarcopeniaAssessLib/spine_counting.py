"""Which vertebra of a chain is L3: counted up from the sacrum, down from the ribs, and by the iliac crest.

Where the counts agree L3 is sure. Where they do not, each way in which people depart from twelve thoracic
and five lumbar vertebrae explains some of what is seen; how common it is and how long the lowest ribs are
weigh the explanations against each other, and every vertebra gets a probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from SarcopeniaAssessLib.spine_chain import SpineChain

_ORDINALS = ("lowest", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_LEVELS = (
    *(f"L{n}" for n in range(7, 0, -1)),
    *(f"T{n}" for n in range(12, 0, -1)),
    *(f"C{n}" for n in range(7, 0, -1)),
)
_L3 = _LEVELS.index("L3")


@dataclass(frozen=True)
class _Anatomy:
    """One way to be built.

    Attributes
    ----------
    share:
        Of people (Apazidis et al. 2011, Spine J 11:858: transitional vertebrae in 15 to 35 of 100, most
        of them slight; Carrino et al. 2011, Radiology 260:196: another number of vertebrae in 8).
    free:
        Vertebrae without ribs above what looks like the sacrum.
    l3:
        Place of L3 among them, 0 the lowest.
    lowest_rib:
        How far the lowest vertebra with ribs lies above L3: 3 is T12.
    crest:
        Height of the iliac crest above the lowest disc, in vertebrae.
    """

    share: float
    free: int
    l3: int
    lowest_rib: int
    crest: float


_ANATOMIES: Mapping[str, _Anatomy] = {
    "five lumbar vertebrae": _Anatomy(0.79, 5, 2, 3, 1.25),
    "six lumbar vertebrae": _Anatomy(0.05, 6, 3, 3, 1.35),
    "four lumbar vertebrae": _Anatomy(0.035, 4, 1, 3, 1.15),
    "no ribs at T12": _Anatomy(0.05, 6, 2, 4, 1.25),
    "ribs at L1": _Anatomy(0.035, 4, 2, 2, 1.25),
    "L5 grown onto the sacrum": _Anatomy(0.04, 4, 1, 3, 0.2),
}
_CREST_SPREAD = 0.35
_CREST_ABOVE_L3 = -1.25
"""The crest lies that many vertebrae above the middle of L3 (that is, below it)."""
_REACH_MM: Mapping[int, tuple[float, float]] = {
    2: (43.0, 24.0),
    3: (109.0, 42.0),
    4: (160.0, 22.0),
    5: (169.0, 12.0),
}
"""How far a rib reaches (at most 170 is told), by how far its vertebra lies above L3: mean and spread.

As measured in the phantoms that calibrate, but for T11 and T10, whose spread is taken wider than there.
"""
_SLIP = (0.96, 0.015, 0.001)
"""Chance that vertebrae between sacrum and ribs are counted right, one off, or more."""
_NEVER_SURE = 0.03
"""The network may take a rib for something else, or something else for a rib, as often as this."""
_CONTRADICTED = 0.02
_NO_RIBS_ABOVE_SACRUM = 3
"""The fewest that anybody has: four lumbar vertebrae, the uppermost with ribs."""
_MOST_BELOW_L3 = 3
"""L4, L5 and at most L6."""
_RIBS_EXPECTED = 7
"""So many vertebrae without ribs nobody has: the ribs were not recognised."""
_UNRECOGNISED = 0.85
_NOTHING_SEEN = 0.5
"""Weight of having nothing to count from, beside likelihoods of up to about one."""


@dataclass(frozen=True)
class L3Count:
    """What the count says.

    Attributes
    ----------
    probability:
        Of each place in the chain to be L3, most probable first; places below 0 or beyond the chain are
        vertebrae that the scan does not show.
    reason:
        In words, without a full stop.
    """

    probability: Mapping[int, float]
    reason: str

    @property
    def best(self) -> int:
        """The most probable place."""
        return next(iter(self.probability))


def count_l3(chain: SpineChain) -> L3Count | None:
    """Count; `None` where neither sacrum, ribs nor iliac crest are seen to count from."""
    weights: dict[int, float] = {}
    nothing = 0.0
    for lowest, chance in _lowest_ribs(chain):
        for sacrum, seen in ((True, chain.sacrum), (False, 1 - chain.sacrum)):
            if chance * seen < 1e-4:
                continue
            if lowest is None and not sacrum and chain.crest is None:
                nothing = chance * seen
            for place, weight in _places(chain, lowest, sacrum=sacrum):
                weights[place] = weights.get(place, 0.0) + chance * seen * weight
    total = sum(weights.values()) + nothing * _NOTHING_SEEN
    if _ribs_unrecognised(chain):
        total /= _UNRECOGNISED
    if not weights or nothing > 0.5:
        return None
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    probability = {place: weight / total for place, weight in ordered}
    return L3Count(probability, _reason(chain, ordered[0][0]))


def _lowest_ribs(chain: SpineChain) -> Iterator[tuple[int | None, float]]:
    """Each vertebra as the lowest that bears ribs, with its probability; `None`: no ribs are seen.

    Ribs come in a row: below the lowest there is none, above it every vertebra has them. One that stands
    alone, or right above the sacrum, is a transverse process taken for a rib.
    """
    bears = [min(max(v.bears_ribs, _NEVER_SURE), 1 - _NEVER_SURE) for v in chain.vertebrae]
    if chain.sacrum >= 0.5:
        bears[:_NO_RIBS_ABOVE_SACRUM] = [_NEVER_SURE] * len(bears[:_NO_RIBS_ABOVE_SACRUM])
    whole = [v.whole for v in chain.vertebrae]
    chances: dict[int | None, float] = {}
    for lowest in range(len(bears) + 1):
        chance = 1.0
        for place, sure in enumerate(bears):
            if place < lowest:
                chance *= 1 - sure
            elif whole[place] or place == lowest:
                chance *= sure
        chances[lowest if lowest < len(bears) else None] = chance
    total = sum(chances.values())
    yield from ((lowest_rib, chance / total) for lowest_rib, chance in chances.items())


def _ribs_unrecognised(chain: SpineChain) -> bool:
    without = [v for v in chain.vertebrae if v.whole and v.bears_ribs < 0.5]
    return len(without) >= _RIBS_EXPECTED and _row_of_ribs(chain) is None


def _row_of_ribs(chain: SpineChain) -> int | None:
    """The lowest vertebra with ribs if ribs are seen there and above, else `None`."""
    return max(_lowest_ribs(chain), key=lambda each: each[1])[0]


def _places(chain: SpineChain, lowest: int | None, *, sacrum: bool) -> Iterator[tuple[int, float]]:
    """Places of L3 that the anatomies give, and their weights."""
    crest = _crest_height(chain)
    if lowest is None and not sacrum:
        yield from _by_crest(crest)
        return
    for built in _ANATOMIES.values():
        weight = built.share
        if lowest is not None:
            weight *= _reach_likelihood(chain, lowest, built)
        from_ribs = None if lowest is None else lowest - built.lowest_rib
        if sacrum:
            weight *= _near(crest, built.crest, _CREST_SPREAD)
            yield from _from_sacrum(chain, built, lowest, from_ribs, weight)
        elif from_ribs is not None and lowest is not None:
            lowest_lumbar = from_ribs - built.l3
            weight *= _near(crest, lowest_lumbar + built.crest, 1.3 * _CREST_SPREAD)
            too_many = lowest > built.free or from_ribs > _MOST_BELOW_L3
            yield from_ribs, weight * (_CONTRADICTED if too_many else 1)


def _from_sacrum(
    chain: SpineChain, built: _Anatomy, lowest: int | None, from_ribs: int | None, weight: float
) -> Iterator[tuple[int, float]]:
    if lowest is None or from_ribs is None:
        free = sum(1 for v in chain.vertebrae if v.whole)
        yield built.l3, weight * (_CONTRADICTED if free > built.free else 1)
        return
    slip = abs(lowest - built.free)
    weight *= _SLIP[min(slip, len(_SLIP) - 1)]
    yield built.l3, weight / 2
    yield from_ribs, weight / 2


def _by_crest(crest: float | None) -> Iterator[tuple[int, float]]:
    """The crest alone: L3 is the vertebra whose middle lies about 1¼ vertebrae above it."""
    if crest is None:
        return
    for place in range(-2, _MOST_BELOW_L3 + 1):
        yield place, _near(place + 0.5 + _CREST_ABOVE_L3, crest, 1.3 * _CREST_SPREAD)


def _crest_height(chain: SpineChain) -> float | None:
    """Height of the iliac crest above the lowest disc of the chain, in vertebrae."""
    if chain.crest is None:
        return None
    for place, vertebra in enumerate(chain.vertebrae):
        if chain.crest < vertebra.top:
            return place + (chain.crest - vertebra.bottom) / (vertebra.top - vertebra.bottom)
    return float(len(chain.vertebrae))


def _reach_likelihood(chain: SpineChain, lowest: int, built: _Anatomy) -> float:
    """How well the lowest two pairs of ribs fit those of the vertebrae that they would belong to."""
    likelihood = 1.0
    for up in (0, 1):
        if lowest + up < len(chain.vertebrae):
            vertebra = chain.vertebrae[lowest + up]
            mean, spread = _REACH_MM[min(built.lowest_rib + up, max(_REACH_MM))]
            if vertebra.rib_mm > 0 and vertebra.whole:
                likelihood *= _near(vertebra.rib_mm, mean, spread) / spread * 30
    return likelihood


def _near(value: float | None, mean: float, spread: float) -> float:
    """Likelihood of a measured value, with a floor for what nobody foresees; 1 where it is not measured."""
    if value is None:
        return 1.0
    return math.exp(-0.5 * ((value - mean) / spread) ** 2) + 0.02


def level_name(above_l3: int) -> str:
    """Name of the vertebra so many above L3 (below: negative): `L4`, `T12`, `C7`."""
    return _LEVELS[min(max(_L3 + above_l3, 0), len(_LEVELS) - 1)]


def _reason(chain: SpineChain, best: int) -> str:
    """What the count rests on."""
    lowest = _row_of_ribs(chain)
    sacrum = chain.sacrum >= 0.5
    told = []
    if sacrum and 0 <= best < len(_ORDINALS):
        told.append(f"{_ORDINALS[best]} vertebra above the sacrum")
    if lowest is not None:
        below = lowest - best
        told.append(f"{_counted(below)} the lowest vertebra with ribs")
    text = " and ".join(told)
    if sacrum and lowest is not None and lowest != 5:
        return f"{text}; {lowest} vertebrae without ribs above the sacrum, not 5"
    if sacrum and lowest is not None:
        return text
    if sacrum:
        missing = "no ribs are"
        if _ribs_unrecognised(chain):
            missing = "ribs that should be there are not"
    else:
        missing = "neither sacrum nor ribs are" if lowest is None else "the sacrum is not"
    crest = "; by the height of the iliac crest" if chain.crest is not None else ""
    return f"{text + '; ' if text else ''}{missing} seen{crest}"


def _counted(below: int) -> str:
    ordinal = {1: "first", **dict(enumerate(_ORDINALS[1:], 2))}.get(below, f"{below}.")
    return f"{ordinal} below" if below > 0 else "at or above"
