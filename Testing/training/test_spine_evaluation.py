"""`--l3 auto` on many scans: which are drawn, how they are grouped, what is told of a group."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from SarcopeniaTraining.spine_scans import evaluation
from SarcopeniaTraining.spine_scans.counted import Counted, summary


def scored(error_mm, *, flagged=False, numbering="normal", partial=False, second=False) -> Counted:
    return Counted(1, numbering, partial, error_mm, 0.9, flagged, second, "", 1.0)


def test_a_summary_counts_near_wrong_flagged_and_refused():
    told = summary([scored(1.0), scored(-6.0), scored(34.0, flagged=True, second=True), scored(None)])
    assert told["within_5_mm_percent"] == 25.0
    assert told["wrong_vertebra_percent"] == 25.0
    assert (told["wrong"], told["wrong_and_flagged"], told["wrong_but_second_is_right"]) == (1, 1, 1)
    assert told["refused_percent"] == 25.0
    assert told["error_mm_median"] == 3.5
    assert summary([]) == {"scans": 0}


def test_groups_hold_each_scan_once_by_numbering():
    scans = [
        scored(1.0),
        scored(2.0, partial=True),
        scored(30.0, numbering="L6"),
        scored(0.0, numbering="T13"),
    ]
    told = evaluation.groups(scans)
    assert {name: group["scans"] for name, group in told.items()} == {
        "all": 4, "normal": 2, "normal, whole": 1, "normal, partial": 1, "variants": 2, "variant L6": 1,
        "variant T13": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("first", "without"), [(5_200_000, 5_250_000), (5_205_000, 5_255_000)])
def test_an_evaluation_keeps_its_scans_by_seed_and_each_first_seed_has_others_without_l3(
    tmp_path, monkeypatch, first, without
):
    monkeypatch.setattr(evaluation, "held_out_scan", lambda seed: replace(scored(1.0), seed=seed))
    monkeypatch.setattr(evaluation, "scan_without_l3", lambda seed: replace(scored(None), seed=seed))
    monkeypatch.setattr(evaluation, "as_done", lambda work, seeds, *_: map(work, reversed(seeds)))
    evaluation.evaluate(3, 2, tmp_path / "told.json", first_seed=first, jobs=2)
    told = json.loads((tmp_path / "told.json").read_text())
    assert [scan["seed"] for scan in told["scans"]] == [first, first + 1, first + 2]
    assert [scan["seed"] for scan in told["scans_without_l3"]] == [without, without + 1]
    assert told["without_l3"]["refused"] == 2


def test_a_scan_without_l3_ends_45_mm_beyond_its_middle_above_or_below(monkeypatch):
    drawn = []

    def draw_scan(seed, *, coverage_mm):
        drawn.append(coverage_mm)
        facts = SimpleNamespace(l3_superior_mm=0.0, numbering="normal")
        return SimpleNamespace(hu=np.zeros((4, 4, 4), np.int16), ras_from_ijk=np.eye(4), facts=facts)

    monkeypatch.setattr(evaluation, "draw_scan", draw_scan)
    monkeypatch.setattr(evaluation, "counted", lambda *given, **told: told)
    for seed in range(40):
        assert evaluation.scan_without_l3(seed)["seed"] == seed
    above = [low for low, high in drawn if low == 45 and 125 <= high <= 205]
    below = [high for low, high in drawn if high == -45 and -205 <= low <= -125]
    assert len(above) == len(below) == 20


@pytest.mark.slow
def test_the_held_out_scans_are_found(tmp_path):
    told = evaluation.evaluate(6, 2, tmp_path / "held-out.json", jobs=1)
    assert told["groups"]["all"]["within_5_mm_percent"] >= 50
    assert json.loads((tmp_path / "held-out.json").read_text())["groups"] == told["groups"]
