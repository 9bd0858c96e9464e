"""`reproduction.json`: what is reproduced and how far; `manifest.json`: hashes of data, code and outputs."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.model_file import write_whole
from SarcopeniaTraining.reproduction_records import (
    FileHashes,
    StepRecord,
    code_sha256,
    digest,
    json_bytes,
    read_record,
)
from SarcopeniaTraining.reproduction_steps import FACTS, plain

if TYPE_CHECKING:
    from SarcopeniaTraining.reproduction_cohort import CohortFacts
    from SarcopeniaTraining.reproduction_preset import ReproductionPreset
    from SarcopeniaTraining.reproduction_steps import Inputs, Part, Step

MANIFEST = "manifest.json"
SCHEMA, MANIFEST_SCHEMA = "sarcopenia-reproduction/1", "sarcopenia-reproduction-manifest/1"
_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "monai",
    "tensorflow-cpu",
    "keras",
    "lime",
    "scikit-learn",
)


@dataclass(frozen=True)
class Subject:
    """What is reproduced.

    Attributes
    ----------
    everything:
        Steps of the whole paper; `wanted`: those asked for.
    """

    preset: ReproductionPreset
    cohort: CohortFacts
    inputs: Inputs
    only: Part | None
    everything: tuple[Step, ...]
    wanted: tuple[Step, ...]

    @property
    def command(self) -> str:
        """The command that makes it, without folders."""
        words = ["sarcopenia reproduce", *(["COHORT"] if self.inputs.cohort else [])]
        words += ["--preset", self.preset.name, "--out", "OUT"]
        words += ["--only", self.only.value] if self.only else []
        words += ["--weights", "RADIMAGENET"] if self.inputs.weights else []
        words += ["--encoder", self.inputs.encoder.name] if self.inputs.encoder else []
        return " ".join(words)


def write_facts(subject: Subject, out: Path, hashes: FileHashes) -> None:
    """`reproduction.json`: preset, cohort, starts, and the state of each step before the report.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    wanted = {step.name for step in subject.wanted}
    steps = []
    for step in subject.everything:
        if step.name == "report":
            continue
        record = read_record(out, step.name)
        steps.append({"name": step.name, "title": step.title, **_state(step, record, step.name in wanted)})
    values = {
        "schema": SCHEMA,
        "preset": _fields(subject.preset) | _presets(subject.everything),
        "command": subject.command,
        "cohort": subject.cohort.to_mapping(),
        "start": _start(subject.inputs, hashes),
        "only": subject.only,
        "steps": steps,
    }
    _write(out / FACTS, values)


def write_manifest(subject: Subject, out: Path, hashes: FileHashes) -> None:
    """`manifest.json`: hashes of the data, the code and every output that is finished.

    Raises
    ------
    OutputError
        The folder is full or not writable.
    """
    files: dict[str, str] = {FACTS: hashes.of(out / FACTS)}
    steps = []
    for step in subject.everything:
        record = read_record(out, step.name)
        done = record is not None and record.finished
        if record is not None and done:
            files |= record.outputs
        steps.append(
            {
                "name": step.name,
                "title": step.title,
                "command": step.told,
                "done": done,
                **({} if record is None else {"seconds": record.seconds, "code_sha256": record.code}),
            }
        )
    values = {
        "schema": MANIFEST_SCHEMA,
        "preset": subject.preset.name,
        "command": subject.command,
        "only": subject.only,
        "data": subject.cohort.to_mapping() | {"files_sha256": data_digest(subject.inputs, hashes)},
        "start": _start(subject.inputs, hashes),
        "code_sha256": code_sha256(),
        "software": software(),
        "steps": steps,
        "files": dict(sorted(files.items())),
    }
    _write(out / MANIFEST, values)


def data_digest(inputs: Inputs, hashes: FileHashes) -> str | None:
    """Over the hashes of a given cohort's files, whatever their names; None where phantoms are drawn."""
    return digest(sorted(map(hashes.of, inputs.cohort_files))) if inputs.cohort_files else None


def software() -> dict[str, str]:
    """Versions of what the numbers come from; a package that is not installed is left out."""
    found = {"sarcopenia-assess": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _state(step: Step, record: StepRecord | None, wanted: bool) -> Mapping[str, Any]:
    if record is not None and record.finished:
        return {"state": "done", "seconds": record.seconds, "code_sha256": record.code, "command": step.told}
    return {"state": "missing" if wanted else "not wanted"}


def _fields(preset: ReproductionPreset) -> dict[str, Any]:
    """As JSON holds them; of a part's file its name alone."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in asdict(preset).items()}


def _presets(steps: Sequence[Step]) -> dict[str, Any]:
    return {"parts": {step.name: dict(step.preset) for step in steps if step.preset is not None}}


def _start(inputs: Inputs, hashes: FileHashes) -> dict[str, Any]:
    encoder = inputs.encoder
    return {
        "classifier": "random" if inputs.weights is None else "radimagenet",
        "weights": {path.name: hashes.of(path) for path in inputs.weights_files} or None,
        "encoder": None if encoder is None else {"file": encoder.name, "sha256": hashes.of(encoder)},
    }


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Only where it says something new, so that the file's time tells when it did."""
    content = json_bytes(values)
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
