"""The sections on how a run was made: what could agree and why not, and every preset, seed and hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from SarcopeniaAssessLib import __version__
from SarcopeniaAssessLib.markup import Html, element, joined
from SarcopeniaTraining.report_page.circumstances import (
    Circumstances,
    Classification,
    Data,
    Segmentation,
)
from SarcopeniaTraining.report_page.content import ReportContent
from SarcopeniaTraining.report_page.expectation import Verdict
from SarcopeniaTraining.report_page.sections import Section, all_rows, reasons
from SarcopeniaTraining.report_page.table_parts import Grid, laid_out, verdict
from SarcopeniaTraining.splits import CLASSIFICATION_SIZES, SEGMENTATION_SIZES
from SarcopeniaTraining.table_files import NOT_KNOWN

_NOT_RUN = "not part of this run"
_VERDICT_WORDS = {
    Verdict.YES: "the two should agree within their spread",
    Verdict.OPEN: "nothing that is known speaks against it, but not all is known",
    Verdict.NO: "something that decides the number is different; nearness would be chance",
    Verdict.NO_PAIR: "the printed number has no counterpart, so that a difference says nothing",
    Verdict.MISSING: "this run has no such number",
}


def agreement_section(content: ReportContent) -> Section:
    """What could agree: the paper's circumstances beside this run's, and what each verdict means."""
    told = content.told
    rows = list(_circumstances(told))
    grid = Grid(
        "circumstances",
        "What decides the numbers: the paper’s circumstances and this run’s",
        ("what", "the paper", "this run"),
        rows,
        kind="words",
    )
    key = [
        joined(element("dt", verdict(each)), element("dd", words)) for each, words in _VERDICT_WORDS.items()
    ]
    return Section(
        "agreement",
        "What could agree, and what could not",
        joined(
            element(
                "p",
                "A number can only be expected to come out as printed if it is of the same kind of data, "
                "from the same start and by the same training. Every number below says whether that is so.",
                class_="lead",
            ),
            laid_out(grid),
            element("h3", "What the verdicts mean"),
            element("dl", *key, class_="reasons verdicts"),
            element("h3", "What the reasons mean"),
            reasons(all_rows(content)),
        ),
    )


def run_section(content: ReportContent) -> Section:
    """Presets, seeds, hashes, software, steps: enough to make the run again."""
    told = content.told
    facts = [(name, value) for name, value in _facts(told) if value not in (None, "")]
    parts = [
        laid_out(Grid("facts", "Presets, seeds and hashes", ("fact", "value"), facts, kind="words facts")),
        _steps(told),
        _files(content),
    ]
    return Section("making", "How this run was made", joined(*parts))


def _circumstances(told: Circumstances) -> Iterator[tuple[str, str, str]]:
    own, cut, sorted_ = told.cohort, told.segmentation, told.classification
    whose = {
        Data.PHANTOMS: "phantoms, drawn by a program",
        Data.PATIENTS: "a cohort given by the user",
        Data.UNTOLD: "not told",
    }
    yield "images", "CT of patients of the Freeman Hospital, Newcastle", whose[own.data]
    yield (
        "patients (sarcopenic; men)",
        "79 (18; 52)",
        f"{_shown(own.patients)} ({_shown(own.sarcopenic)}; {_shown(own.men)})",
    )
    yield (
        "segmentation: network and training",
        "SMIT, pre-trained on more than 3,500 CTs, 200 epochs of fine-tuning",
        _NOT_RUN if cut is None else _trained(cut),
    )
    yield "segmentation: patients of a fold", _sizes(SEGMENTATION_SIZES), _sizes(cut.sizes if cut else None)
    yield "checkpoint and best fold", "observed during testing", "chosen on validation"
    yield "classifiers: start", "RadImageNet", _NOT_RUN if sorted_ is None else _start(sorted_)
    yield (
        "classifiers: image size",
        "each network’s own, 299 or 224 pixels",
        _NOT_RUN if sorted_ is None else _side(sorted_),
    )
    yield (
        "classifiers: training",
        "Adam, 5e-5, batch 8, early stopping",
        _NOT_RUN if sorted_ is None else _training(sorted_),
    )
    yield (
        "classifiers: images of a set",
        _sizes(CLASSIFICATION_SIZES),
        _sizes(sorted_.sizes if sorted_ else None),
    )


def _trained(cut: Segmentation) -> str:
    kind = {"smit": "SMIT", "unet": "U-Net"}.get(
        str((cut.preset.get("network") or {}).get("kind")), "a network"
    )
    where = "given" if cut.encoder_given else "pre-trained in this run"
    encoder = f"encoder {cut.encoder} ({where})" if cut.encoder else "not pre-trained"
    return f"{kind} of preset {cut.name}, {encoder}, {_shown(cut.preset.get('epochs'))} epochs"


def _start(run: Classification) -> str:
    random, all_ = run.random_networks, tuple(run.starts)
    if not all_:
        return "not told"
    if not random:
        return "RadImageNet"
    if len(random) == len(all_):
        return "random (RadImageNet’s weights cannot be bundled)"
    return f"random: {', '.join(random)}; the others RadImageNet"


def _side(run: Classification) -> str:
    return "each network’s own, 299 or 224 pixels" if run.side is None else f"{run.side} × {run.side} pixels"


def _training(run: Classification) -> str:
    names = ("learning_rate", "batch", "epochs", "patience")
    rate, batch, epochs, patience = (_shown(run.preset.get(name)).replace("e-0", "e-") for name in names)
    weights = ", class weights" if run.preset.get("class_weights") else ""
    leak = ", drawn outlines left in (a leak on purpose)" if run.leak else ""
    return (
        f"Adam, {rate}, batch {batch}, at most {epochs} epochs, stopped after {patience} without gain"
        f"{weights}{leak}"
    )


def _sizes(sizes: Sequence[int] | None) -> str:
    if sizes is None:
        return _NOT_RUN
    return "{} train, {} validation, {} test".format(*sizes)


def _facts(told: Circumstances) -> Iterator[tuple[str, Any]]:
    own, cut, sorted_ = told.cohort, told.segmentation, told.classification
    yield "command", _hash(told.command)
    yield "preset of the reproduction", told.preset
    yield "part asked for", told.only
    yield "cohort", own.name
    yield "cohort, seed of the phantoms", own.seed
    yield "cohort, SHA-256", _hash(own.digest)
    if cut is not None:
        yield "segmentation, preset", cut.name
        yield "segmentation, seed", cut.preset.get("seed")
        yield "segmentation, seed of the folds", cut.split_seed
        yield "segmentation, encoder", cut.encoder
        yield "segmentation, encoder’s SHA-256", _hash(cut.encoder_sha256)
        yield "segmentation, best fold on validation", cut.summary.get("best_fold")
        yield "segmentation, commit", _hash(cut.provenance.get("commit"))
        for fold, sha256 in (cut.summary.get("model_sha256") or {}).items():
            yield f"segmentation, model of {fold}, SHA-256", _hash(sha256)
    if sorted_ is not None:
        yield "classifiers, preset", sorted_.name
        yield "classifiers, seed", sorted_.seed
        yield "classifiers, seed of the sets", sorted_.split_seed
        for network, start in sorted_.starts.items():
            yield f"classifiers, start of {network}", _start_words(start)
    yield from _software(told)


def _software(told: Circumstances) -> Iterator[tuple[str, Any]]:
    """Versions, each once; those of the report's own maker first."""
    versions: dict[str, Any] = {"sarcopenia-assess": __version__}
    for source in (
        told.segmentation.provenance if told.segmentation else None,
        told.classification.software if told.classification else None,
    ):
        if isinstance(source, Mapping):
            versions |= {key: value for key, value in source.items() if key not in (*versions, "commit")}
    yield "software", ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None)


