"""Classifier runs written by hand for the tests of scores, tables and figures; no network is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from SarcopeniaTraining.classification.classifier_run import Prediction, RunRecord
from SarcopeniaTraining.splits import Fold, Splits, write_splits

NETWORKS = ("InceptionV3", "DenseNet121", "ResNet50", "InceptionResNetV2")
SCHEMES = ("unfreezeall", "freezeall", "unfreezetop10")


def predictions(*groups):
    """From (sarcopenic probabilities, other probabilities): cases S1 … and N1 …; or a mapping case: (…)."""
    if len(groups) == 1:
        return tuple(Prediction(case, truth, value) for case, (truth, value) in groups[0].items())
    return tuple(
        Prediction(f"{letter}{n}", truth, value)
        for letter, truth, values in (("S", True, groups[0]), ("N", False, groups[1]))
        for n, value in enumerate(values, start=1)
    )


def record(network="ResNet50", scheme="unfreezeall", number=1, **given):
    """A run; `test`, `validation`: probabilities of sarcopenic patients and of others."""
    test = given.get("test", ((0.9, 0.4), (0.6, 0.2, 0.1)))
    validation = given.get("validation", ((0.8, 0.7), (0.3, 0.2)))
    val_loss = given.get("val_loss", (0.7, 0.5, 0.6))
    return RunRecord(
        network=network,
        scheme=scheme,
        set=number,
        seed=given.get("seed", 10 + number),
        start=given.get("start", "random"),
        epochs=len(val_loss),
        best_epoch=int(np.argmin(val_loss)) + 1,
        history={"loss": tuple(loss - 0.1 for loss in val_loss), "val_loss": tuple(val_loss)},
        validation=predictions(validation) if isinstance(validation, dict) else predictions(*validation),
        test=predictions(test) if isinstance(test, dict) else predictions(*test),
        class_weights=given.get("class_weights", False),
        seconds=given.get("seconds", 1.5),
        resident_mb=given.get("resident_mb", 800.0),
        trained_parameters=given.get("trained_parameters", 4098),
    )


def random_records(networks=NETWORKS, schemes=SCHEMES, sets=10, separation=1.5, seed=3):
    """Runs of 79 people, P01 … P18 sarcopenic, in shuffled sets of 12 validation and 13 test patients."""
    rng = np.random.default_rng(seed)
    parts = [(rng.permutation(18), 18 + rng.permutation(61)) for _ in range(sets)]
    made = []
    for place, network in enumerate(networks):
        for scheme_place, scheme in enumerate(schemes):
            far = separation * (1 - 0.25 * scheme_place) * (1 - 0.1 * place)
            for number, (ill, well) in enumerate(parts, start=1):
                val_loss = 0.7 * np.exp(-np.arange(8) / 5) + 0.02 * np.arange(8) + rng.normal(0, 0.02, 8)
                made.append(
                    record(
                        network,
                        scheme,
                        number,
                        test=_drawn(rng, np.concatenate([ill[:3], well[:10]]), far),
                        validation=_drawn(rng, np.concatenate([ill[3:6], well[10:19]]), far),
                        val_loss=tuple(map(float, val_loss)),
                    )
                )
    return made


def _drawn(rng, people, far):
    logits = rng.normal(-1, 1, len(people)) + far * (people < 18)
    return {
        f"P{n + 1:02d}": (bool(n < 18), float(1 / (1 + np.exp(-logit))))
        for n, logit in zip(people, logits, strict=True)
    }


def draw_classification(folder: Path, records, **given) -> Path:
    """The folder of a run as `sarcopenia classify` leaves it; `unfinished`: more planned sets."""
    planned: dict[str, list[int]] = {}
    for one in records:
        planned.setdefault(f"{one.network}-{one.scheme}", []).append(one.set)
    for combination, sets in given.get("unfinished", {}).items():
        planned[combination] = [*planned.get(combination, []), *sets]
    (folder / "runs").mkdir(parents=True)
    facts = {
        "schema": "sarcopenia-classification/1",
        "preset": {"name": given.get("preset", "made")},
        "cohort": {
            "name": "cohort",
            "digest": given.get("digest", "d" * 64),
            "people": given.get("people", {}),
        },
        "start": given.get("start", dict.fromkeys(NETWORKS, "random")),
        "images": {"side": 80, "field_mm": 420, "source": "ct"},
        "software": {"name": "sarcopenia-assess"},
        "seed": 1,
        "leak": given.get("leak", False),
        "planned": planned,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    write_splits(
        Splits((Fold(1, ("T1",), ("V1",), ("N1",)),), 1, facts["cohort"]["digest"]), folder / "splits.json"
    )
    for combination in planned:
        own = [one for one in records if f"{one.network}-{one.scheme}" == combination]
        lines = [{"head": combination}, *(one.to_mapping() for one in own)]
        (folder / "runs" / f"{combination}.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines)
        )
    return folder
