"""Every figure of an evaluation, and `captions.md` with a sentence on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaAssessLib.models import load_model
from SarcopeniaTraining.agreement_figures import bland_altman_figure, regression_figure
from SarcopeniaTraining.comparison import paired
from SarcopeniaTraining.figure_style import save
from SarcopeniaTraining.fold_scores import EVALUATION
from SarcopeniaTraining.outline_figures import best_median_worst, caption, outline_figure
from SarcopeniaTraining.patient_scores import read_patient
from SarcopeniaTraining.run_figures import comparison_figure, curves_figure, learning_curve_figure

if TYPE_CHECKING:
    from SarcopeniaTraining.cohort import Cohort
    from SarcopeniaTraining.comparison import ScoredRun
    from SarcopeniaTraining.fold_summary import FoldSummary

FIGURES, CAPTIONS = "figures", "captions.md"
_GROUPS = ((True, "sarcopenic"), (False, "not sarcopenic"))


def draw_pictures(
    own: ScoredRun, best: FoldSummary, beside: Sequence[ScoredRun], cohort: Cohort, device: str
) -> list[Path]:
    """Draw every figure into `RUN/evaluation/figures`.

    Returns
    -------
    The files, captions last.

    Raises
    ------
    SarcopeniaError
        The best fold's model or a patient's files cannot be read, or the folder not written.
    """
    folder = own.run.folder / EVALUATION / FIGURES
    captions = _outlines(best, cohort, device, folder)
    fold = best.run.number
    others = [score for score in own.scores if score.fold != fold]
    made = {
        "bland_altman.png": (
            bland_altman_figure(best.scores, others, fold),
            f"Bland–Altman plots of the test patients of fold {fold}, the best on validation, and of all "
            "folds, where a patient may occur several times: bias (line) and limits of agreement (dashed) "
            "with 95 % intervals as bands. A ring marks a wrong status.",
        ),
        "regression.png": (
            regression_figure(best.scores, others, fold),
            f"Predicted against true area of the test patients of fold {fold}; pale: readings of the other "
            "folds.",
        ),
        "curves.png": (
            curves_figure(own.run),
            "Training loss and validation Dice of every fold; dots: the checkpoint that was chosen.",
        ),
    }
    compared = [other for other in beside if paired(own, other)]
    if compared:
        names = ", ".join(other.name for other in compared)
        made["comparison.png"] = (
            comparison_figure(own, compared),
            f"{own.name} beside {names}: the same test patients, a line a patient.",
        )
    runs = [own, *beside]
    if len({run.run.train_patients for run in runs}) > 1:
        made["learning_curve.png"] = (
            learning_curve_figure(runs),
            "Test scores over the number of training patients; mean and standard deviation over folds.",
        )
    for name, (figure, words) in made.items():
        save(figure, folder / name)
        captions[name] = words
    text = "".join(f"**{name}** {words}\n\n" for name, words in captions.items())
    write_whole(folder / CAPTIONS, text.encode())
    return [*(folder / name for name in captions), folder / CAPTIONS]


def _outlines(best: FoldSummary, cohort: Cohort, device: str, folder: Path) -> dict[str, str]:
    """The paper's Figures 4 and 5; a group without a test patient has none."""
    model = load_model(best.run.model_file(), device)
    captions = {}
    for sarcopenic, words in _GROUPS:
        chosen = best_median_worst([score for score in best.scores if score.sarcopenic is sarcopenic])
        if not chosen:
            continue
        readings = [read_patient(cohort[one.score.case], model, device) for one in chosen]
        name = f"outlines_{words.replace(' ', '_')}.png"
        save(
            outline_figure(chosen, readings, f"Test patients of fold {best.run.number} who are {words}"),
            folder / name,
        )
        captions[name] = caption(chosen, words, best.run.number)
    return captions
