"""What a reproduction of the whole paper consists of, by name: the presets of its parts and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.presets import WORDS, Kind, check_fields, number, read_preset, require, whole

_SMOKE = "reproduce/smoke.json"
_PARTS: tuple[Kind, ...] = ("pretrain", "finetune", "classify")


@dataclass(frozen=True)
class Phantoms:
    """The cohort that is drawn where none is given; as `sarcopenia phantom` has it.

    Attributes
    ----------
    coverage_mm:
        Length scanned around L3, mm: what the preset's networks look at is enough.
    """

    patients: int
    sarcopenic: int
    men: int
    seed: int
    coverage_mm: float = 60.0


@dataclass(frozen=True)
class Explained:
    """How much is explained: cases, LIME's samples of each, seeds over which it is repeated, and of whom.

    Attributes
    ----------
    network:
        By its name; None: the one that did best on validation.
    """

    count: int
    samples: int
    seeds: int
    network: str | None = None


@dataclass(frozen=True)
class ReproductionPreset:
    """One reproduction, from a cohort to the report.

    Attributes
    ----------
    phantoms:
        Drawn where no cohort is given.
    pretrain, finetune, classify:
        Presets of those verbs; names, or JSON files, which are looked for beside this preset's file.
    sizes, folds, seed:
        Patients to learn from, to choose on and to test on; in a cohort of another size, in proportion.
    threads:
        Of the segmentation networks; 0: the cores shared out. Another number rounds sums otherwise.
    imbalance:
        Preset of `classify` whose runs are repeated against the imbalance of classes; None: it is left out.
    explain:
        None: nothing is explained.

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be.
    """

    name: str
    command: str
    cost: str
    expected: str
    phantoms: Phantoms
    pretrain: str
    finetune: str
    classify: str
    sizes: tuple[int, int, int]
    folds: int
    seed: int
    threads: int
    imbalance: str | None = None
    explain: Explained | None = None

    def __post_init__(self) -> None:
        drawn, told = self.phantoms, self.explain
        presets = (self.pretrain, self.finetune, self.classify)
        checks = {
            "pretrain, finetune, classify": all(isinstance(name, str) and name for name in presets),
            "phantoms": whole(drawn.patients, 3) and whole(drawn.sarcopenic, 0) and whole(drawn.men, 0),
            "phantoms' coverage_mm": number(drawn.coverage_mm) and drawn.coverage_mm > 0,
            "sizes": len(self.sizes) == 3 and all(whole(n, 1) for n in self.sizes),
            "folds, seed, threads": whole(self.folds, 1) and whole(self.seed, 0) and whole(self.threads, 0),
            "imbalance": self.imbalance is None or bool(self.imbalance),
            "explain": told is None or all(whole(n, 1) for n in (told.count, told.samples, told.seeds)),
        }
        require(self.name, _SMOKE, checks)

    def fields_of(self, kind: Kind, name: str) -> Mapping[str, Any]:
        """The fields of a part's preset that change what it makes."""
        return {key: value for key, value in read_preset(kind, name).items() if key not in WORDS}


def load_reproduction_preset(name: str) -> ReproductionPreset:
    """A shipped preset of `reproduce` by name, or one from a JSON file of the same fields.

    Raises
    ------
    ModelError
        A field that is missing, unknown, or cannot be; a part's preset that is not there.
    """
    values = dict(read_preset("reproduce", name))
    check_fields(ReproductionPreset, values, "the preset", _SMOKE)
    check_fields(Phantoms, values["phantoms"], "the preset's phantoms", _SMOKE)
    for field in (*_PARTS, "imbalance"):
        values[field] = _beside(name, values.get(field))
    try:
        told = values.get("explain")
        if told is not None:
            check_fields(Explained, told, "the preset's explain", _SMOKE)
            values["explain"] = Explained(**told)
        preset = ReproductionPreset(
            **{**values, "phantoms": Phantoms(**values["phantoms"]), "sizes": tuple(values["sizes"])}
        )
    except (AttributeError, TypeError) as error:
        raise ModelError(
            f"the preset is not understood ({error})", f"compare its fields with presets/{_SMOKE}"
        ) from None
    for kind in _PARTS:
        read_preset(kind, getattr(preset, kind))
    return preset


def _beside(preset: str, part: Any) -> Any:
    """A part's JSON file as seen from the preset's own."""
    if preset.endswith(".json") and isinstance(part, str) and part.endswith(".json"):
        return str(Path(preset).resolve().parent / part)
    return part
