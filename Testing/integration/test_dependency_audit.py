"""What the audit makes of a report: a known fault fails; that data is missing is said and fails nothing."""

from __future__ import annotations

import runpy
from pathlib import Path

AUDIT = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "audit.py"))
SOUND = {"name": "click", "version": "8.1.7", "vulns": []}
UNKNOWN = {"name": "torch", "version": "2.13.0", "skip_reason": "not found on PyPI"}
FAULTY = {
    "name": "pillow",
    "version": "9.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2022-1"], "fix_versions": ["9.0.1"], "description": "x"}],
}


def judged(*packages):
    return AUDIT["judged"]({"dependencies": list(packages), "fixes": []})


def test_a_known_fault_fails_and_says_what_repairs_it():
    lines, status = judged(SOUND, FAULTY, UNKNOWN)
    assert status == 1
    assert lines[0] == "pillow 9.0: PYSEC-1 (CVE-2022-1), repaired in 9.0.1"
    assert lines[1] == "2 packages audited, 1 advisories; of 1 no advisory data could be had"


def test_sound_packages_pass():
    assert judged(SOUND) == (["1 packages audited, 0 advisories"], 0)


def test_nothing_audited_is_not_called_sound():
    lines, status = judged(UNKNOWN, UNKNOWN)
    assert status == 0
    assert lines == ["Nothing was audited: no advisory data could be had here for 2 packages"]


def test_an_accepted_advisory_is_known_by_any_of_its_names():
    AUDIT["ACCEPTED"]["CVE-2022-1"] = "the reader concerned is not used"
    try:
        assert judged(FAULTY) == (["1 packages audited, 0 advisories"], 0)
    finally:
        AUDIT["ACCEPTED"].clear()
