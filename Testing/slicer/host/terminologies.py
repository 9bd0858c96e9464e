"""The terminology files that Slicer ships and slicer-core lacks: like them without *Skeletal muscle*."""

import json
from pathlib import Path
from typing import Any

_SCHEMAS = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas"


def write_terminologies(folder: Path) -> None:
    """Write the three default contexts under the names that Slicer looks for."""
    muscle = _code("Muscle", "SCT", "71616004") | {"recommendedDisplayRGBValue": [192, 104, 88]}
    kinds = [_code("Tissue", "SCT", "85756007") | {"showAnatomy": "true", "Type": [muscle]}]
    for name in (
        "Segmentation category and type - 3D Slicer General Anatomy list",
        "Segmentation category and type - DICOM master list",
    ):
        content = {
            "SegmentationCategoryTypeContextName": name,
            "@schema": f"{_SCHEMAS}/segment-context-schema.json#",
            "SegmentationCodes": {"Category": kinds},
        }
        stem = "SlicerGeneralAnatomy" if "Slicer" in name else "DICOM-Master"
        _write(folder / f"SegmentationCategoryTypeModifier-{stem}.term.json", content)
    region = _code("Abdomen", "SCT", "818981001")
    content = {
        "AnatomicContextName": "Anatomic codes - DICOM master list",
        "@schema": f"{_SCHEMAS}/anatomic-context-schema.json#",
        "AnatomicCodes": {"AnatomicRegion": [region]},
    }
    _write(folder / "AnatomicRegionAndModifier-DICOM-Master.term.json", content)


def _code(meaning: str, scheme: str, value: str) -> dict[str, Any]:
    return {"CodeMeaning": meaning, "CodingSchemeDesignator": scheme, "CodeValue": value}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
