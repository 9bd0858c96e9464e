"""Results of the scene as files for an archive: SEG and SR, or the whole folder of a case."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from SarcopeniaAssessLib.assessment import Assessment
from SarcopeniaAssessLib.errors import InputError, SarcopeniaError
from SarcopeniaAssessLib.slicer_bridge import export, result_nodes
from SarcopeniaAssessLib.slicer_bridge.review_logic import ReviewLogic


class ExportLogic(ReviewLogic):
    """What can be written of a result that is there; opens no dialog."""

    def dicomAssessment(self, segmentationNode: Any) -> Assessment:
        """As `assessment`, its CT opened from the DICOM files that it was loaded from.

        Raises
        ------
        InputError
            There are none any more, or they hold something else than what was assessed: a CT that was
            resampled, moved or changed has no slice in the archive that a result could refer to.
        SarcopeniaError
            As `result`.
        """
        made = self.assessment(segmentationNode)
        there = self.openCts.dicom(result_nodes.ct_node_of(segmentationNode))
        k = made.level.slice_from_feet
        there = there.around(k)
        same = (
            there.input.sha256 == made.volume.input.sha256
            and np.allclose(there.ras_from_ijk, made.volume.ras_from_ijk, rtol=0.0, atol=1e-6)
            and np.allclose(there.slab(k, k + 1), made.volume.slab(k, k + 1), rtol=0.0, atol=0.5)
        )
        if not same:
            raise InputError(
                "The result was not made of the CT's DICOM files as they are now",
                "assess the CT again, and accept that result",
            )
        return replace(made, volume=replace(made.volume, source=there.source))

    def exportDicom(
        self, segmentationNode: Any, folder: str | Path, *, keepIdentity: bool = False
    ) -> tuple[Path, Path]:
        """Write a result's segmentation and report (`export.write_dicom`); files of these names are replaced.

        Parameters
        ----------
        keepIdentity:
            Whether they say who the patient is, as an archive needs; otherwise patient and study are blank.

        Returns
        -------
        Both files.

        Raises
        ------
        OutputError
            highdicom is not installed, or the folder cannot be written.
        SarcopeniaError
            As `dicomAssessment`.
        """
        made = self.dicomAssessment(segmentationNode)
        return export.write_dicom(Path(folder), made, keep_identity=keepIdentity)

    def exportCase(
        self,
        segmentationNode: Any,
        folder: str | Path,
        *,
        keepIdentity: bool = False,
        replaceCase: bool = False,
    ) -> Path:
        """Write all files of a result into a folder of its own, as `sarcopenia assess --out` does.

        A CT from DICOM whose files cannot be referred to is written without SEG and SR, and its record
        says why.

        Parameters
        ----------
        folder:
            The output folder.
        replaceCase:
            Whether an earlier case of this name, CT and level goes, if nobody has accepted it.

        Returns
        -------
        The case's folder.

        Raises
        ------
        OutputError
            highdicom is not installed, the disk refuses, or another run holds the folder.
        SarcopeniaError
            As `result`.
        """
        made, refusal = self.assessment(segmentationNode), None
        if made.record["input"]["format"] == "dicom":
            try:
                made = self.dicomAssessment(segmentationNode)
            except SarcopeniaError as error:
                refusal = error
        place = export.CasePlace.of(Path(folder), made.record, replacing=replaceCase)
        return export.write_case_folder(place, made, keep_identity=keepIdentity, refusal=refusal)
