"""Models by name and by file: checksums before tensors, pickles never opened, official names mapped."""

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from SarcopeniaAssessLib import models
from SarcopeniaAssessLib.errors import DeviceError, ModelError, OutputError
from SarcopeniaAssessLib.model_file import METADATA_KEY
from SarcopeniaAssessLib.models import (
    ModelEntry,
    SegmentationModel,
    load_model,
    load_official_smit,
    save_model,
    untiled,
)
from SarcopeniaAssessLib.smit import SmitConfig, build_smit

CONFIG = SmitConfig(
    embed_dim=4,
    depths=(1, 2, 1, 1),
    num_heads=(1, 2, 2, 4),
    window_size=(4, 4, 3),
    patch_size=(2, 2, 1),
    merging=(2, 2, 1),
    decoder_kernel=(3, 3, 1),
)
ENTRY = ModelEntry(
    name="thin",
    version="1",
    architecture={"kind": "smit", **CONFIG.to_mapping()},
    preprocessing={"in_plane_mm": 1.5, "slice_mm": 5.0, "slices": 3},
    trained_on="nothing",
    training={"seed": 3},
    scores={"dice": 0.5},
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_smit(CONFIG).eval()


@pytest.fixture(autouse=True)
def registries(tmp_path, monkeypatch):
    """A shipped registry and a user's folder of this test's own."""
    shipped = tmp_path / "resources"
    shipped.mkdir()
    monkeypatch.setattr(models, "resource_path", lambda name: shipped / name)
    monkeypatch.setenv("SARCOPENIA_MODELS", str(tmp_path / "user"))
    return shipped


@pytest.fixture
def shipped(registries, network):
    """The entry of a model in the shipped registry, its default."""
    saved = save_model(registries / "thin.safetensors", network, ENTRY)
    write_registry(registries, "thin", saved)
    return saved


def write_registry(folder: Path, default: str | None, *entries: ModelEntry) -> None:
    text = json.dumps({"default": default, "models": [e.to_mapping() for e in entries]})
    (folder / "Models.json").write_text(text)


# Saving and loading


def test_a_saved_model_comes_back_equal(tmp_path, network):
    saved = save_model(tmp_path / "deep" / "mine.safetensors", network, ENTRY)
    model = load_model(tmp_path / "deep" / "mine.safetensors")
    assert saved.sha256 == hashlib.sha256((tmp_path / "deep" / "mine.safetensors").read_bytes()).hexdigest()
    assert model.entry.sha256 == saved.sha256
    assert replace(model.entry, sha256=None, file=None) == ENTRY
    assert not model.network.training
    image = torch.rand(1, 1, 40, 33, 3)
    with torch.inference_mode():
        assert model.network(image).equal(network(image))
    assert all(p.requires_grad for p in model.network.parameters())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["mine.safetensors"]


def test_saving_twice_gives_the_same_bytes(tmp_path, network):
    first, second = (save_model(tmp_path / n / "m.safetensors", network, ENTRY) for n in ("a", "b"))
    assert first.sha256 == second.sha256


def test_half_precision_weights_are_used_in_single(tmp_path, network):
    save_model(tmp_path / "half.safetensors", network.half(), ENTRY)
    assert next(load_model(tmp_path / "half.safetensors").network.parameters()).dtype == torch.float32


def test_an_entry_of_another_network_is_not_saved(tmp_path, network):
    other = replace(ENTRY, architecture={"kind": "smit", **replace(CONFIG, embed_dim=8).to_mapping()})
    with pytest.raises(ModelError, match="shape"):
        save_model(tmp_path / "m.safetensors", network, other)
    assert list(tmp_path.glob("*.safetensors")) == []


def test_an_unwritable_place_is_told(tmp_path, network):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="writable"):
        save_model(tmp_path / "file" / "m.safetensors", network, ENTRY)


def test_a_failed_write_leaves_the_old_file(tmp_path, network, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OutputError, match="No space left"):
        save_model(path, network, ENTRY)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.glob("*writing*")] + [p.name for p in tmp_path.glob(".writing*")] == []


# The registry


def test_the_default_is_loaded_by_no_name(shipped):
    assert load_model().entry.name == "thin"
    assert load_model("thin").entry == shipped
    assert models.verify_model("thin") == shipped
    assert [e.name for e in models.list_models()] == ["thin"]


def test_the_shipped_registry_is_valid(monkeypatch):
    monkeypatch.undo()
    for entry in models.list_models():
        assert models.verify_model(entry.name).trained_on


def test_an_unknown_name_lists_the_known_ones(shipped):
    with pytest.raises(ModelError, match=r"did you mean thin\? known are thin"):
        load_model("thim")
    with pytest.raises(ModelError, match="known are thin"):
        load_model("zzz")


def test_without_a_default_a_model_must_be_named():
    with pytest.raises(ModelError, match="--model"):
        load_model()


def test_altered_weights_are_refused_before_they_are_read(registries, shipped, monkeypatch):
    path = registries / "thin.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(models, "read_network", lambda *_: pytest.fail("tensors were used"))
    with pytest.raises(ModelError, match="sha256"):
        load_model("thin")
    with pytest.raises(ModelError, match="sha256"):
        models.verify_model("thin")


def test_a_registry_without_checksum_is_refused(registries, shipped):
    write_registry(registries, "thin", replace(shipped, sha256=None))
    with pytest.raises(ModelError, match="checksum"):
        load_model("thin")


