"""Ways to train, side by side, with their scores: a row of a table and a line of a figure each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.classification.classifier_scores import COUNTS, THRESHOLD
from SarcopeniaTraining.classification.over_sets import calls_over_sets, confusion_over_sets
from SarcopeniaTraining.classification.run_words import estimates, with_interval
from SarcopeniaTraining.table_files import Block, Row, Shown, Table, Value, mean_sd, number, word, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from SarcopeniaTraining.classification.run_scores import Combination
    from SarcopeniaTraining.classification.study import Way

CALLS = {
    "sensitivity": "recall",
    "specificity": "specificity",
    "f1": "f1",
    "balanced_accuracy": "balanced_accuracy",
}
"""Columns, and what `over_sets` calls them."""
PANELS = {
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "balanced_accuracy": "balanced\naccuracy",
}
NOTES = (
    "AUC: of each set's test patients by that set's network; mean and standard deviation (n − 1) over sets. "
    "The other scores are of all sets' test patients together. Intervals: people drawn with replacement, "
    "sarcopenic ones and others apart, each with all of his or her readings (2,000 draws).",
    "– : cannot be told, e.g. F1 where nobody was called sarcopenic.",
)


def ways_table(
    name: str, title: str, heading: str, results: Sequence[tuple[Way, Combination]], notes: Sequence[str]
) -> Table:
    """A row a way; `name` is that of the files."""
    names = [f"{score}{end}" for score in ("auc", *CALLS) for end in ("", "_low_95", "_high_95")]
    block = Block(
        heading,
        (
            *("way", "network", "scheme", "sets", "trained_sarcopenic", "trained_other", "threshold"),
            *(*names, "auc_sd", "validation_auc", *COUNTS),
        ),
        (
            Shown("way", word("way")),
            Shown("learned from (sarcopenic/others)", _learned),
            Shown("sets", word("sets")),
            Shown("threshold, mean", number("threshold", 2)),
            Shown("AUC, mean ± sd", mean_sd("auc", "auc_sd", 2)),
            Shown("AUC (95 %)", with_interval("auc", 2)),
            Shown("sensitivity (95 %)", with_interval("sensitivity", 2)),
            Shown("specificity (95 %)", with_interval("specificity", 2)),
            Shown("F1 (95 %)", with_interval("f1", 2)),
            Shown("balanced accuracy (95 %)", with_interval("balanced_accuracy", 2)),
        ),
    )
    return Table(name, title, (block,), tuple(way_row(*result) for result in results), (*notes, *NOTES))


def way_row(way: Way, runs: Combination) -> dict[str, Value]:
    """A way's scores over its sets."""
    thresholds = list(runs.thresholds) if way.moves_threshold else [THRESHOLD] * len(runs.runs)
    over, validation = runs.test_auc, runs.validation_auc
    calls = calls_over_sets(runs.tests, thresholds)
    total = confusion_over_sets(runs.tests, thresholds)
    sarcopenic, other = _learned_from(way)
    return {
        "way": way.title,
        "network": runs.network,
        "scheme": runs.scheme,
        "sets": len(runs.runs),
        "trained_sarcopenic": sarcopenic,
        "trained_other": other,
        "threshold": sum(thresholds) / len(thresholds),
        **estimates({"auc": None if over is None else over.mean}),
        **estimates({own: calls[name] for own, name in CALLS.items()}),
        "auc_sd": None if over is None else over.sd,
        "validation_auc": None if validation is None else validation.mean,
        **{count: getattr(total, count) for count in COUNTS},
    }


def ways_figure(rows: Sequence[Row]) -> Figure:
    """A panel a score, a line a way: its value and its 95 % interval; dashed: chance."""
    from SarcopeniaTraining.figure_style import BLUE, GREY, INK, panels

    figure, axes = panels(1, len(PANELS), 1.1 + 0.45 * len(rows))
    places = list(range(len(rows)))[::-1]
    for axis, (name, title) in zip(axes, PANELS.items(), strict=True):
        if name not in {"sensitivity", "specificity"}:
            axis.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
        for place, row in zip(places, rows, strict=True):
            _mark(axis, place, row, name, BLUE)
        axis.set_title(title, color=INK, fontsize=11)
        axis.set_xlim(-0.03, 1.03)
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_yticks(places, [_broken(row) for row in rows] if axis is axes[0] else [])
        axis.tick_params(length=0)
    return figure


def write_study(table: Table, folder: Path, caption: str) -> list[Path]:
    """The table's files, `figures/NAME.png` and `figures/captions.md`.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    from SarcopeniaTraining.figure_style import save

    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    made = write_table(table, folder)
    picture = save(ways_figure(table.rows), figures / f"{table.name}.png")
    captions = figures / "captions.md"
    write_whole(captions, f"**{picture.name}** {caption}\n".encode())
    return [*made, picture, captions]


def _mark(axis: Any, place: int, row: Row, name: str, colour: str) -> None:
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low_95", "_high_95"))
    if value is None:
        axis.text(0.5, place, "–", ha="center", va="center")
        return
    if low is not None and high is not None:
        axis.plot([float(low), float(high)], [place, place], color=colour, linewidth=2, clip_on=False)
    axis.plot([float(value)], [place], "o", color=colour, markersize=6, clip_on=False)


def _broken(row: Row) -> str:
    """Its title, in two lines where it has two parts."""
    return str(row["way"]).replace(": ", ":\n")


def _learned(row: Row) -> str:
    return f"{row['trained_sarcopenic']}/{row['trained_other']}"


def _learned_from(way: Way) -> tuple[int, int]:
    """Sarcopenic and other cases in the training part of the first set of the plan; sets are alike."""
    images = next(iter(way.plan.images.values()))
    label = dict(zip(images.names, images.sarcopenic.tolist(), strict=True))
    train = [label[case] for case in way.plan.folds()[0].train]
    return train.count(True), train.count(False)
