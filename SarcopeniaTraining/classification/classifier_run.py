"""The folder that `sarcopenia classify COHORT --out RUN` leaves: its runs, read and written.

docs/classification.md lists its files. A run is one network, fine-tuned by one scheme on one shuffled set.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SarcopeniaAssessLib.errors import InputError, ModelError
from SarcopeniaTraining.classification.classifier_scores import auc
from SarcopeniaTraining.splits import Splits, read_splits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.architectures import Architecture

SCHEMA = "sarcopenia-classification/1"
RUN_FILE, SPLITS_FILE, RUNS = "run.json", "splits.json", "runs"
STARTS = ("random", "radimagenet")
_REMEDY = "give the --out folder of `sarcopenia classify COHORT`"
_AGAIN = "give the same `sarcopenia classify` command again: it goes on"


@dataclass(frozen=True)
class Prediction:
    """What a classifier said of one case; one a case, never one of several views of an image.

    Attributes
    ----------
    sarcopenic:
        The truth.
    probability:
        Of class 1, sarcopenic, 0…1.

    Raises
    ------
    ValueError
        A probability that is none.
    """

    case: str
    sarcopenic: bool
    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:  # refuses what is no number, too
            raise ValueError(f"{self.probability} is no probability")


@dataclass(frozen=True)
class RunRecord:
    """One network, fine-tuned by one scheme on one shuffled set.

    Attributes
    ----------
    set:
        Number of the shuffled set, from 1.
    seed:
        Of the head's start and the order of cases.
    start:
        "random" or "radimagenet": what the backbone started from.
    epochs, best_epoch:
        Trained, and the one whose weights were taken back (lowest validation loss), from 1.
    history:
        `loss` and `val_loss` (cross-entropy, unweighted on validation), a value an epoch.
    validation, test:
        Predictions of the best epoch's weights.
    seconds, resident_mb:
        What the run took, and the memory of its process at its end where the system tells it.
    trained_parameters:
        How many numbers the scheme lets change.

    Raises
    ------
    ValueError
        An unknown start, epochs that the history does not have, a part without a case.
    """

    network: str
    scheme: str
    set: int
    seed: int
    start: str
    epochs: int
    best_epoch: int
    history: Mapping[str, tuple[float, ...]]
    validation: tuple[Prediction, ...]
    test: tuple[Prediction, ...]
    class_weights: bool
    seconds: float
    resident_mb: float | None
    trained_parameters: int

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"a start of {self.start!r} is unknown")
        if not 1 <= self.best_epoch <= self.epochs:
            raise ValueError(f"epoch {self.best_epoch} of {self.epochs} cannot be the best")
        if any(len(self.history[name]) != self.epochs for name in ("loss", "val_loss")):
            raise ValueError("the history does not have a value an epoch")
        if not self.validation or not self.test:
            raise ValueError("a part has no case")

    @property
    def validation_auc(self) -> float | None:
        """Area under the ROC curve of the validation cases; `None` where they are all of one class."""
        return auc([p.sarcopenic for p in self.validation], [p.probability for p in self.validation])

    @property
    def validation_loss(self) -> float:
        """At the best epoch."""
        return self.history["val_loss"][self.best_epoch - 1]

    @property
    def selection_key(self) -> tuple[float, float, int, int]:
        """As of the function: the best run of a network has the least."""
        return selection_key(self.validation_auc, self.validation_loss, self.scheme, self.set)

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them; `record_from` reads them back."""
        values = {**asdict(self), "history": {name: list(each) for name, each in self.history.items()}}
        for part in ("validation", "test"):
            values[part] = [[p.case, p.sarcopenic, p.probability] for p in getattr(self, part)]
        return values


def record_from(values: Mapping[str, Any]) -> RunRecord:
    """A record from its JSON fields.

    Raises
    ------
    ValueError, KeyError, TypeError
        These are none.
    """
    made = dict(values)
    made["history"] = {name: tuple(map(float, each)) for name, each in values["history"].items()}
    for part in ("validation", "test"):
        made[part] = tuple(Prediction(str(c), bool(s), float(p)) for c, s, p in values[part])
    return RunRecord(**made)


def selection_key(auc: float | None, loss: float, scheme: str, number: int) -> tuple[float, float, int, int]:
    """What the best run of a network is the least by: of its validation, its scheme and the set's number.

    Higher AUC, then lower loss, then the order of `schemes.Scheme`, then the first set.
    """
    from SarcopeniaTraining.classification.schemes import Scheme

    schemes = [str(each) for each in Scheme]
    place = schemes.index(scheme) if scheme in schemes else len(schemes)
    return (math.inf if auc is None else -auc, math.inf if math.isnan(loss) else loss, place, number)


