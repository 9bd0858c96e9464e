"""A short campaign: some hundred damaged files of every kind, and that the campaign itself sees faults.

The long one is `python -m Testing.fuzz` (docs/reliability.md).
"""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from SarcopeniaAssessLib.errors import InputError, ModelError, SarcopeniaError
from SarcopeniaAssessLib.model_file import ModelEntry
from SarcopeniaAssessLib.verification import verify_path
from Testing.fuzz import campaign, child, targets, whole_commands
from Testing.fuzz.mutations import damaged
from Testing.fuzz.targets import TARGETS
from Testing.library import small_case


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The seeds, made once."""
    root = tmp_path_factory.mktemp("fuzz")
    return root, campaign.prepare(root)


def test_every_seed_is_read_as_it_is(prepared, tmp_path):
    """A seed that is refused undamaged would test nothing."""
    import shutil

    _, seeds = prepared
    assert {seed.kind for seed in seeds} == set(TARGETS)
    for number, seed in enumerate(seeds):
        place = tmp_path / str(number)
        shutil.copytree(seed.folder, place)
        if seed.kind == "registry":  # its weights were left out on purpose
            continue
        assert TARGETS[seed.kind](place / seed.entry) == "read", (seed.kind, seed.name)


def test_a_number_tells_the_whole_file_again(prepared, tmp_path):
    _, seeds = prepared
    for number in range(40):
        seed = seeds[number % len(seeds)]
        made = []
        for place in (tmp_path / f"{number}-a", tmp_path / f"{number}-b"):
            _, how = child.damaged_copy(seed, place, Random(f"9:{number}"))
            files = sorted(path for path in place.rglob("*") if path.is_file())
            made.append((how, [(path.relative_to(place), path.read_bytes()) for path in files]))
        if not seed.name.startswith("dicom-zip"):  # an archive holds the time at which it was made
            assert made[0] == made[1], (seed.kind, seed.name)


def test_most_copies_are_damaged(prepared):
    _, seeds = prepared
    content = (seeds[0].folder / "ct.nii").read_bytes()
    changed = [damaged(content, "ct.nii", Random(number))[0] != content for number in range(100)]
    assert sum(changed) > 80


def test_a_hundred_files_of_every_kind(prepared):
    root, seeds = prepared
    report = campaign.run(root, range(3 * len(seeds)), "short")
    assert sum(sum(counts.values()) for counts in report.outcomes.values()) == 3 * len(seeds)
    assert report.findings == []
    assert report.longest_s < campaign.LONGEST_S


def _fails(_: Path) -> str:
    raise KeyError("a fault")


def _tells_the_path(path: Path) -> str:
    raise InputError(f"{path} is odd", "change it")


def _says_nothing(_: Path) -> str:
    raise InputError("It is odd", " ")


def _writes(path: Path) -> str:
    (path.parent / "left").write_text("x")
    return "read"


@pytest.mark.parametrize(
    ("reader", "outcome"),
    [
        (_fails, "KeyError"),
        (_tells_the_path, "path told"),
        (_says_nothing, "says nothing"),
        (_writes, "wrote"),
    ],
)
def test_what_must_not_be_is_found(tmp_path, monkeypatch, reader, outcome):
    monkeypatch.setitem(targets.TARGETS, "ct", reader)
    (tmp_path / "a").write_text("x")
    assert child.tried("ct", tmp_path / "a", tmp_path)["outcome"] == outcome


def test_a_part_that_is_left_behind_is_found(tmp_path, monkeypatch):
    def leaves_a_part(path: Path) -> str:
        (path.parent / ".case.sarcopenia-part-1").mkdir()
        return "read"

    monkeypatch.setitem(targets.TARGETS, "output", leaves_a_part)
    assert child.tried("output", tmp_path / "out", tmp_path)["outcome"] == "half written"


def test_what_the_command_must_not_say_or_leave_is_found(tmp_path):
    case = tmp_path / "case"
    case.mkdir()
    for name in whole_commands.FILES:
        (case / name).touch()
    (tmp_path / "assessments.csv").touch()
    own = "sarcopenia: b: It holds no image; give another\n1 of 2 done, about 3 s left\n2 of 2 done\n"

    def faults(said: str = own, status: int = 1) -> list[str]:
        done = subprocess.CompletedProcess([], status, "", said)
        return [fault.partition(": ")[2] for fault in whole_commands._faults(done, tmp_path)]

    assert faults() == []
    assert faults(status=-11) == [f"exit status -11: {own}"]
    assert faults("sarcopenia: b: An unexpected KeyError\n") == [
        str(["sarcopenia: b: An unexpected KeyError"])
    ]
    for line in ("1 warning of libtiff", "WARNING: one of the tags is odd"):
        assert faults(own + line) == [f"a line that is none of its own: {line!r}"]
    (case / "report.pdf").unlink()
    (tmp_path / ".case.sarcopenia-part-1").touch()
    assert sorted(fault.partition(" ")[0] for fault in faults()) == [".case.sarcopenia-part-1", "case"]


def test_a_reader_that_hangs_and_one_that_takes_memory_are_found(prepared, monkeypatch):
    """In a real child, told by a number that only this test sends."""
    root, seeds = prepared
    monkeypatch.setattr(campaign, "LONGEST_S", 2.0)
    monkeypatch.setenv("SARCOPENIA_FUZZ_FAULTS", "1")
    hang, memory = (next(n for n in range(1000) if n % len(seeds) == which) for which in (0, 1))
    started = time.monotonic()
    report = campaign.run(root, [hang, memory], "faulty")
    assert [finding["outcome"] for finding in report.findings] == ["hang", "memory"]
    assert time.monotonic() - started < 120


@pytest.mark.slow
def test_a_thousand_files_and_the_command(prepared):
    root, seeds = prepared
    report = campaign.run(root, range(1000), "long")
    assert report.findings == []
    assert whole_commands.findings(root, seeds, 60, "long") == []


FOUND = sorted((Path(__file__).parent / "found").iterdir())
"""Files that once ended the process in ITK's readers, gzipped; folders are called kind-seed-number."""


