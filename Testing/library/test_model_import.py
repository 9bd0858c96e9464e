"""A model of one's own comes into the user's registry whole, checked, and beside every other."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from SarcopeniaAssessLib import models
from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaAssessLib.model_file import ModelEntry, read_entry, save_model
from SarcopeniaAssessLib.model_import import import_model
from SarcopeniaAssessLib.models import load_model
from SarcopeniaAssessLib.smit import SmitConfig, build_smit
from Testing.library.official_smit import random_official

OFFICIAL = {
    "embed_dim": 4,
    "depths": [1, 2, 1, 1],
    "num_heads": [1, 2, 2, 4],
    "window_size": [4, 4, 4],
    "img_size": [32, 32, 32],
    "out_channels": 2,
    "patch_size": 2,
    "mlp_ratio": 2,
    "qkv_bias": True,
    "decoder_norm": "batch",
}
SMALL = SmitConfig(embed_dim=4, window_padding="zeros")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


def own_model(path):
    entry = ModelEntry(
        name="theirs",
        version="1",
        architecture={"kind": "smit", **SMALL.to_mapping()},
        preprocessing={"in_plane_mm": 1.5, "slice_mm": 5.0, "slices": 3},
        trained_on="nothing",
    )
    save_model(path, build_smit(SMALL).eval(), entry)
    return path


def official_checkpoint(path, part=""):
    state = random_official(OFFICIAL, seed=2).state_dict()
    torch.save({n: t for n, t in state.items() if n.startswith(part)}, path)
    return path


def test_an_imported_model_is_found_by_its_name(tmp_path):
    entry, report = import_model(own_model(tmp_path / "mine.safetensors"), "mine")
    assert report is None
    assert "mine" in [e.name for e in models.list_models()]
    assert load_model("mine").entry == entry
    assert read_entry(models.weights_path(entry)).name == "mine"
    with pytest.raises(ModelError, match="already"):
        import_model(tmp_path / "mine.safetensors", "mine")
    with pytest.raises(ModelError, match="bundled or was imported"):
        models.download_model("mine")


def test_an_official_checkpoint_sees_the_cube_that_it_was_trained_on(tmp_path):
    entry, report = import_model(official_checkpoint(tmp_path / "w.pt"), "theirs", config=OFFICIAL)
    assert report is not None
    assert report.complete
    assert (entry.preprocessing["slices"], entry.preprocessing["tile"]) == (32, 32)
    assert (entry.preprocessing["in_plane_mm"], entry.preprocessing["slice_mm"]) == (1.5, 2.0)
    image = torch.rand(1, 1, 32, 32, 32)
    with torch.inference_mode():
        ours, theirs = load_model("theirs").network(image), random_official(OFFICIAL, seed=2)(image)[2]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "fields", "message"),
    [
        ({}, {"slices": 16}, "cubes of 32 only"),
        ({}, {"in_plane_mm": 99.0}, "not usable"),
        ({"img_size": None}, {}, "add img_size"),
        ({"depths": [1, 3, 1, 1]}, {}, "stay random"),
        ({"depths": [1, 1, 1, 1]}, {}, "have no place"),
    ],
)
def test_what_would_not_be_the_published_network_is_refused(tmp_path, own_folder, change, fields, message):
    path = official_checkpoint(tmp_path / "w.pt")
    with pytest.raises(ModelError, match=message):
        import_model(path, "theirs", config=OFFICIAL | change, preprocessing=fields)
    assert not own_folder.exists()


def test_an_encoder_is_sent_to_fine_tuning(tmp_path):
    path = official_checkpoint(tmp_path / "encoder.pt", "transformer.")
    with pytest.raises(ModelError, match=r"sarcopenia finetune COHORT --encoder encoder\.pt"):
        import_model(path, "theirs", config=OFFICIAL)
    save_file({"encoder.a": torch.zeros(1)}, tmp_path / "ours.safetensors")
    with pytest.raises(ModelError, match=r"--encoder ours\.safetensors"):
        import_model(tmp_path / "ours.safetensors", "ours")
    with pytest.raises(ModelError, match="--config"):
        import_model(path, "theirs")


def test_imports_at_one_time_lose_none(tmp_path):
    path = own_model(tmp_path / "mine.safetensors")
    code = "import sys; from SarcopeniaAssessLib.__main__ import main; main()"
    names = [f"mine-{n}" for n in range(3)]
    running = [
        subprocess.Popen([sys.executable, "-c", code, "models", "import", str(path), "--name", name])
        for name in names
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert {e.name for e in models.list_models()} >= set(names)


def test_the_verbs_say_what_came_of_it(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(OFFICIAL))
    path = official_checkpoint(tmp_path / "w.pt")
    given = ["models", "import", str(path), "--name", "theirs", "--config", str(tmp_path / "config.json")]
    assert run_group(cli, [*given, "--spacing", "1.25", "3"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("theirs  imported  sha256 ")
    assert "0 left fresh" in told.err
    assert run_group(cli, ["models", "info", "theirs", "--json"]) == 0
    words = json.loads(capsys.readouterr().out)["in_words"]
    assert words["window_order"].startswith("official")
    assert "32×32×32" in words["window_order"]
    assert "32 slices 3 mm apart, pixels of 1.25 mm" in words["sees"]
    assert run_group(cli, [*given, "another"]) == 2
    assert "one name" in capsys.readouterr().err
