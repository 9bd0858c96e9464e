"""Assessed CTs from DICOM files, without a network: the mask is drawn by hand, the model is only named."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from SarcopeniaAssessLib.assessment import Assessment, Drawing, GivenFacts, ask, conclude
from SarcopeniaAssessLib.case_files import write_case
from SarcopeniaAssessLib.models import ModelEntry
from Testing.library import small_case
from Testing.library.ct_files import store, write_dicom, write_enhanced

PLANTED = ("Planted^Name", "Planted", "PLANTED-ID", "19480615")
"""What ct_files writes into every header, and what may be nowhere unless the identity is kept."""
PIXELMED = "/usr/share/java/pixelmed.jar"


@dataclass(frozen=True)
class NamedModel:
    """What a drawing needs to know of a model."""

    entry: ModelEntry


MODEL = NamedModel(
    ModelEntry(
        name="by-hand",
        version="3",
        architecture={"kind": "smit"},
        preprocessing={},
        trained_on="nothing",
        sha256="cd" * 32,
        scores={"sma_relative_halfwidth_95": 0.05},
    )
)


def write_ct(
    folder: Path,
    order: tuple[int, ...] = (0, 1, 2),
    flips: tuple[bool, ...] = (False, False, False),
    *,
    turned: np.ndarray[Any, Any] | None = None,
    enhanced: bool = False,
    **attributes: Any,
) -> Path:
    """The small CT as a DICOM series; its slices stay the third native axis."""
    ras = small_case.affine()
    if turned is not None:
        ras[:3, :3] = turned @ ras[:3, :3]
    native, ras = store(small_case.ct(), ras, order, flips)
    if enhanced:
        write_enhanced(folder / "all", native, ras, [4, 2, 0, 6, 1, 5, 3])
    else:
        write_dicom(folder, native, ras, **attributes)
    return folder


def assessed(folder: Path, model: NamedModel | None = MODEL, k: int = small_case.LEVEL) -> Assessment:
    """What `assess` makes of such a CT with exactly the muscle as its mask; a woman of 60."""
    question = ask(folder, GivenFacts("female", 60.0, 1.7), l3=f"slice:{k}", case="one")
    masks = [small_case.muscle()[:, :, n] != 0 for n in (k - 1, k, k + 1)]
    hu = question.volume.slab(k, k + 1)[:, :, 0]
    drawing = Drawing(masks[1], hu, (masks[0], masks[2]), model=model, device="cpu" if model else None)
    return conclude(question, drawing)


def reviewed(made: Assessment, **review: Any) -> Assessment:
    """The same, with another review block."""
    return replace(made, record={**made.record, "review": {**made.record["review"], **review}})


def accepted(made: Assessment, organization: str | None = "Royal Hospital") -> Assessment:
    """Accepted by a person an hour and a bit later, in another zone."""
    return reviewed(
        made,
        state="accepted",
        reviewer="Dr. Ada Müller",
        organization=organization,
        at="2030-01-02T01:30:15+01:00",
    )


def write(folder: Path, made: Assessment, **options: Any) -> Path:
    """The files of a case."""
    folder.mkdir(parents=True)
    write_case(folder, made, **options)
    return folder


def tool(*command: str) -> str:
    """What an independent program says, both streams; skips where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def pixelmed(path: Path) -> str:
    """What PixelMed's DicomSRValidator says of a report."""
    if not Path(PIXELMED).exists():
        pytest.skip("PixelMed is not installed (Debian: libpixelmed-java)")
    limits = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")]
    return tool(
        "java", *limits, "-cp", "/usr/share/java/*", "com.pixelmed.validate.DicomSRValidator", str(path)
    )
