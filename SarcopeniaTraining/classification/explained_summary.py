"""`explanations.json`: every number of a run's explanations, for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import __version__
from SarcopeniaTraining.classification.explained_numbers import SHOWN, Checks, case_shares, changed_by
from SarcopeniaTraining.classification.explained_readings import Method, Reading, by_state
from SarcopeniaTraining.classification.lime_maps import stability
from SarcopeniaTraining.classification.sanity import UNCHANGED_ABOVE, Level

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.classifier_run import Classification, RunRecord
    from SarcopeniaTraining.classification.explained_cases import ExplainedCase
    from SarcopeniaTraining.classification.explained_figures import Shown
    from SarcopeniaTraining.classification.explained_numbers import Numbers

SCHEMA = "sarcopenia-explanations/1"


def summary_of(
    run: Classification, record: RunRecord, shown: Shown, numbers: Numbers, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file says: whose explanations, settings, each case, and the tables' numbers unrounded."""
    return {
        "schema": SCHEMA,
        "run": run.name,
        "network": record.network,
        "scheme": record.scheme,
        "set": record.set,
        "start": record.start,
        "leak": run.leak,
        "settings": dict(settings),
        "unchanged_above": UNCHANGED_ABOVE,
        "cases": [_case(shown, case) for case in shown.explained.cases],
        "attribution": [{**asdict(row), "times_chance": row.times_chance} for row in numbers.shares],
        "checks": [_checks(row) for row in numbers.checks],
        "software": {"name": "sarcopenia-assess", "version": __version__},
    }


def _case(shown: Shown, case: ExplainedCase) -> dict[str, Any]:
    tissues = shown.explained.tissues.get(case.case)
    return {
        "case": case.case,
        "sarcopenic": case.sarcopenic,
        "part": case.part,
        "superpixels": int(shown.pieces[case.case].max()) + 1,
        "pixels": None if tissues is None else tissues.of_pixels,
        **{state.value: _of_state(shown, by_state(shown.readings, state)[case.case]) for state in SHOWN},
        "rank_correlation_after": {
            level.value: {
                method.value: changed_by(shown.readings, method, level, shown.pieces)[case.case]
                for method in Method
            }
            for level in Level
        },
    }


def _of_state(shown: Shown, reading: Reading) -> dict[str, Any]:
    pieces = shown.pieces[reading.case]
    of_called = reading.weights if reading.called else -reading.weights
    return {
        "probability": reading.probability,
        "called_sarcopenic": bool(reading.called),
        **{
            method.value: {
                "shares": case_shares(shown.explained, reading, method, pieces),
                "insertion_area": reading.curves[method].insertion_area,
                "deletion_area": reading.curves[method].deletion_area,
            }
            for method in Method
        },
        "random_maps": [
            {"insertion_area": each.insertion_area, "deletion_area": each.deletion_area}
            for each in reading.random_curves
        ],
        "seeds": asdict(stability(of_called)),
        "lime_fit_r2": list(reading.fit),
    }


def _checks(row: Checks) -> dict[str, Any]:
    return {
        **asdict(row),
        "unchanged": {
            level.value: {"rank_correlation": correlation, "passes": passes}
            for level, (correlation, passes) in row.unchanged.items()
        },
    }