def _start_words(start: object) -> Any:
    if isinstance(start, Mapping):
        return joined(f"{start.get('file', 'RadImageNet')}, SHA-256 ", _hash(start.get("sha256")))
    return start


def _hash(value: object) -> Html | None:
    return None if value is None else element("code", value)


def _shown(value: object) -> str:
    return NOT_KNOWN if value is None else str(value)


def _steps(told: Circumstances) -> Html | None:
    if not told.steps:
        return None
    rows = [
        (
            step.title,
            step.state,
            NOT_KNOWN if step.seconds is None else f"{step.seconds:.0f}",
            _hash(step.code_sha256 and step.code_sha256[:12]) or NOT_KNOWN,
        )
        for step in told.steps
    ]
    grid = Grid("steps", "Steps in order", ("step", "state", "seconds", "code, SHA-256 begins"), rows)
    return laid_out(grid)


def _files(content: ReportContent) -> Html:
    """What the page was made from; manifest.json holds every output."""
    rows = [(name, _hash(sha256)) for name, sha256 in content.files.items()]
    summary = f"SHA-256 of the {len(rows)} tables and figures that this page shows"
    grid = Grid("files", f"{summary}; manifest.json holds those of every output", ("file", "SHA-256"), rows)
    return element("details", element("summary", summary), laid_out(replace(grid, kind="words facts")))