def test_absent_weights_name_the_remedy(registries, shipped):
    (registries / "thin.safetensors").unlink()
    with pytest.raises(ModelError, match="reinstall"):
        load_model("thin")
    write_registry(registries, "thin", replace(shipped, url="https://example.org/thin.safetensors"))
    with pytest.raises(ModelError, match="models download thin"):
        load_model("thin")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"models": [1]}', '{"models": [{"name": "x"}]}', '{"default": "x", "models": []}'],
)
def test_a_broken_registry_is_told(registries, text):
    (registries / "Models.json").write_text(text)
    with pytest.raises(ModelError):
        models.list_models()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../evil"},
        {"file": "../evil.safetensors"},
        {"file": "evil.pt"},
        {"sha256": "abc"},
        {"architecture": {"kind": "resnet"}},
        {"version": 1},
        {"preprocessing": None},
    ],
)
def test_an_impossible_entry_is_refused(wrong):
    with pytest.raises(ModelError):
        ModelEntry.from_mapping(ENTRY.to_mapping() | wrong)


# Files that are no model


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".safetensors", ".h5", ".zip"])
def test_a_pickle_is_refused_without_being_opened(tmp_path, suffix, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Planted:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "executed", "yes"))

    path = tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps(Planted(), protocol=2))
    for text in (path, str(path), f"evil{suffix}"):
        with pytest.raises(ModelError, match=r"\.safetensors"):
            load_model(text)
    with pytest.raises(ModelError, match="tensors alone"):
        load_official_smit(path, {})
    torch.save({"state_dict": {"a": torch.ones(1)}, "extra": Planted()}, path)
    with pytest.raises(ModelError, match="tensors alone"):
        load_official_smit(path, {})
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(Planted(), protocol=2))  # the trap is a live one
    assert (tmp_path / "executed").exists()


def test_a_truncated_file_is_refused(tmp_path, network):
    path = tmp_path / "m.safetensors"
    save_model(path, network, ENTRY)
    whole = path.read_bytes()
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="damaged"):
            load_model(path)


def test_tensors_without_an_entry_are_refused(tmp_path, network):
    path = tmp_path / "m.safetensors"
    save_file(network.state_dict(), path)
    with pytest.raises(ModelError, match="does not say of which model"):
        load_model(path)
    save_file(network.state_dict(), path, {METADATA_KEY: "no json"})
    with pytest.raises(ModelError, match="JSON"):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("decoder.head.bias"), r"lacks 1 tensors of the network, decoder\.head\.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "has no use for 1 tensors of the network, extra"),
        (
            lambda s: s.update({"decoder.head.bias": torch.zeros(3)}),
            r"decoder\.head\.bias has the shape \(3,\)",
        ),
        (lambda s: s.update({"decoder.head.bias": torch.tensor([0.0, torch.nan])}), "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, network, change, message):
    path = tmp_path / "m.safetensors"
    state = dict(network.state_dict())
    change(state)
    save_file(state, path, {METADATA_KEY: json.dumps(ENTRY.to_mapping())})
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_an_unknown_architecture_is_refused(tmp_path, network):
    path = tmp_path / "m.safetensors"
    entry = ENTRY.to_mapping() | {"architecture": {"kind": "resnet"}}
    save_file(network.state_dict(), path, {METADATA_KEY: json.dumps(entry)})
    with pytest.raises(ModelError, match="'resnet' is not known"):
        load_model(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ModelError, match="no model file"):
        load_model(tmp_path / "absent.safetensors")


def test_a_device_that_is_not_there_is_told(shipped):
    with pytest.raises(DeviceError, match="cpu"):
        load_model("thin", device="hpu")


# Downloads


def test_a_download_is_checked_before_it_lies_there(registries, tmp_path, network, monkeypatch):
    saved = save_model(tmp_path / "thin.safetensors", network, ENTRY)
    write_registry(registries, None, replace(saved, url="https://example.org/thin.safetensors"))
    content = (tmp_path / "thin.safetensors").read_bytes()
    answers = [content + b"!", content]

    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self):
            return answers.pop(0)

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer())
    with pytest.raises(ModelError, match="sha256"):
        models.download_model("thin")
    assert not (tmp_path / "user").exists()
    models.download_model("thin")
    assert load_model("thin").entry.sha256 == saved.sha256
    write_registry(registries, None, replace(saved, url="http://example.org/thin.safetensors"))
    with pytest.raises(ModelError, match="https"):
        models.download_model("thin")


def test_the_plane_at_once_is_another_version_and_refused_in_the_official_order(tmp_path):
    seen = {"in_plane_mm": 1.5, "slice_mm": 2.0, "slices": 3, "tile": 96}
    entry = replace(ENTRY, preprocessing=seen)
    model = SegmentationModel(build_smit(CONFIG), entry)
    at_once = untiled(model)
    assert at_once.entry.preprocessing == {**seen, "tile": None}
    assert (at_once.entry.version, at_once.network) == (f"{entry.version}, untiled", model.network)
    assert untiled(at_once) is at_once
    official = replace(entry, architecture={**entry.architecture, "window_reverse": "official"})
    with pytest.raises(ModelError, match="right in its windows alone; leave out --untiled"):
        untiled(replace(model, entry=official))
