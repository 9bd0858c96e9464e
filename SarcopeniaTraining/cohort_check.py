"""Every CT and mask of a cohort opened once, before a training of hours meets the one that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.errors import Finding, SarcopeniaError, Severity
from SarcopeniaTraining.cohort import contradiction

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort, CohortCase

AREA_DIFFERS = 0.005
"""Of the manifest's area: beyond what a table's rounding explains."""


def check_cohort(cohort: Cohort) -> Iterator[tuple[str, Finding]]:
    """What is wrong with each case's files, as they are opened; nothing for those that are in order."""
    for case in cohort.cases:
        for finding in check_case(case):
            yield case.case, finding


def check_case(case: CohortCase) -> tuple[Finding, ...]:
    """Errors make a case unusable: a CT that cannot be read, a mask that does not fit or is empty at L3.

    Warnings: a label that area and sex contradict, an area that is not the manifest's.
    """
    try:
        volume = case.open()
        if case.mask is None:
            return ()
        k = case.slice_from_feet(volume)
        area_cm2 = int(np.count_nonzero(case.truth(volume, k))) * volume.around(k).pixel_area_cm2
    except SarcopeniaError as error:
        return (Finding("unusable_case", Severity.ERROR, f"{error.problem}; {error.remedy}"),)
    found = contradiction(case, area_cm2)
    findings = [] if found is None else [found]
    if case.sma_cm2 is not None and abs(area_cm2 - case.sma_cm2) > AREA_DIFFERS * case.sma_cm2:
        message = f"the mask measures {area_cm2:.2f} cm² at L3, the manifest says {case.sma_cm2:.2f}"
        findings.append(Finding("other_area", Severity.WARNING, message))
    return tuple(findings)
