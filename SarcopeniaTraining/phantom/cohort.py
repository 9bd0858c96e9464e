"""A cohort of phantoms as files: a folder a patient, `manifest.csv`, `cohort.json`, checksums.

The same plan gives the same bytes. A patient's folder appears by one rename, so an interrupted run is
continued by the same call.
"""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.criteria import default_criterion, format_area
from SarcopeniaAssessLib.errors import OutputError
from SarcopeniaAssessLib.measurement import measure_slice
from SarcopeniaAssessLib.output_lock import LOCK_FILE, FolderLock
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.cohort import is_sarcopenic
from SarcopeniaTraining.machine import as_done
from SarcopeniaTraining.phantom.dicom_files import SeriesFacts, write_series
from SarcopeniaTraining.phantom.generate import Phantom
from SarcopeniaTraining.phantom.nifti_files import write_nifti
from SarcopeniaTraining.phantom.patients import (
    CohortError,
    Patient,
    ScanPlan,
    Wanted,
    cutoff_cm2,
    make_patient,
)
from SarcopeniaTraining.phantom.volume import GENERATOR

SCHEMA = "sarcopenia-phantom-cohort/1"
IDENTITY, MANIFEST, CHECKSUMS = "cohort.json", "manifest.csv", "SHA256SUMS"
_FACTS = "patient.json"
_PARTIAL = ".partial-"

Facts = Mapping[str, Any]
"""One patient's row of the manifest."""


@dataclass(frozen=True)
class CohortPlan:
    """What a cohort holds; refuses what cannot be.

    Attributes
    ----------
    patients, sarcopenic, men:
        Exact numbers; sarcopenia is spread over both sexes in proportion.
    format:
        `nifti` (`ct.nii.gz`) or `dicom` (a folder `ct`, a file a slice); masks are NIfTI in both.
    """

    patients: int = 79
    sarcopenic: int = 18
    men: int = 52
    seed: int = 1
    format: str = "nifti"
    scan: ScanPlan = field(default_factory=ScanPlan)

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise CohortError(f"A cohort of {self.patients} patients is none", "give --patients 1 or more")
        for name, count in (("sarcopenic", self.sarcopenic), ("men", self.men)):
            if not 0 <= count <= self.patients:
                raise CohortError(
                    f"{count} of {self.patients} patients cannot be {name}",
                    f"give --{name} 0…{self.patients}",
                )
        if self.seed < 0:
            raise CohortError(f"The seed {self.seed} is negative", "give a whole number from 0 up")

    def identity(self) -> dict[str, Any]:
        """What `cohort.json` says; equal for equal files."""
        numbers = asdict(self)
        scan = numbers.pop("scan")
        return {
            "schema": SCHEMA,
            "about": "Phantoms drawn by a program; no patient is shown. Research use only.",
            "generator": GENERATOR,
            "criterion": default_criterion(),
            **numbers,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in scan.items()},
        }

    def wanted(self) -> list[Wanted]:
        """Sex and status of each patient, in an order drawn from the seed."""
        share = self.sarcopenic * self.men / self.patients
        women = self.patients - self.men
        sarcopenic_men = min(max(round(share), self.sarcopenic - women), self.men)
        kinds = [(Sex.MALE, n < sarcopenic_men) for n in range(self.men)]
        kinds += [(Sex.FEMALE, n < self.sarcopenic - sarcopenic_men) for n in range(women)]
        order = np.random.default_rng([self.seed, 0]).permutation(self.patients)
        return [Wanted(number + 1, *kinds[int(place)]) for number, place in enumerate(order)]


def write_cohort(
    plan: CohortPlan, folder: Path, *, jobs: int = 1, tell: Callable[[Facts], None] = lambda _: None
) -> list[Facts]:
    """Write what is missing of a cohort and return its manifest.

    Parameters
    ----------
    folder:
        New, empty, or with the same cohort, whole or begun.
    jobs:
        Processes that draw; the files do not depend on it.
    tell:
        Called with each patient's facts as they are ready, those found on disk first.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            _claim(plan, folder)
            found = [wanted for wanted in plan.wanted() if (folder / wanted.case).is_dir()]
            for wanted in found:
                tell(_facts_on_disk(folder, wanted.case))
            missing = [wanted for wanted in plan.wanted() if wanted not in found]
            for facts in as_done(partial(write_patient, plan, folder=folder), missing, jobs):
                tell(facts)
            return _finish(plan, folder)
        finally:
            lock.release()
    except OSError as error:
        raise OutputError(
            f"The cohort cannot be written ({error.strerror or 'the disk refuses'})",
            "give a folder on a disk with room, then repeat the command: it goes on",
        ) from error


def _claim(plan: CohortPlan, folder: Path) -> None:
    """Make sure that the folder is this cohort's, and clear away what a killed run left."""
    identity = json.loads(json.dumps(plan.identity()))
    path = folder / IDENTITY
    if path.exists():
        held = _json(path)
        other = sorted(name for name in {*held, *identity} if held.get(name) != identity.get(name))
        if other:
            raise OutputError(
                f"The folder holds another cohort (differs in {', '.join(other)})", "give another folder"
            )
    elif any(not one.name.startswith((LOCK_FILE, _PARTIAL)) for one in folder.iterdir()):
        raise OutputError("The folder holds other files", "give a new or empty folder")
    for left in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    _replace(path, json.dumps(identity, indent=1, ensure_ascii=False) + "\n")


