"""What one state of a network gives for one image: both maps and their curves, kept as they are made.

A network is read in three states: as trained, with a random head, and with random weights all over. The
first and the last stand side by side in the tables; all three make the check of `sanity`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaTraining.classification.faithfulness import Curves, curves, random_curves
from SarcopeniaTraining.classification.grad_cam import GradCam, grad_cam_at, upsampled
from SarcopeniaTraining.classification.lime_maps import LimeMap, LimeSettings, lime_map, superpixels
from SarcopeniaTraining.classification.sanity import Level, randomise
from SarcopeniaTraining.journal import Journal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from SarcopeniaTraining.classification.classifier_run import LoadedClassifier
    from SarcopeniaTraining.classification.lime_maps import Probability

JOURNAL = "readings.jsonl"
_BATCH = 32
_DIGITS = 7


class State(StrEnum):
    """Which weights a network has."""

    TRAINED = "trained"
    RANDOM_HEAD = "random head"
    RANDOM = "random"


class Method(StrEnum):
    """How a call is explained."""

    GRAD_CAM = "Grad-CAM"
    LIME = "LIME"


@dataclass(frozen=True)
class ExplainPlan:
    """What is drawn.

    Attributes
    ----------
    layer:
        That Grad-CAM reads.
    lime:
        Samples and seeds.
    random_seed:
        Of the random weights, and of the random maps that an explanation must beat.
    heads:
        Random heads that are drawn, one after the other: a single one may happen to be like the learned.
    """

    layer: str
    lime: LimeSettings
    random_seed: int = 20250817
    heads: int = 3

    def draws(self, state: State) -> range:
        """Numbers of the weights that are drawn for a state."""
        return range(self.heads if state is State.RANDOM_HEAD else 1)


@dataclass(frozen=True, eq=False)
class Reading:
    """Maps of one image by a network in one state.

    Attributes
    ----------
    draw:
        Number of the random weights, from 0.
    probability:
        Of being sarcopenic.
    cells:
        (2, rows, columns): Grad-CAM's map of class 0 and of class 1.
    weights, fit:
        As of `LimeMap`, of class 1.
    curves:
        Of each method's map of the class called; none in the state `RANDOM_HEAD`.
    random_curves:
        Of random maps, the same class.
    """

    state: State
    case: str
    draw: int
    probability: float
    cells: NDArray[np.float32]
    weights: NDArray[np.float64]
    fit: tuple[float, ...]
    curves: Mapping[Method, Curves]
    random_curves: tuple[Curves, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or self.cells.ndim != 3 or self.weights.ndim != 2:
            raise ValueError("a probability, two maps of cells and weights of superpixels are needed")

    @property
    def called(self) -> int:
        """The class that the network calls: 1 sarcopenic, 0 not."""
        return int(self.probability >= 0.5)

    def lime(self, pieces: NDArray[np.intp], of_class: int) -> LimeMap:
        """LIME's map of a class on the image's superpixels."""
        return LimeMap(pieces, self.weights, self.fit).speaking_for(of_class)

    def attribution(self, method: Method, pieces: NDArray[np.intp], of_class: int) -> NDArray[Any]:
        """(S, S), 0 or more: what speaks for a class, by one of the methods."""
        if method is Method.LIME:
            return self.lime(pieces, of_class).attribution()
        return upsampled(self.cells[of_class], pieces.shape[0])

    def to_mapping(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {
            "state": self.state.value,
            "case": self.case,
            "draw": self.draw,
            "probability": self.probability,
            "cells": _rounded(self.cells),
            "weights": _rounded(self.weights),
            "fit": _rounded(self.fit),
            "curves": {method.value: _pair(each) for method, each in self.curves.items()},
            "random_curves": [_pair(each) for each in self.random_curves],
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """A reading from its JSON fields.

        Raises
        ------
        ValueError, KeyError, TypeError
            These are none.
        """
        return cls(
            State(values["state"]),
            str(values["case"]),
            int(values["draw"]),
            float(values["probability"]),
            np.array(values["cells"], np.float32),
            np.array(values["weights"], np.float64),
            tuple(map(float, values["fit"])),
            {Method(name): _curves(each) for name, each in values["curves"].items()},
            tuple(_curves(each) for each in values["random_curves"]),
        )


@dataclass(frozen=True, eq=False)
class Images:
    """The images that are explained: names, and (N, S, S, 3) grey values."""

    names: tuple[str, ...]
    rgb: NDArray[np.uint8]


def read_all(
    classifier: LoadedClassifier,
    images: Images,
    plan: ExplainPlan,
    kept: tuple[Path, Mapping[str, Any]],
    advance: Callable[[], None],
) -> list[Reading]:
    """Every image in every state; what the journal holds already is not read again.

    Parameters
    ----------
    classifier:
        Left with random weights.
    kept:
        The folder of the journal, and what its lines belong to.
    advance:
        Called once a reading.

    Returns
    -------
    Readings by state, then in the order of the images.

    Raises
    ------
    OutputError
        The journal belongs to other explanations, or cannot be written.
    InputError
        As `grad_cam_at` and `lime_map`.
    """
    from SarcopeniaTraining.classification.networks import prepare

    folder, head = kept
    cam = grad_cam_at(classifier.model, plan.layer)
    journal = Journal(folder / JOURNAL, head)
    known = {(each.state, each.draw, each.case): each for each in journal.read(Reading.from_mapping)}
    probability = quick_probability(classifier)
    drawn = [(state, draw) for state in State for draw in plan.draws(state)]
    for state, draw in drawn:
        missing = [name for name in images.names if (state, draw, name) not in known]
        if missing and state is not State.TRAINED:
            level = Level.HEAD if state is State.RANDOM_HEAD else Level.ALL
            prepared = prepare(classifier.arch, images.rgb)
            randomise(classifier.model, level, plan.random_seed + draw, prepared)
        for name, rgb in zip(images.names, images.rgb, strict=True):
            if name in missing:
                made = _reading(_Subject(state, name, draw, rgb), classifier, cam, probability, plan)
                journal.add([made.to_mapping()])
                known[state, draw, name] = Reading.from_mapping(made.to_mapping())
            advance()
    return [known[state, draw, name] for state, draw in drawn for name in images.names]


def count_of(plan: ExplainPlan, images: int) -> int:
    """How many readings some images need."""
    return images * sum(len(plan.draws(state)) for state in State)


@dataclass(frozen=True, eq=False)
class _Subject:
    state: State
    case: str
    draw: int
    rgb: NDArray[np.uint8]

    @property
    def key(self) -> tuple[State, str, int]:
        return self.state, self.case, self.draw


def _reading(
    subject: _Subject, classifier: LoadedClassifier, cam: GradCam, probability: Probability, plan: ExplainPlan
) -> Reading:
    from SarcopeniaTraining.classification.networks import prepare

    rgb = subject.rgb
    said = float(probability(rgb[None])[0])
    cells = cam.maps(np.repeat(prepare(classifier.arch, rgb[None]), 2, axis=0), (0, 1))
    is_head = subject.state is State.RANDOM_HEAD
    settings = plan.lime if not is_head else LimeSettings(
        plan.lime.samples, plan.lime.seeds[:1], plan.lime.superpixel_seed
    )  # fmt: skip
    lime = lime_map(rgb, probability, settings)
    bare = Reading(*subject.key, said, cells, lime.weights, lime.fit, {}, ())
    if is_head:
        return bare
    called = bare.called
    made = {
        method: curves(rgb, bare.attribution(method, lime.superpixels, called), probability, called)
        for method in Method
    }
    baseline = random_curves(rgb, probability, called, plan.random_seed)
    return Reading(*subject.key, said, cells, lime.weights, lime.fit, made, baseline)


def quick_probability(classifier: LoadedClassifier) -> Probability:
    """`LoadedClassifier.probability` for many images: traced once, in batches of one size.

    Weights that are changed later are the ones used then.
    """
    import tensorflow as tf

    from SarcopeniaTraining.classification.networks import prepare

    model, side = classifier.model, classifier.side
    shape = tf.TensorSpec((_BATCH, side, side, 3), tf.float32)
    traced = tf.function(lambda prepared: model(prepared, training=False), input_signature=[shape])

    def probability(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        said = []
        for at in range(0, len(rgb), _BATCH):
            some = rgb[at : at + _BATCH]
            whole = np.concatenate([some, np.repeat(some[-1:], _BATCH - len(some), axis=0)])
            answers = np.asarray(traced(prepare(classifier.arch, whole)), np.float64)
            said.append(answers[: len(some), 1])
        return np.concatenate(said).clip(0, 1) if said else np.empty(0)

    return probability


def superpixels_of(images: Images, plan: ExplainPlan) -> dict[str, NDArray[np.intp]]:
    """Superpixels of each image, as its readings have them."""
    return {
        name: superpixels(rgb, plan.lime.superpixel_seed)
        for name, rgb in zip(images.names, images.rgb, strict=True)
    }


def by_state(readings: Sequence[Reading], state: State, draw: int = 0) -> dict[str, Reading]:
    """Readings of one state and draw, by case.

    Raises
    ------
    InputError
        There are none.
    """
    found = {each.case: each for each in readings if each.state is state and each.draw == draw}
    if not found:
        raise InputError(f"nothing was read in the state {state.value}", "give the same command again")
    return found


def _rounded(values: Any) -> Any:
    """Seven significant digits: what single precision knows, and files that are the same on every run."""
    return [
        _rounded(each) if np.ndim(each) else float(f"{float(each):.{_DIGITS}g}")
        for each in np.asarray(values)
    ]


def _pair(both: Curves) -> list[list[float]]:
    return [_rounded(both.deletion), _rounded(both.insertion)]


def _curves(values: Any) -> Curves:
    deletion, insertion = values
    return Curves(tuple(map(float, deletion)), tuple(map(float, insertion)))
