"""What each step of a reproduction is expected to take: measured where it was run, else reckoned from a step.

The benchmark machine is that of docs/benchmarks.md, two cores. Nothing was run on an A100: its figures are
the benchmark machine's by the ratio of matrix products. Work that no GPU does takes the same time there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from SarcopeniaTraining.classification.study import NETWORK, SCHEME
from SarcopeniaTraining.reproduction_progress import clock
from SarcopeniaTraining.splits import in_proportion

if TYPE_CHECKING:
    from SarcopeniaTraining.reproduction_manifest import Subject
    from SarcopeniaTraining.reproduction_steps import Step

PATIENTS, FOLDS, CORES = 79, 10, 2
"""Of what was measured."""
BEST_PRODUCT_TFLOPS = 0.485
"""The benchmark machine's fastest matrix product (docs/benchmarks.md)."""
A100_TFLOPS = 0.3 * 156
"""Three tenths of the TF32 peak of NVIDIA's data sheet: what convolutions and attention reach in training."""
PHANTOM_S, PHANTOM_S_PER_MM = 1.55, 0.126
"""A phantom on two cores: 79 of 30 mm took 422 s, of 60 mm 721 s."""
FINETUNE_CROP_CORE_S = 14.0
"""A training step of one crop of 96³ of the published network (presets/finetune/paper.json)."""
SLICE_S = 10.8
"""The published network's slice in windows (docs/benchmarks.md)."""
PRETRAIN_REGION_CORE_S = 102.0
STEP_OF_8_CORE_S: Mapping[str, float] = {
    "InceptionV3": 6.0,
    "DenseNet121": 5.0,
    "ResNet50": 5.7,
    "InceptionResNetV2": 12.1,
}
READ_8_CORE_S: Mapping[str, float] = {
    "InceptionV3": 1.7,
    "DenseNet121": 1.0,
    "ResNet50": 1.1,
    "InceptionResNetV2": 3.2,
}
"""`python -m Testing.benchmarks paper_steps`."""
MEASURED_S: Mapping[tuple[str, str], float] = {
    ("pretrain", "smoke"): 231.0,
    ("pretrain", "small"): 420.0,
    ("finetune", "smoke"): 416.0,
    ("finetune", "small"): 10 * 22 * 60 / CORES,
    ("evaluate", "smoke"): 27.0,
    ("classify", "smoke"): 609.0,
    ("imbalance", "smoke-five-sets"): 433.0,
    ("splits", ""): 2.0,
    ("evaluate-classifiers", ""): 5.0,
    ("two-routes", ""): 3.0,
    ("explain", ""): 56.0,
    ("gather", ""): 1.0,
    ("report", ""): 1.0,
}
"""Seconds of whole steps, by the preset's name, on 79 phantoms and ten folds or sets; those without a name as
`reproduce --preset smoke` took them."""


@dataclass(frozen=True)
class Cost:
    """Expected seconds.

    Attributes
    ----------
    seconds, a100_s:
        On the benchmark machine; on it with an A100 in it. None: not known.
    basis:
        Measured how, or reckoned from what.
    """

    seconds: float | None
    a100_s: float | None
    basis: str


def expected_s(step: Step, subject: Subject) -> float:
    """Seconds on the benchmark machine; 0 where nothing is known."""
    return cost_of(step, subject).seconds or 0.0


def cost_of(step: Step, subject: Subject) -> Cost:
    """What a step is expected to take."""
    reckoned = _RECKONED.get(step.name)
    if reckoned is not None:
        return reckoned(step, subject)
    seconds = MEASURED_S.get((step.name, ""))
    return Cost(seconds, seconds, _AS_SMOKE) if seconds else _UNKNOWN


def cost_lines(subject: Subject, stale: tuple[str, ...]) -> Iterator[str]:
    """A line a step, with those that are up to date, and a line of the sum."""
    costs = [cost_of(step, subject) for step in subject.wanted]
    width = max(len(step.title) for step in subject.wanted)
    yield f"{'':4}{'step':{width}}  {'two cores':>12}  {'with an A100':>12}  basis"
    for number, (step, cost) in enumerate(zip(subject.wanted, costs, strict=True), start=1):
        basis = cost.basis if step.name in stale else "up to date"
        cells = (_told(cost.seconds), _told(cost.a100_s))
        yield f"{number:2}. {step.title:{width}}  {cells[0]:>12}  {cells[1]:>12}  {basis}"
    due = [cost for step, cost in zip(subject.wanted, costs, strict=True) if step.name in stale]
    here, there = (_told(sum(cost.seconds or 0.0 for cost in due)), _told(sum(c.a100_s or 0.0 for c in due)))
    unknown = sum(cost.seconds is None for cost in due)
    more = f", {unknown} steps not counted whose cost is not known" if unknown else ""
    yield f"{'':4}{'what is to be done':{width}}  {here:>12}  {there:>12}{more}"


def on_a100(seconds: float) -> float:
    """Seconds of a training on the benchmark machine as an A100 would need them."""
    return seconds * BEST_PRODUCT_TFLOPS / A100_TFLOPS


_UNKNOWN = Cost(None, None, "not known")
_AS_SMOKE = f"measured with smoke on {PATIENTS} phantoms"


def _told(seconds: float | None) -> str:
    return "?" if seconds is None else clock(seconds)


def _patients(subject: Subject) -> int:
    return subject.inputs.people


def _preset_name(step: Step) -> str:
    return str((step.preset or {}).get("name"))


