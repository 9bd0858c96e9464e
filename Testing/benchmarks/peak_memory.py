"""A 512×512×800 CT, NIfTI and DICOM: peak memory below its int16 size + 1.5 GB, slices decoded few."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from Testing.benchmarks.children import NotMeasuredError, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Peak memory of the whole command (512×512×800)"
SLICES = 800
AIM_GB = (512 * 512 * SLICES * 2 + 1.5e9) / 1e9


def rows() -> list[Row]:
    """Peak resident memory of the command's process, wall time, and DICOM frames decoded."""
    require_default_model()
    out = []
    for kind, name in (("nifti", ".nii.gz"), ("dicom", "DICOM, a file a slice")):
        path = made_ct(kind, SLICES)
        ran = run_python("-m", "Testing.benchmarks.peak_memory", str(path))
        if ran.status != 0:
            raise NotMeasuredError(ran.err.strip())
        out.append(Row(f"{name}: peak memory", ran.peak_bytes / 1e9, "GB", AIM_GB))
        out.append(Row(f"{name}: whole command", ran.wall_s, "s"))
        if kind == "dicom":
            frames = json.loads(ran.out.splitlines()[-1])["frames_decoded"]
            out.append(Row(f"{name}: frames decoded of {SLICES}", frames, "frames", 24))
    return out


def _assess_counting(path: str) -> None:
    """The command in this process, with every decoding of DICOM pixels counted."""
    import pydicom.pixels.utils

    from SarcopeniaAssessLib.__main__ import cli, run_group

    decode, decoded = pydicom.pixels.utils.pixel_array, []

    def counted(*arguments, **options):
        decoded.append(1)
        return decode(*arguments, **options)

    pydicom.pixels.utils.pixel_array = counted
    with tempfile.TemporaryDirectory() as out:
        status = run_group(
            cli,
            [
                "assess",
                path,
                "--sex",
                "male",
                "--l3",
                f"slice:{SLICES // 2}",
                "--case",
                "bench",
                "--out",
                out,
            ],
        )
        written = sorted(file.name for file in (Path(out) / "bench").glob("*"))
    print(json.dumps({"frames_decoded": len(decoded), "written": written}))
    sys.exit(status)


if __name__ == "__main__":
    _assess_counting(sys.argv[1])
