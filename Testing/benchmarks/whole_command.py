"""The whole command, cold, on a 512×512×200 .nii.gz, until every file is written: at most 10 s."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from Testing.benchmarks.children import NotMeasuredError, forget, made_ct, require_default_model, run_python
from Testing.benchmarks.tables import Row

TITLE = "Whole command, a fresh process, CT dropped from the file cache (512×512×200 .nii.gz)"
AIM_S = 10.0


def rows() -> list[Row]:
    """Wall time, and where it goes by the record's own account."""
    require_default_model()
    path = made_ct("nifti", 200)
    forget(path)
    with tempfile.TemporaryDirectory() as out:
        ran = run_python(
            "-m", "SarcopeniaAssessLib", "assess", str(path), "--sex", "male", "--l3", "slice:100",
            "--case", "bench", "--out", out,
        )  # fmt: skip
        if ran.status != 0:
            raise NotMeasuredError(ran.err.strip())
        timing = json.loads((Path(out) / "bench" / "assessment.json").read_text())["timing_s"]
    stages = {"read": "reading", "preprocess": "preprocessing", "network": "network", "write": "writing"}
    elsewhere = ran.wall_s - sum(timing[stage] for stage in stages)
    return [
        Row("whole command", ran.wall_s, "s", AIM_S),
        Row("· interpreter, imports, loading the model, measuring", elsewhere, "s"),
        *(Row(f"· {name}", timing[stage], "s") for stage, name in stages.items()),
    ]