@pytest.mark.parametrize("folder", FOUND, ids=lambda folder: folder.name)
def test_what_was_found_is_read_or_refused(folder, tmp_path):
    kind, name, _ = folder.name.split("-")
    for packed in folder.iterdir():
        (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    (header,) = tmp_path.glob(f"*.{name}")
    with suppress(SarcopeniaError):
        assert TARGETS[kind](header) == "read"


def test_a_criterion_whose_borderline_is_left_out_is_verified(tmp_path):
    """The schema asks for it of the status alone."""
    record = small_case.record()
    for other in record["other_criteria"]:
        del other["borderline"]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "assessment.json").write_text(json.dumps(record), "utf-8")
    (found,) = verify_path(tmp_path / "one")
    # The first of the two is determined with an interval, so its borderline is known; the second's is not.
    told = [finding.message for finding in found.findings if finding.code == "status_contradicts"]
    assert told == ["derstine2018_smi: the record says borderline None, its numbers False."]


def test_presets_splits_and_registries_that_were_not_understood(tmp_path):
    deep = tmp_path / "finetune.json"
    deep.write_text("[" * 100_000)
    with pytest.raises(SarcopeniaError):
        TARGETS["preset"](deep)
    with pytest.raises(SarcopeniaError):
        TARGETS["splits"](deep)
    with pytest.raises(SarcopeniaError, match="its entry makes no sense"):
        TARGETS["model"](small_case.write_model(tmp_path / "m.safetensors", preprocessing={"slices": "x"}))


@pytest.mark.parametrize("kind", [[], {}, ["smit"], None, 3, True])
def test_an_architecture_whose_kind_is_no_text_is_refused(kind):
    entry = {"name": "m", "version": "1", "preprocessing": {}, "trained_on": "x"}
    with pytest.raises(ModelError, match="not known"):
        ModelEntry.from_mapping({**entry, "architecture": {"kind": kind}})
