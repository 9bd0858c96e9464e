"""A short campaign: some hundred damaged files of every kind, and that the campaign itself sees faults.

The long one is `python -m Testing.fuzz` (docs/reliability.md).
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from SarcopeniaAssessLib.errors import InputError
from Testing.fuzz import campaign, child, targets, whole_commands
from Testing.fuzz.mutations import damaged
from Testing.fuzz.targets import TARGETS


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


def _writes(path: Path) -> str:
    (path.parent / "left").write_text("x")
    return "read"


@pytest.mark.parametrize(
    ("reader", "outcome"), [(_fails, "KeyError"), (_tells_the_path, "path told"), (_writes, "wrote")]
)
def test_what_must_not_be_is_found(tmp_path, monkeypatch, reader, outcome):
    monkeypatch.setitem(targets.TARGETS, "ct", reader)
    (tmp_path / "a").write_text("x")
    assert child.tried("ct", tmp_path / "a", tmp_path)["outcome"] == outcome


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
