"""What the plane seen at once changes against windows.

`python -m Testing.benchmarks.untiled_difference MODEL COHORT [CT K …]`: MODEL is a network in the exact
window order whose preprocessing says `tile`; of COHORT the test patients of the first split of seed 1 are
taken, of a CT without truth the slices K.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace

from Testing.benchmarks.tables import Row, show

TITLE = "The plane at once against overlapping windows"


def _mask_of(volume, k, model):
    from SarcopeniaAssessLib.segmentation import segment_slice

    return segment_slice(volume, k, model)


def _untiled(model):
    entry = replace(model.entry, preprocessing={**model.entry.preprocessing, "tile": None})
    return replace(model, entry=entry)


def _dice(a, b) -> float:
    return 2 * float((a & b).sum()) / max(float(a.sum() + b.sum()), 1)


def _compare(volume, k, model, truth=None) -> dict[str, float]:
    import numpy as np

    tiled, whole = _mask_of(volume, k, model), _mask_of(volume, k, _untiled(model))
    chances = [np.clip(s.outline_probability, 1e-6, 1 - 1e-6) for s in (tiled, whole)]
    logits = [np.log(c / (1 - c)) for c in chances]
    body = (chances[0] > 1e-6) | (chances[1] > 1e-6)
    found = {
        "logit_difference": float(np.abs(logits[0] - logits[1])[body].mean()),
        "dice_between": _dice(tiled.mask, whole.mask),
        "area_percent": 100 * (float(whole.mask.sum()) / max(float(tiled.mask.sum()), 1) - 1),
    }
    if truth is not None:
        found["dice_tiled"], found["dice_whole"] = _dice(tiled.mask, truth), _dice(whole.mask, truth)
        for name, mask in (("tiled", tiled.mask), ("whole", whole.mask)):
            found[f"error_{name}"] = 100 * abs(float(mask.sum()) / float(truth.sum()) - 1)
    return found


def _rows(found: list[dict[str, float]], what: str) -> list[Row]:
    def mean(name: str) -> float:
        return statistics.fmean(one[name] for one in found)

    rows = [
        Row(
            f"{what} ({len(found)}): mean difference of logits within the body", mean("logit_difference"), ""
        ),
        Row("· Dice between the two masks", mean("dice_between"), ""),
        Row("· area at once against tiled, mean", mean("area_percent"), "%"),
        Row("· the same, largest", max(abs(one["area_percent"]) for one in found), "%"),
    ]
    if "dice_tiled" in found[0]:
        rows += [
            Row(f"· Dice with the truth, {name}", mean(f"dice_{name}"), "") for name in ("tiled", "whole")
        ]
        rows += [
            Row(f"· absolute area error, {name}", mean(f"error_{name}"), "%") for name in ("tiled", "whole")
        ]
    return rows


def main(model_path: str, cohort_path: str, *ct: str) -> None:
    """Print the table."""
    from SarcopeniaAssessLib.ct_io import open_ct
    from SarcopeniaAssessLib.models import load_model
    from SarcopeniaTraining.cohort import read_cohort
    from SarcopeniaTraining.splits import make_splits

    model = load_model(model_path)
    found = []
    cohort = read_cohort(cohort_path)
    for name in make_splits(cohort).folds[0].test:
        case = cohort[name]
        volume = case.open()
        k = case.slice_from_feet(volume)
        found.append(_compare(volume, k, model, case.truth(volume, k)))
    rows = _rows(found, "phantoms")
    if ct:
        volume = open_ct(ct[0])
        rows += _rows([_compare(volume, int(k), model) for k in ct[1:]], "real CT, slices")
    show(TITLE, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
