"""A mask that another tool or a person drew → the same record, for the `measure` command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SarcopeniaAssessLib.assessment import Assessment, Drawing, GivenFacts, Question, conclude
from SarcopeniaAssessLib.case_names import case_name, safe_name
from SarcopeniaAssessLib.criteria import resolve_criterion
from SarcopeniaAssessLib.ct_io import open_ct, read_label_map
from SarcopeniaAssessLib.errors import LevelError, MaskError
from SarcopeniaAssessLib.level import Level, LevelMethod, find_level
from SarcopeniaAssessLib.mask_grid import choose_label, require_same_grid
from SarcopeniaAssessLib.volume import CtVolume

if TYPE_CHECKING:
    from numpy.typing import NDArray


def measure_mask(  # noqa: PLR0913 - as `assess`: what a person can say, each by its name
    mask: str | Path,
    facts: GivenFacts | None = None,
    *,
    label: int | None = None,
    ct: str | Path | CtVolume | None = None,
    l3: str | None = None,
    criteria: Sequence[str] = (),
    series: str | None = None,
    case: str | None = None,
) -> Assessment:
    """Measure the muscle of an existing mask.

    Parameters
    ----------
    mask:
        NIfTI, NRRD or MetaImage; of several labels, `label` is the muscle.
    ct, series:
        The CT it was drawn on, for HU; without it, the record has none.
    l3:
        As for `assess`; `None`: the only slice that is not empty.
    facts, criteria, case:
        As for `assess`.

    Raises
    ------
    MaskError
        Empty, several labels and none chosen, on another grid than the CT, several slices and no level.
    SarcopeniaError
        As `assess` raises them.
    """
    return conclude(
        *ask_mask(mask, facts, label=label, ct=ct, l3=l3, criteria=criteria, series=series, case=case)
    )


def ask_mask(  # noqa: PLR0913 - see `measure_mask`
    mask: str | Path,
    facts: GivenFacts | None = None,
    *,
    label: int | None = None,
    ct: str | Path | CtVolume | None = None,
    l3: str | None = None,
    criteria: Sequence[str] = (),
    series: str | None = None,
    case: str | None = None,
) -> tuple[Question, Drawing]:
    """Everything about a given mask but its measurement; see `measure_mask`."""
    started = time.perf_counter()
    given = read_label_map(mask)
    inside = choose_label(given.labels, label)
    grid = CtVolume.from_array(inside.view(np.uint8), given.ras_from_ijk, input=given.input)
    volume = grid
    if ct is not None:
        volume = ct if isinstance(ct, CtVolume) else open_ct(ct, series=series)
        require_same_grid(grid, volume)
    slices = grid.axes.view(inside)
    level = _level(l3, slices, volume, with_ct=ct is not None)
    k = level.slice_from_feet
    question = Question(
        volume=volume.around(k).with_patient((facts or GivenFacts()).over(volume.patient)),
        level=level,
        dicom_sex=volume.patient.sex if volume.patient.sex_source == "dicom" else None,
        criteria=tuple(resolve_criterion(each) for each in criteria),
        case=safe_name(case) if case else case_name(mask),
        started=started,
        read_s=time.perf_counter() - started,
    )
    below, above = (_slice_or_none(slices, each) for each in (k - 1, k + 1))
    hu = None if ct is None else volume.slab(k, k + 1)[:, :, 0]
    return question, Drawing(
        mask=slices[:, :, k], hu=hu, neighbours=(below, above), sha256=given.input.sha256
    )


def _level(spec: str | None, slices: NDArray[np.bool_], volume: CtVolume, *, with_ct: bool) -> Level:
    marked = np.flatnonzero(slices.any(axis=(0, 1)))
    extent = f"{marked[0]}…{marked[-1]}"
    if spec is None and marked.size > 1:
        raise MaskError(
            f"The mask is marked on {marked.size} slices ({extent} from the feet)",
            "say which is L3 with --l3 slice:K, s:MM, labels:FILE[=V] or, with its CT, auto",
        )
    if spec is None:
        k = int(marked[0])
        return Level(k, volume.slice_superior_mm(k), LevelMethod.SLICE)
    if spec.strip().lower() in ("", "auto") and not with_ct:
        raise LevelError(
            "A mask alone does not show where L3 is", "give its CT, or slice:K, s:MM or labels:FILE"
        )
    level = find_level(spec, volume)
    if not slices[:, :, level.slice_from_feet].any():
        raise MaskError(
            f"The mask is empty on slice {level.slice_from_feet}; it is marked on {extent} from the feet",
            "choose a slice on which the muscle is marked",
        )
    return level


def _slice_or_none(slices: NDArray[np.bool_], k: int) -> NDArray[np.bool_] | None:
    """A neighbour, where the mask goes on there; a mask of one slice says nothing of others."""
    if not 0 <= k < slices.shape[2] or not slices[:, :, k].any():
        return None
    neighbour: NDArray[np.bool_] = slices[:, :, k]
    return neighbour
