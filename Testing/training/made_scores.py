"""Scores written by hand for the tests of tables and figures; nothing is computed from images."""

from pathlib import Path

from SarcopeniaTraining.patient_scores import PatientScore
from SarcopeniaTraining.run_folder import FoldRun, Run
from SarcopeniaTraining.splits import Fold

CUTOFFS_CM2 = {"male": 144.0, "female": 92.0}


def score(case, areas_cm2, dice=0.9, *, sex="male", fold=1, checkpoint="best", person=None):
    """A reading with true and predicted area; statuses by the paper's rule."""
    cutoff_cm2 = CUTOFFS_CM2.get(sex)
    statuses = [
        "undetermined" if cutoff_cm2 is None else "sarcopenic" if area < cutoff_cm2 else "not sarcopenic"
        for area in areas_cm2
    ]
    return PatientScore(
        fold=fold,
        checkpoint=checkpoint,
        model_sha256=f"{fold:064x}",
        case=case,
        person=person or case,
        sex=sex,
        truth_sma_cm2=areas_cm2[0],
        predicted_sma_cm2=areas_cm2[1],
        dice=dice,
        truth_status=statuses[0],
        predicted_status=statuses[1],
        cutoff_cm2=cutoff_cm2,
        mean_surface_distance_mm=0.5,
        surface_distance_95_mm=2.0,
        mask_sha256="c" * 64,
    )


def run_of(folds, folder=Path("runs/made"), train_patients=None, preset="made"):
    """A run whose folds have these numbers and validation Dice: {number: dice}."""
    read = tuple(
        FoldRun(
            Fold(number, ("T1", "T2"), ("V1",), ("P1",)), folder / f"fold-{number:02d}", "epoch-060", dice
        )
        for number, dice in folds.items()
    )
    facts = {"preset": {"name": preset}, "train_patients": train_patients}
    return Run(folder, facts, read, ())
