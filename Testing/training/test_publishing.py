"""The bundled interval is a conformal bound, and a published model is what was trained."""

import json
from dataclasses import replace

import numpy as np
import pytest

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining import publishing
from SarcopeniaTraining.drawn_training import export
from SarcopeniaTraining.evaluation import SliceScore
from SarcopeniaTraining.finetuning import Training
from SarcopeniaTraining.presets import load_preset


def scores(errors_percent):
    return [SliceScore(str(n), 0.9, 100.0, 100.0 + e) for n, e in enumerate(errors_percent)]


def test_the_half_width_is_the_order_statistic():
    # 39 errors 1…39 ‰ of both signs: k = ⌈0.95 · 40⌉ = 38.
    errors = [(-1) ** n * n / 10 for n in range(1, 40)]
    assert publishing.half_width_95(scores(errors)) == pytest.approx(0.038)


def test_the_half_width_covers_95_percent_of_new_slices():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        bound = publishing.half_width_95(scores(rng.normal(0, 2, 60)))
        covered.append(np.mean(np.abs(rng.normal(0, 2, 500)) / 100 <= bound))
    assert 0.94 < np.mean(covered) < 0.98


def test_too_few_phantoms_calibrate_nothing():
    with pytest.raises(ModelError, match="take 19 or more"):
        publishing.half_width_95(scores(range(18)))


def test_a_published_model_is_listed_with_checksum_and_scores(tmp_path, monkeypatch):
    resources = tmp_path / "Resources"
    resources.mkdir()
    (resources / "Models.json").write_text('{"default": null, "models": []}')
    monkeypatch.setattr(publishing, "resource_path", lambda name: resources / name)
    exported = export(Training.start(load_preset("smoke")), tmp_path)

    entry = publishing.publish(tmp_path / exported.file, {"dice_mean": 0.5}, default=True)

    listed = json.loads((resources / "Models.json").read_text())
    assert listed["default"] == "smoke"
    assert listed["models"][0]["scores"] == {"dice_mean": 0.5}
    assert listed["models"][0]["sha256"] == entry.sha256
    assert (resources / "smoke.safetensors").is_file()

    publishing.enlist(replace(entry, scores={"dice_mean": 0.6}))
    publishing.enlist(replace(entry, name="beside"))
    listed = json.loads((resources / "Models.json").read_text())
    assert listed["default"] == "smoke"
    assert [(each["name"], each["scores"]["dice_mean"]) for each in listed["models"]] == [
        ("beside", 0.5),
        ("smoke", 0.6),
    ]