def write_patient(plan: CohortPlan, wanted: Wanted, folder: Path) -> Facts:
    """Draw one patient and write the folder; it is there whole or not at all."""
    patient = make_patient(plan.seed, wanted, plan.scan)
    drawn = patient.draw()
    part = folder / f"{_PARTIAL}{wanted.case}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    affine = patient.ras_from_ijk
    write_nifti(part / "muscle.nii.gz", drawn.muscle, affine)
    if plan.format == "dicom":
        write_series(part / "ct", drawn.hu, affine, _series_facts(plan, patient))
    else:
        write_nifti(part / "ct.nii.gz", drawn.hu, affine)
    facts = _facts(plan, patient, drawn)
    (part / _FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.rename(folder / wanted.case)
    return facts


def _series_facts(plan: CohortPlan, patient: Patient) -> SeriesFacts:
    blur_mm = patient.scanner.blur_mm
    return SeriesFacts(
        name=f"{json.dumps(plan.identity(), sort_keys=True)} {patient.wanted.case}",
        case=patient.wanted.case,
        patient=patient.facts,
        phase=patient.person.phase,
        kvp=patient.kvp,
        kernel="PHANTOM-" + ("SHARP" if blur_mm < 0.6 else "MEDIUM" if blur_mm < 0.9 else "SOFT"),
        slice_mm=float(np.linalg.norm(patient.grid.ras_from_ijk[:3, 2])),
        tilt_deg=plan.scan.tilt_deg,
    )


def _facts(plan: CohortPlan, patient: Patient, drawn: Phantom) -> dict[str, Any]:
    """A row of the manifest; areas and HU are measured as the library measures any mask."""
    wanted, facts, case = patient.wanted, patient.facts, patient.wanted.case
    volume = CtVolume.from_array(drawn.hu, patient.ras_from_ijk)
    mask = volume.canonical_slice_mask(drawn.muscle, patient.level)
    hu = volume.slab(patient.level, patient.level + 1)[:, :, 0]
    measured = measure_slice(mask, volume.pixel_area_cm2, hu=hu)
    spacing_mm = [round(value, 6) for value in volume.spacing_mm]
    return {
        "case": case,
        "ct": f"{case}/ct" + ("" if plan.format == "dicom" else ".nii.gz"),
        "muscle": f"{case}/muscle.nii.gz",
        "sex": wanted.sex.value,
        "age_years": patient.person.age_years,
        "height_m": facts.height_m,
        "weight_kg": facts.weight_kg,
        "sarcopenic": "yes" if is_sarcopenic(measured.sma_cm2, wanted.sex) else "no",
        "sma_cm2": float(format_area(measured.sma_cm2, cutoff_cm2(wanted.sex), decimals=4)),
        "mean_hu": round(measured.mean_hu or 0.0, 2),
        "l3_superior_mm": round(volume.slice_superior_mm(patient.level), 3),
        "l3_slice_from_feet": patient.level,
        "phase": patient.person.phase,
        "kvp": patient.kvp,
        "noise_hu": round(patient.scanner.noise_hu, 2),
        "columns": volume.shape[0],
        "rows": volume.shape[1],
        "slices": volume.shape[2],
        "spacing_i_mm": spacing_mm[0],
        "spacing_j_mm": spacing_mm[1],
        "spacing_k_mm": spacing_mm[2],
        "orientation": volume.orientation,
        "slice_tilt_deg": round(volume.tilt_deg, 3),
        "muscularity": round(patient.person.muscularity, 6),
        "seed": patient.person.seed,
    }


def _facts_on_disk(folder: Path, case: str) -> Facts:
    facts: Facts = _json(folder / case / _FACTS)
    return facts


def _json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise OutputError(f"{path.name} in the folder is damaged", "give another folder") from None
    return read


def _finish(plan: CohortPlan, folder: Path) -> list[Facts]:
    """Manifest and checksums, once every patient is there."""
    rows = [_facts_on_disk(folder, wanted.case) for wanted in plan.wanted()]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    _replace(folder / MANIFEST, text.getvalue())
    files = sorted(path for row in rows for path in (folder / row["case"]).rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in [folder / IDENTITY, folder / MANIFEST, *files]
    ]
    _replace(folder / CHECKSUMS, "".join(lines))
    return rows


def _replace(path: Path, text: str) -> None:
    """Write a file by one rename."""
    part = path.with_name(_PARTIAL + path.name)
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
