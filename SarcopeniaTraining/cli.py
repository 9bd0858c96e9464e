"""The `sarcopenia` command: the library's verbs, and those of training, each imported when it is called."""

from __future__ import annotations

import sys

from SarcopeniaAssessLib.__main__ import LAZY_VERBS, run_group
from SarcopeniaAssessLib.__main__ import cli as library_cli
from SarcopeniaAssessLib.lazy_verbs import LazyGroup

TRAINING_VERBS = {
    "phantom": ("SarcopeniaTraining.phantom.command:phantom", "Draw phantom CTs with their exact truth."),
    "import": ("SarcopeniaTraining.cohort_commands:import_", "Import a data set as a cohort."),
    "splits": ("SarcopeniaTraining.cohort_commands:splits", "Shuffle a cohort into train, validation, test."),
    "pretrain": (
        "SarcopeniaTraining.pretraining_command:pretrain",
        "Pre-train a SMIT encoder on CTs without masks.",
    ),
    "finetune": ("SarcopeniaTraining.finetuning_command:finetune", "Train a segmentation network."),
    "classify": (
        "SarcopeniaTraining.classification.classify_command:classify",
        "Train the paper's Keras classifiers.",
    ),
    "explain": ("SarcopeniaTraining.classification.explain_command:explain", "Explain a classifier's calls."),
    "evaluate": ("SarcopeniaTraining.evaluation_command:evaluate", "Score a model or a training run."),
    "calibrate": (
        "SarcopeniaTraining.calibration_command:calibrate_model",
        "Calibrate and check a model's SMA interval.",
    ),
    "reproduce": (
        "SarcopeniaTraining.reproduce_command:reproduce",
        "Reproduce the whole paper, from a cohort to its report.",
    ),
}


cli = LazyGroup(
    name=library_cli.name,
    commands=library_cli.commands,
    params=library_cli.params,
    help=library_cli.help,
    callback=library_cli.callback,
    context_settings=library_cli.context_settings,
    lazy={**LAZY_VERBS, **TRAINING_VERBS},
)


def main() -> None:
    """Entry point of the `sarcopenia` script."""
    sys.exit(run_group(cli))


if __name__ == "__main__":
    main()