def best_by_network(records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """The run of each network that did best on validation; no test prediction is looked at."""
    best: dict[str, RunRecord] = {}
    for record in sorted(records, key=lambda each: each.selection_key):
        best.setdefault(record.network, record)
    return best


@dataclass(frozen=True)
class Classification:
    """A folder of classifier runs.

    Attributes
    ----------
    facts:
        What `run.json` says.
    records:
        The finished runs: by network and scheme as planned, then by set.
    unfinished:
        Planned runs that are not finished: (network, scheme, set).
    """

    folder: Path
    facts: Mapping[str, Any]
    splits: Splits
    records: tuple[RunRecord, ...]
    unfinished: tuple[tuple[str, str, int], ...]

    @property
    def name(self) -> str:
        """What tables and figures call it: the folder's name."""
        return self.folder.resolve().name

    @property
    def start(self) -> str:
        """What the backbones started from: "random", "radimagenet", or "mixed" where they differ."""
        kinds = {STARTS[start != "random"] for start in self.facts["start"].values()}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    @property
    def leak(self) -> bool:
        """Whether the networks learned from images with a drawn outline."""
        return bool(self.facts["leak"])


def is_classification(folder: Path) -> bool:
    """Whether a folder is one of classifier runs."""
    try:
        values = json.loads((folder / RUN_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("schema") == SCHEMA


def read_classification(folder: Path) -> Classification:
    """Read a folder of classifier runs, finished or not.

    Raises
    ------
    InputError
        It is none, or damaged.
    """
    facts = read_facts(folder)
    records: list[RunRecord] = []
    unfinished: list[tuple[str, str, int]] = []
    for combination, sets in facts["planned"].items():
        network, scheme = combination.rsplit("-", 1)
        found = {record.set: record for record in read_records(journal_path(folder, network, scheme))}
        records += [found[number] for number in sorted(found)]
        unfinished += [(network, scheme, number) for number in sets if number not in found]
    splits = read_splits(folder / SPLITS_FILE)
    return Classification(folder, facts, splits, tuple(records), tuple(unfinished))


def read_facts(folder: Path) -> dict[str, Any]:
    """What `run.json` says.

    Raises
    ------
    InputError
        There is none, or it is of another schema or damaged.
    """
    try:
        facts = json.loads((folder / RUN_FILE).read_text("utf-8"))
    except OSError:
        raise InputError(f"the folder has no {RUN_FILE}", _REMEDY) from None
    except ValueError:
        facts = None
    wanted = {"schema", "preset", "cohort", "start", "images", "software", "seed", "leak", "planned"}
    if isinstance(facts, dict) and facts.get("schema") != SCHEMA:
        raise InputError(f"{RUN_FILE} says schema {facts.get('schema')!r}, not {SCHEMA!r}", _REMEDY)
    if not isinstance(facts, dict) or not wanted <= set(facts):
        raise InputError(f"{RUN_FILE} is damaged", _REMEDY)
    return facts


def as_json(values: Mapping[str, Any]) -> bytes:
    """Facts as the folder's files hold them."""
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def journal_path(folder: Path, network: str, scheme: str) -> Path:
    """Where the runs of a network and a scheme are kept."""
    return folder / RUNS / f"{network}-{scheme}.jsonl"


def read_records(path: Path) -> list[RunRecord]:
    """The runs of one journal; none where it is not there; a line that a kill cut off is passed over.

    Raises
    ------
    InputError
        It is damaged.
    """
    text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
    _, *lines = text.split("\n")[:-1] or [""]
    try:
        return [record_from(json.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path.name} is damaged", f"remove it, then {_AGAIN}") from None


@dataclass(frozen=True)
class LoadedClassifier:
    """A trained network, ready to be asked.

    Attributes
    ----------
    model:
        The Keras model: prepared images in, two probabilities out.
    side:
        Pixels of the square image that it was trained on.
    record:
        The run that it is of.
    """

    model: Any
    arch: Architecture
    side: int
    record: RunRecord

    def probability(self, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probability of being sarcopenic of images (N, S, S, 3), as they come from `load_images`."""
        from SarcopeniaTraining.classification.frozen_features import frozen_features
        from SarcopeniaTraining.classification.networks import prepare

        (said,) = frozen_features(self.model, rgb, partial(prepare, self.arch))
        return said[:, 1].astype(np.float64)


def load_classifier(folder: Path, network: str) -> LoadedClassifier:
    """The run of a network that did best on validation.

    Raises
    ------
    InputError
        The folder holds no such run, or no such network.
    ModelError
        Its weights are not there, or were altered.
    """
    from SarcopeniaTraining.classification.architectures import architecture, require_keras
    from SarcopeniaTraining.classification.kept_weights import read_best, weights_path
    from SarcopeniaTraining.classification.networks import build_classifier, load_weights

    arch = architecture(network)
    facts = read_facts(folder)
    held = read_best(folder, arch.name)
    if held is None:
        problem = f"the weights of {arch.name} are not there, or were altered"
        raise ModelError(problem, f"remove {RUNS}/{arch.name}-*.jsonl of the folder, then {_AGAIN}")
    records = read_records(journal_path(folder, arch.name, held["scheme"]))
    record = next((each for each in records if each.set == held["set"]), None)
    if record is None:
        raise ModelError(f"the run that the weights of {arch.name} are of is not finished", _AGAIN)
    require_keras()
    side = facts["images"]["side"] or arch.side
    model = build_classifier(arch, side, facts["seed"])
    load_weights(model, weights_path(folder, arch.name))
    return LoadedClassifier(model, arch, side, record)
