"""The checkpoints of one fold: each kept, each scored on the validation patients, the best one chosen.

A score is that of the library's `segment_slices` from CT to mask, as in assessment. Test patients are
never met here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from SarcopeniaAssessLib.errors import ModelError, OutputError
from SarcopeniaAssessLib.model_file import SegmentationNetwork, write_whole
from SarcopeniaAssessLib.models import ModelEntry, SegmentationModel, load_model, save_model
from SarcopeniaAssessLib.segmentation import segment_slices
from SarcopeniaTraining.evaluation import score_slice
from SarcopeniaTraining.networks import exportable

if TYPE_CHECKING:
    from SarcopeniaTraining.cached_cases import CachedCase
    from SarcopeniaTraining.finetuning import Training

VALIDATION, BEST = "validation.json", "best"


@dataclass(frozen=True, eq=False)
class FoldValidation:
    """Keeps and scores checkpoints in a fold's folder; called by the training loop.

    Attributes
    ----------
    cases:
        Validation patients, at least one.
    trained_on:
        A sentence for the models' entries.
    """

    folder: Path
    cases: Sequence[CachedCase]
    trained_on: str
    device: str
    tell: Callable[[str], None]

    def __call__(self, training: Training, epoch: int) -> Mapping[str, float]:
        """Keep the averaged network as `epoch-NNN.safetensors` and score it."""
        name = f"epoch-{epoch:03d}"
        preset = training.preset
        entry = ModelEntry(
            name=preset.name,
            version="1",
            architecture=preset.network,
            preprocessing=preset.slab.to_mapping(),
            trained_on=self.trained_on,
            training={"command": preset.command, "seed": list(training.seed), "epoch": epoch},
        )
        network = exportable(preset.network, training.average.module)
        save_model(self.folder / f"{name}.safetensors", network, entry)
        scores = self._score(name)
        self.tell(
            f"epoch {epoch} of {preset.epochs}: validation Dice {scores['dice']:.3f}, "
            f"SMA error {scores['sma_absolute_error_percent']:.1f} %"
        )
        return {f"validation_{key}": value for key, value in scores.items()}

    def finish(self) -> str:
        """Choose the best checkpoint by its validation Dice (of equals, the latest) and copy it to `best`.

        Returns
        -------
        str
            Its name, `epoch-NNN`.

        Raises
        ------
        ModelError
            No checkpoint was kept.
        """
        kept = sorted(path.stem for path in self.folder.glob("epoch-*.safetensors"))
        known = self._known()
        for name in kept:
            if name not in known:
                self._score(name)
        scores = {name: score for name, score in self._known().items() if name in kept}
        if not scores:
            raise ModelError(
                f"{self.folder.name} holds no checkpoint to choose from",
                "remove this folder and repeat the command",
            )
        best = max(scores, key=lambda name: (scores[name]["dice"], name))
        if scores[best]["dice"] == 0:
            self.tell(
                f"no checkpoint finds any muscle of the validation patients; {best} is kept as the best"
            )
        try:
            part = self.folder / f".{BEST}.part"
            shutil.copyfile(self.folder / f"{best}.safetensors", part)
            part.replace(self.folder / f"{BEST}.safetensors")
        except OSError as error:
            raise OutputError(
                f"the best checkpoint cannot be copied ({error.strerror})",
                "make room, then repeat the command",
            ) from None
        self._write({**scores, BEST: best})
        return best

    def _score(self, name: str) -> dict[str, float]:
        """Mean scores of a kept checkpoint, which also go into `validation.json`."""
        loaded = load_model(self.folder / f"{name}.safetensors")
        network: Any = loaded.network
        model = SegmentationModel(cast(SegmentationNetwork, network.to(self.device)), loaded.entry)
        found = []
        for case in self.cases:
            volume = case.volume
            drawn = segment_slices(volume, [case.level], model, self.device)[0]
            found.append(score_slice(case.case, drawn.mask, case.truth, volume.pixel_area_cm2))
        errors = [score.error_percent for score in found]
        scores = {
            "dice": round(float(np.mean([score.dice for score in found])), 6),
            "sma_error_percent": round(float(np.mean(errors)), 4),
            "sma_absolute_error_percent": round(float(np.mean(np.abs(errors))), 4),
        }
        self._write({**self._known(), name: scores})
        return scores

    def _known(self) -> dict[str, dict[str, float]]:
        """Scores so far; a damaged file is as none, they are computed again."""
        try:
            values = json.loads((self.folder / VALIDATION).read_text("utf-8"))
            return {name: score for name, score in values.items() if isinstance(score, dict)}
        except (OSError, ValueError, AttributeError):
            return {}

    def _write(self, values: Mapping[str, Any]) -> None:
        write_whole(
            self.folder / VALIDATION, (json.dumps(dict(sorted(values.items())), indent=1) + "\n").encode()
        )
