"""Whether a number of this run could agree with the printed one, and why not where it could not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from SarcopeniaTraining.report_page.circumstances import (
    Circumstances,
    Classification,
    Data,
    Segmentation,
)
from SarcopeniaTraining.splits import CLASSIFICATION_SIZES, SEGMENTATION_SIZES

PAPER_PRESETS = ("paper", "paper-official")
PRINTED_COHORT = (79, 18, 52)
"""Patients, sarcopenic ones, men."""


class Verdict(StrEnum):
    """An answer to: could the two numbers agree."""

    YES = "yes"
    """Same kind of data, same start, same training, same sizes: they should, within their spread."""
    OPEN = "open"
    """Nothing that is known speaks against it, but not all is known."""
    NO = "no"
    """Something that decides the number is different; nearness would be chance."""
    NO_PAIR = "no pair"
    """The printed number has no counterpart: it contradicts itself, or counts something else."""
    MISSING = "not run"
    """There is no number of ours."""


@dataclass(frozen=True)
class Reason:
    """Why numbers need not agree.

    Attributes
    ----------
    short:
        For a cell.
    words:
        A sentence or two.
    """

    short: str
    words: str


PHANTOMS = Reason(
    "phantoms",
    "The images of this run are drawn by a program. Nobody's CT is among them, and how hard a phantom is to "
    "outline or to tell apart says nothing about the hospital's patients.",
)
SAME_COUNTS = Reason(
    "the paper's counts",
    "The cohort has as many patients, men and sarcopenic patients as the paper's: it may be the same one.",
)
OTHER_PATIENTS = Reason(
    "whose patients is not told",
    "The cohort was given by the user. Whether it is the paper's own (Freeman Hospital, DOI "
    "10.5281/zenodo.15619502) cannot be told from its files; other patients give other numbers.",
)
UNKNOWN_DATA = Reason(
    "data not told",
    "The folder does not say whether phantoms or patients were examined.",
)
RANDOM_START = Reason(
    "random start",
    "The paper's classifiers began from RadImageNet's weights, which cannot be bundled. Here the networks "
    "began from random numbers, so they had 54 images to learn all that RadImageNet knows.",
)
FROZEN_RANDOM = Reason(
    "frozen at random",
    "Layers that stay frozen at a random start extract random features: what is learned is the last layer "
    "alone. With RadImageNet the same scheme uses trained features.",
)
OTHER_PRESET = Reason(
    "shorter training",
    "The preset of this run trains other or smaller networks, or for fewer epochs, than the paper did. It "
    "shows that every step works, not what the method reaches.",
)
NO_ENCODER = Reason(
    "no pre-training on 3,500 CTs",
    "The paper's SMIT was pre-trained on more than 3,500 unlabelled CTs. This run's network was not, or on "
    "far fewer.",
)
OTHER_SIZES = Reason(
    "other set sizes",
    "The train, validation and test parts have other sizes than the paper's: 47, 16 and 16 patients for the "
    "segmentation, 54, 12 and 13 for the classifiers.",
)
WEIGHTED = Reason("class weights", "This run weighted the two classes; the paper did not.")
SMALL_IMAGES = Reason(
    "small images",
    "The images of this run are smaller than each network's published size (299 or 224 pixels), so detail "
    "is lost before the network sees it.",
)
LEAK = Reason(
    "drawn outlines left in",
    "This run learned from images on which the muscle's outline is drawn. It was made to show what that "
    "leak brings and is no result.",
)
BY_NUMBER = Reason(
    "only the number in common",
    "Fold 3 here and fold 3 in print are different shuffles of different patients: the row has only its "
    "number in common. Means over the folds can be compared, single folds cannot.",
)
MIXED_SIGNS = Reason(
    "signed and absolute mixed",
    "The printed column has signed means in some folds and a mean of absolute errors in at least one (fold "
    "4), without saying which is which. It is comparable with neither.",
)
NOT_RUN = Reason("not part of this run", "The step that gives this number was not asked for, or is not done.")


@dataclass(frozen=True)
class Expectation:
    """A verdict with its reasons, the weightiest first."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()

    @property
    def short(self) -> str:
        """The reasons for a cell."""
        return ", ".join(reason.short for reason in self.reasons)

    def without_pair(self, reason: Reason) -> Expectation:
        """The same for a printed number that has no counterpart."""
        return Expectation(Verdict.NO_PAIR, (reason, *self.reasons))


UNEXPECTED = Expectation(Verdict.MISSING, (NOT_RUN,))
"""Of a number that this run has not."""


def segmentation_expectation(told: Circumstances) -> Expectation:
    """For Dice, areas and statuses."""
    run = told.segmentation
    if run is None:
        return UNEXPECTED
    return _judged(told, list(_segmentation_reasons(run)))


def classification_expectation(told: Circumstances, network: str, scheme: str) -> Expectation:
    """For AUC, accuracy, precision and F1 of one network and scheme; empty names stand for all."""
    run = told.classification
    if run is None:
        return UNEXPECTED
    return _judged(told, list(_classification_reasons(run, network, scheme)))


def _judged(told: Circumstances, against: list[Reason]) -> Expectation:
    """No where anything decisive differs; yes or open by what is known of the patients."""
    data = told.cohort.data
    if data is Data.PHANTOMS:
        return Expectation(Verdict.NO, (PHANTOMS, *against))
    if against:
        return Expectation(Verdict.NO, tuple(against))
    if data is Data.UNTOLD:
        return Expectation(Verdict.OPEN, (UNKNOWN_DATA,))
    own = told.cohort
    if (own.patients, own.sarcopenic, own.men) == PRINTED_COHORT:
        return Expectation(Verdict.YES, (SAME_COUNTS,))
    return Expectation(Verdict.OPEN, (OTHER_PATIENTS,))


def _segmentation_reasons(run: Segmentation) -> Iterator[Reason]:
    if run.name not in PAPER_PRESETS:
        yield OTHER_PRESET
    if run.encoder is None or not run.encoder_given:
        yield NO_ENCODER
    if _differ(run.sizes, SEGMENTATION_SIZES):
        yield OTHER_SIZES


def _classification_reasons(run: Classification, network: str, scheme: str) -> Iterator[Reason]:
    random = run.random_networks
    if network in random or (not network and random):
        yield RANDOM_START
        if scheme and scheme != "unfreezeall":
            yield FROZEN_RANDOM
    if run.name not in PAPER_PRESETS:
        yield OTHER_PRESET
    if run.side is not None and run.side < 224:
        yield SMALL_IMAGES
    if run.leak:
        yield LEAK
    if run.preset.get("class_weights"):
        yield WEIGHTED
    if _differ(run.sizes, CLASSIFICATION_SIZES):
        yield OTHER_SIZES


def _differ(sizes: Sequence[int] | None, printed: Sequence[int]) -> bool:
    return sizes is not None and tuple(sizes) != tuple(printed)
