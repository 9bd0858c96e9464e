"""A cohort: CTs with their masks, levels and labels, as a manifest lists them, validated when read.

docs/cohorts.md documents the manifest. Files are opened when a case is used, not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from SarcopeniaAssessLib.assessment import GivenFacts
from SarcopeniaAssessLib.case_names import safe_name
from SarcopeniaAssessLib.criteria import StatusValue, judge
from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.errors import Finding, InputError, LevelError, MaskError, Severity
from SarcopeniaAssessLib.level import find_level
from SarcopeniaAssessLib.manifest_rows import Row, number_of, one_of, path_of, sex_of, whole_of
from SarcopeniaAssessLib.mask_grid import PlacedMask, place_mask
from SarcopeniaAssessLib.measurement import Measurement
from SarcopeniaAssessLib.patient import PatientFacts, Sex
from SarcopeniaTraining.manifest import read_cases

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from SarcopeniaAssessLib.volume import CtVolume

_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(frozen=True)
class CohortCase:
    """One CT of a cohort.

    Attributes
    ----------
    ct, mask:
        Files (of DICOM a folder); the mask is `None` where the muscle was not outlined.
    level:
        `slice:K` from the feet or `s:MM`; `None`: the only slice that the mask marks.
    sarcopenic:
        As told by the manifest; `None`: not told.
    annotated:
        Which slices of the mask are truth: L3 alone, or all of the CT.
    sma_cm2:
        The mask's area at L3, where the manifest tells it.
    label:
        Value of the muscle in the mask; `None`: its only one.
    patient:
        Who it is, where one person has several CTs; by default each case is a person.
    """

    case: str
    ct: Path
    mask: Path | None = None
    level: str | None = None
    sex: Sex | None = None
    sarcopenic: bool | None = None
    annotated: Literal["l3", "volume"] = "l3"
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    sma_cm2: float | None = None
    label: int | None = None
    patient: str | None = None

    @property
    def is_annotated(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    def open(self) -> CtVolume:
        """The CT, with the manifest's facts before those of its header.

        Raises
        ------
        SarcopeniaError
            As `ct_io.open_ct`.
        """
        volume = open_ct(self.ct)
        facts = GivenFacts(self.sex, self.age_years, self.height_m, self.weight_kg)
        return volume.with_patient(facts.over(volume.patient))

    def slice_from_feet(self, volume: CtVolume) -> int:
        """Canonical slice of L3.

        Raises
        ------
        LevelError
            No level is given and the mask marks several slices or there is none; one outside the scan.
        MaskError
            As `truth`.
        """
        if self.level is not None:
            return find_level(self.level, volume).slice_from_feet
        marked = self._placed(volume).marked if self.mask is not None else ()
        if len(marked) != 1:
            raise LevelError(
                f"The level of L3 is not given and the mask marks {len(marked)} slices",
                "fill in the manifest's column l3_slice_from_feet or l3_superior_mm",
            )
        return marked[0]

    def truth(self, volume: CtVolume, k: int) -> NDArray[np.bool_]:
        """The mask on canonical slice k, (I, J).

        Raises
        ------
        MaskError
            There is no mask, it does not fit its CT (saying what differs), or it is empty there.
        """
        return self._placed(volume).at(k)

    def truth_volume(self, volume: CtVolume) -> NDArray[np.bool_]:
        """The mask on all slices, (I, J, K) canonical; for cases annotated as a volume.

        Raises
        ------
        MaskError
            As `truth`; or the case is annotated at L3 alone.
        """
        if self.annotated != "volume":
            raise MaskError("Only the slice at L3 is annotated", "use the truth of that slice")
        return self._placed(volume).whole(volume.slice_count)

    def _placed(self, volume: CtVolume) -> PlacedMask:
        if self.mask is None:
            raise MaskError("The case has no mask", "fill in the manifest's column muscle")
        return place_mask(read_label_map(self.mask), volume, label=self.label)


@dataclass(frozen=True)
class Cohort:
    """The cases of a manifest.

    Attributes
    ----------
    path:
        The manifest's file.
    digest:
        SHA-256 of what the manifest means: cases, files as it names them, levels, labels; neither order
        of rows, nor separator, nor columns that are not read change it.
    findings:
        Case and what a careful reader of the manifest would ask about it.
    """

    path: Path
    cases: tuple[CohortCase, ...]
    digest: str
    findings: tuple[tuple[str, Finding], ...] = ()

    def __getitem__(self, case: str) -> CohortCase:
        """The case of that name.

        Raises
        ------
        InputError
            The cohort has no such case.
        """
        try:
            return self._by_name[case]
        except KeyError:
            raise InputError(f"The cohort has no case {case}", "give the cohort that has it") from None

    @cached_property
    def _by_name(self) -> dict[str, CohortCase]:
        return {case.case: case for case in self.cases}


def read_cohort(path: str | Path) -> Cohort:
    """Read and validate a manifest; CTs and masks must be there, they are not opened.

    Parameters
    ----------
    path:
        A folder with `manifest.csv` or `manifest.json`, or such a file.

    Raises
    ------
    InputError
        No manifest, or rows that are wrong; the message names each row and what is wrong in it.
    """
    file, cases = read_cases(path, _case)
    return Cohort(file, cases, digest_of(cases, file.parent), tuple(_contradictions(cases)))


def is_sarcopenic(sma_cm2: float, sex: Sex) -> bool:
    """What the default criterion says of an area and a sex, whatever the age."""
    judged = judge(Measurement(sma_cm2), PatientFacts(sex=sex, sex_source="given"))
    return judged.status.value is StatusValue.SARCOPENIC


def contradiction(case: CohortCase, sma_cm2: float) -> Finding | None:
    """A warning if the label told is not the one that area and sex give."""
    if case.sex is None or case.sarcopenic is None or is_sarcopenic(sma_cm2, case.sex) == case.sarcopenic:
        return None
    told, measured = ("", "not ") if case.sarcopenic else ("not ", "")
    return Finding(
        "contradictory_label",
        Severity.WARNING,
        f"told {told}sarcopenic, but {sma_cm2:.2f} cm² of a {case.sex.value} patient is {measured}sarcopenic",
    )


def _contradictions(cases: Sequence[CohortCase]) -> list[tuple[str, Finding]]:
    found = ((each.case, contradiction(each, each.sma_cm2)) for each in cases if each.sma_cm2 is not None)
    return [(case, finding) for case, finding in found if finding is not None]


def _case(row: Row, folder: Path) -> CohortCase:
    """One row, validated.

    Raises
    ------
    SarcopeniaError
        The first thing that is wrong with it.
    """
    ct = row.get("ct")
    if ct is None and row.get("image") is not None:
        raise InputError("an image, no CT", "use this cohort for `sarcopenia classify`")
    if ct is None:
        raise InputError("no ct is named", "fill in the column ct")
    mask = row.get("muscle", "mask")
    case = CohortCase(
        case=case_of(row),
        ct=existing(folder, ct, "ct"),
        mask=None if mask is None else existing(folder, mask, "muscle"),
        level=level_of(row),
        sex=sex_of(row),
        sarcopenic=label_of(row),
        annotated=_annotated(row),
        age_years=number_of(row, "age_years"),
        height_m=number_of(row, "height_m"),
        weight_kg=number_of(row, "weight_kg"),
        sma_cm2=number_of(row, "sma_cm2"),
        label=whole_of(row, "label"),
        patient=row.get("patient"),
    )
    GivenFacts(case.sex, case.age_years, case.height_m, case.weight_kg).over(PatientFacts())
    return case


def case_of(row: Row) -> str:
    """The row's case, a name that a folder can have.

    Raises
    ------
    InputError
        There is none, or it cannot name a folder.
    """
    name = row.get("case")
    if name is None:
        raise InputError("no case is named", "fill in the column case")
    safe = safe_name(name)
    if safe != name:
        raise InputError(f"case {name!r} cannot name a folder", f"call it {safe}")
    return name


def existing(folder: Path, text: str, column: str) -> Path:
    """A file or folder of the manifest, relative to the manifest's own folder unless absolute.

    Raises
    ------
    InputError
        There is nothing.
    """
    try:
        path = path_of(folder, text)
        is_there = path.exists()
    except (OSError, InputError):  # a name that no file can have
        is_there = False
    if not is_there:
        raise InputError(f"{column} {text!r} is not there", "paths start from the manifest's folder")
    return path


def label_of(row: Row) -> bool | None:
    """`yes` or `no` in the column `sarcopenic`; nothing if blank or `unknown`."""
    return one_of(row, "sarcopenic", _ANSWERS, "yes or no")


def _annotated(row: Row) -> Literal["l3", "volume"]:
    text = (row.get("annotated") or "l3").lower()
    if text not in ("l3", "volume"):
        raise InputError(f"annotated {text!r} is unknown", "give l3 or volume")
    return "volume" if text == "volume" else "l3"


def level_of(row: Row) -> str | None:
    """`slice:K` or `s:MM` from whichever of the level's columns is filled in, the slice first."""
    k, superior_mm = whole_of(row, "l3_slice_from_feet"), number_of(row, "l3_superior_mm")
    given = row.get("level", "l3")
    if given is not None:
        way, _, value = given.partition(":")
        try:
            k, superior_mm = (int(value), None) if way == "slice" else (None, float(value))
        except ValueError:
            way = ""
        if way not in ("slice", "s"):
            raise InputError(f"level {given!r} is none", "give slice:K (from the feet) or s:MM")
    if k is not None and k < 0:
        raise InputError(f"slice {k} is none", "count from 0, from the feet")
    if k is not None:
        return f"slice:{k}"
    return None if superior_mm is None else f"s:{superior_mm:g}"


def digest_of(cases: Iterable[Any], folder: Path) -> str:
    """SHA-256 of cases (dataclasses with a name `case`), whatever their order.

    Paths below the manifest's folder count from there, so that a cohort can be moved; an area does not
    count, since it follows from the mask.
    """
    meanings = [
        {
            name: _relative(value, folder) if isinstance(value, Path) else value
            for name, value in asdict(case).items()
            if name != "sma_cm2"
        }
        for case in cases
    ]
    ordered = sorted(meanings, key=lambda one: str(one["case"]))
    return hashlib.sha256(json.dumps(ordered, sort_keys=True).encode()).hexdigest()


def _relative(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
