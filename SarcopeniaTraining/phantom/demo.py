"""The sample CT of `make demo`: a phantom of a seed that no training set draws.

    python -m SarcopeniaTraining.phantom.demo SarcopeniaAssess/Resources/demo

writes it again: `ct.nii.gz`, its truth `muscle.nii.gz`, and `about.json` with its facts.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.phantom.anatomy import Person
from SarcopeniaTraining.phantom.generate import Grid, Phantom
from SarcopeniaTraining.phantom.nifti_files import write_nifti
from SarcopeniaTraining.phantom.patients import in_phase
from SarcopeniaTraining.phantom.scanner import Scanner
from SarcopeniaTraining.phantom.volume import Rendering, phantom_volume

SEED = 3_000_112
SLICE = 12
"""The slice through the middle of L3, from the feet: `--l3 slice:12`."""
OFFSET_MM = (7.5, -21.0, -412.5)

_SHAPE, _SPACING_MM = (416, 296, 28), (1.0, 1.0, 5.0)
_CENTRE_MM = (-16.0, -8.0, (_SHAPE[2] - 1 - 2 * SLICE) / 2 * _SPACING_MM[2])


def demo_parts() -> tuple[Person, Grid, Scanner]:
    """A man in the portal phase, not sarcopenic but near the cut-off; soft kernel, little noise."""
    person = in_phase(Person.random(SEED, sex="male", muscularity=0.8), "portal")
    scanner = replace(Scanner.random(SEED), noise_hu=5.0, blur_mm=0.6, grain_mm=0.55, streaks_hu=0.0)
    return person, Grid.oblique(_SHAPE, _SPACING_MM, axes="LPS", centre_mm=_CENTRE_MM), scanner


def demo_phantom() -> Phantom:
    """The whole sample CT."""
    return phantom_volume(*demo_parts())


def demo_level() -> NDArray[np.int16]:
    """HU of the slice through L3 alone, canonical (i, j)."""
    return Rendering.of(*demo_parts()).draw(SLICE, SLICE + 1).hu[:, :, 0]


def write_demo(folder: Path) -> dict[str, Any]:
    """Write the sample CT, its truth and its facts; the facts are returned."""
    drawn = demo_phantom()
    affine = drawn.grid.ras_from_ijk.copy()
    affine[:3, 3] += OFFSET_MM
    volume = CtVolume.from_array(drawn.hu, affine)
    level = volume.slab(SLICE, SLICE + 1)[:, :, 0]
    truth = measure_slice(volume.canonical_slice_mask(drawn.muscle, SLICE), volume.pixel_area_cm2, hu=level)
    facts = {
        "about": "A phantom drawn by a program; it shows nobody. Research use only.",
        "command": "python -m SarcopeniaTraining.phantom.demo SarcopeniaAssess/Resources/demo",
        "seed": SEED,
        "sex": drawn.person.sex,
        "age_years": drawn.person.age_years,
        "phase": drawn.person.phase,
        "l3_slice_from_feet": SLICE,
        "l3_superior_mm": round(volume.slice_superior_mm(SLICE), 3),
        "true_sma_cm2": round(truth.sma_cm2, 2),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_nifti(folder / "ct.nii.gz", drawn.hu, affine)
    write_nifti(folder / "muscle.nii.gz", drawn.muscle, affine)
    (folder / "about.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


if __name__ == "__main__":
    print(json.dumps(write_demo(Path(sys.argv[1])), indent=1))  # noqa: T201