def _phantoms(step: Step, subject: Subject) -> Cost:
    drawn = subject.preset.phantoms
    each_s = PHANTOM_S + PHANTOM_S_PER_MM * drawn.coverage_mm
    seconds = each_s * drawn.patients
    return Cost(seconds, seconds, f"{drawn.patients} of {drawn.coverage_mm:g} mm, {each_s:.1f} s each")


def _whole(step: Step, share: float) -> Cost | None:
    """What a step of that preset took, by its share of the patients and folds."""
    key = (step.name, _preset_name(step))
    seconds = MEASURED_S.get(key)
    if seconds is None:
        return None
    how = f"measured with {key[1]} on {PATIENTS} phantoms, {clock(seconds)}"
    return Cost(seconds * share, seconds * share, how if share == 1 else f"by size from what was {how}")


def _pretrain(step: Step, subject: Subject) -> Cost:
    whole = _whole(step, _patients(subject) / PATIENTS)
    preset = step.preset or {}
    if whole is not None or preset.get("name") != "paper":
        return whole or _UNKNOWN
    regions = _patients(subject) * preset["regions_per_case"] * preset["epochs"]
    return _training(regions * PRETRAIN_REGION_CORE_S, f"{regions} regions", PRETRAIN_REGION_CORE_S)


def _finetune(step: Step, subject: Subject) -> Cost:
    folds = subject.preset.folds
    whole = _whole(step, _patients(subject) / PATIENTS * folds / FOLDS)
    preset = step.preset or {}
    if whole is not None or not str(preset.get("name")).startswith("paper"):
        return whole or _UNKNOWN
    crops = _sizes(subject)[0] * preset["crops_per_case"] * preset["epochs"] * folds
    return _training(crops * FINETUNE_CROP_CORE_S, f"{crops} crops", FINETUNE_CROP_CORE_S)


def _training(core_s: float, count: str, each_s: float) -> Cost:
    seconds = core_s / CORES
    return Cost(seconds, on_a100(seconds), f"{count} of {each_s:.3g} core-seconds, measured on one")


def _evaluate(step: Step, subject: Subject) -> Cost:
    readings = _sizes(subject)[2] * subject.preset.folds
    if str(_preset_of("finetune", subject)).startswith("paper"):
        seconds = readings * SLICE_S
        return Cost(seconds, on_a100(seconds), f"{readings} readings of {SLICE_S} s, measured on one")
    smoke = MEASURED_S["evaluate", "smoke"]
    return Cost(smoke, smoke, f"measured with smoke on {PATIENTS} phantoms, {clock(smoke)}")


def _preset_of(name: str, subject: Subject) -> Any:
    found = [step.preset for step in subject.everything if step.name == name]
    return (found[0] or {}).get("name") if found else None


def _sizes(subject: Subject) -> tuple[int, int, int]:
    sizes = subject.preset.sizes
    return in_proportion(sizes, _patients(subject)) or sizes


def _classifiers(step: Step, subject: Subject) -> Cost:
    whole = _whole(step, _patients(subject) / PATIENTS)
    preset = step.preset or {}
    if whole is not None or preset.get("name") != "paper":
        return whole or _UNKNOWN
    core_s = classifier_core_s(preset, _patients(subject))
    seconds = core_s / CORES
    basis = f"{preset['epochs']} epochs at most, by one step of eight images of each network"
    return Cost(seconds, on_a100(seconds), basis)


def _explanations(step: Step, subject: Subject) -> Cost:
    """LIME reads each sample once a seed of the trained network, of the random one, and once more."""
    told = subject.preset.explain
    if told is None or _preset_of("classify", subject) != "paper":
        seconds = MEASURED_S[step.name, ""]
        return Cost(seconds, seconds, _AS_SMOKE)
    readings = told.count * told.samples * (2 * told.seeds + 1)
    seconds = readings * max(READ_8_CORE_S.values()) / 8 / CORES
    return Cost(
        seconds, on_a100(seconds), f"{readings} images read by the slowest network, measured on eight"
    )


def _imbalance(step: Step, subject: Subject) -> Cost:
    """One network and scheme, trained in four ways: as printed, weighted, and balanced twice."""
    preset = dict(step.preset or {})
    ways = 4
    if preset.get("name") == "paper":
        preset |= {"networks": [NETWORK], "schemes": [SCHEME]}
        seconds = ways * classifier_core_s(preset, _patients(subject)) / CORES
        return Cost(
            seconds, on_a100(seconds), f"{ways} times {NETWORK}, {SCHEME}, reckoned as the classifiers"
        )
    return _classifiers(step, subject)


def classifier_core_s(preset: Mapping[str, Any], patients: int) -> float:
    """Core-seconds of all runs at published size if none stops early.

    Frozen parts are read once a network and scheme; where nothing is frozen, each epoch trains on the
    learning part and reads the validation part.
    """
    train, validation, _ = in_proportion((54, 12, 13), patients) or (54, 12, 13)
    epochs, sets = preset["epochs"], len(preset["sets"])
    taken = 0.0
    for network in preset["networks"]:
        step, read = STEP_OF_8_CORE_S[network], READ_8_CORE_S[network]
        for scheme in preset["schemes"]:
            if scheme == "unfreezeall":
                taken += sets * epochs * (train * step + validation * read) / 8
            else:
                taken += patients * read / 8
    return taken


_RECKONED: Mapping[str, Callable[[Step, Subject], Cost]] = {
    "phantoms": _phantoms,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "classify": _classifiers,
    "imbalance": _imbalance,
    "explain": _explanations,
}
