"""Every hyper-parameter of the classifiers, by name.

Published values: Bhardwaj et al., arXiv 2508.17275, preset `paper`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import ARCHITECTURES, architecture
from SarcopeniaTraining.classification.schemes import Scheme
from SarcopeniaTraining.presets import check_fields, number, read_preset, require, whole

_SMOKE = "classify/smoke.json"
_TUPLES = ("networks", "schemes", "sets")
PLANNED = _TUPLES
"""Fields that say which runs are made; each run is the same whatever the others are."""


@dataclass(frozen=True)
class ClassifyPreset:
    """Networks × schemes × sets, each trained in the same way.

    Attributes
    ----------
    networks, schemes, sets:
        Names as in Table 1, names of `schemes.Scheme`, numbers of the shuffled data sets from 1.
    side:
        Pixels of the square image; `None`: each network's published size.
    epochs, patience:
        At most so many; training stops after so many in a row without a lower validation loss, and the
        weights of the lowest are taken back.
    learning_rate, batch:
        Adam, cross-entropy.
    class_weights:
        Whether a case counts by the inverse share of its class among the training cases.
    seed:
        Of the start, the head, and the order of cases.
    field_mm:
        Side of the square that is cut from a CT; an image cohort is taken as it is.

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be; images too small for a network.
    """

    name: str
    command: str
    cost: str
    expected: str
    networks: tuple[str, ...]
    schemes: tuple[str, ...]
    sets: tuple[int, ...]
    side: int | None
    epochs: int
    patience: int
    learning_rate: float
    batch: int
    class_weights: bool
    seed: int
    field_mm: float

    def __post_init__(self) -> None:
        checks = {
            "networks": _some_of(self.networks, ARCHITECTURES),
            "schemes": _some_of(self.schemes, list(Scheme)),
            "sets": bool(self.sets) and all(whole(n, 1) for n in self.sets) and _once(self.sets),
            "side": self.side is None or whole(self.side, 32),
            "epochs, patience, batch": all(whole(n, 1) for n in (self.epochs, self.patience, self.batch)),
            "learning_rate": number(self.learning_rate) and self.learning_rate > 0,
            "class_weights": isinstance(self.class_weights, bool),
            "seed": whole(self.seed, 0),
            "field_mm": number(self.field_mm) and 100 <= self.field_mm <= 1000,
        }
        require(self.name, _SMOKE, checks)
        for network in self.networks:
            architecture(network).check_side(self.side_of(network))

    def side_of(self, network: str) -> int:
        """Pixels of a network's square images."""
        return self.side or architecture(network).side

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them; `classify_preset_from` reads them back."""
        mapping: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return mapping


def classify_preset_from(values: dict[str, Any]) -> ClassifyPreset:
    """A preset from its JSON fields.

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be.
    """
    check_fields(ClassifyPreset, values, "the preset", _SMOKE)
    try:
        made: dict[str, Any] = {key: tuple(v) if key in _TUPLES else v for key, v in values.items()}
        return ClassifyPreset(**made)
    except TypeError as error:
        raise ModelError(
            f"the preset is not understood ({error})", f"compare its fields with presets/{_SMOKE}"
        ) from None


def load_classify_preset(name: str) -> ClassifyPreset:
    """A shipped preset of `classify` by name, or one from a JSON file of the same fields."""
    return classify_preset_from(read_preset("classify", name))


def _some_of(values: tuple[str, ...], known: Iterable[str]) -> bool:
    return bool(values) and set(values) <= set(known) and _once(values)


def _once(values: tuple[Any, ...]) -> bool:
    return len(set(values)) == len(values)
