"""The `sarcopenia` command: the library's verbs, and those of training, each imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from SarcopeniaAssessLib.__main__ import cli as library_cli
from SarcopeniaAssessLib.__main__ import run_group

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


class LazyGroup(click.Group):
    """A group that knows some verbs by name and one line of help, and imports them when they are called.

    Parameters
    ----------
    lazy:
        Verb → ("module:command", one line of help).
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs: the library's, then those of training."""
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb itself, imported now if it is one of training."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs in the help; imports none of them."""
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        known = [(name, command.get_short_help_str(limit)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl([*known, *((name, line) for name, (_, line) in self._lazy.items())])


cli = LazyGroup(
    name=library_cli.name,
    commands=library_cli.commands,
    params=library_cli.params,
    help=library_cli.help,
    callback=library_cli.callback,
    context_settings=library_cli.context_settings,
    lazy=TRAINING_VERBS,
)


def main() -> None:
    """Entry point of the `sarcopenia` script."""
    sys.exit(run_group(cli))


if __name__ == "__main__":
    main()
