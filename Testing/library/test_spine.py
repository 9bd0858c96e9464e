"""L3 by itself, with the bundled network: found on a phantom however it lies, refused without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from SarcopeniaAssessLib.__main__ import cli
from SarcopeniaAssessLib.card import card_text
from SarcopeniaAssessLib.errors import LevelError, ModelError
from SarcopeniaAssessLib.level import LevelMethod, find_level
from SarcopeniaAssessLib.model_file import in_words
from SarcopeniaAssessLib.models import load_level_finder, load_model, verify_model
from SarcopeniaAssessLib.spine import CALIBRATION, calibrated, class_probability, conclude_count
from SarcopeniaAssessLib.spine_counting import count_l3
from SarcopeniaAssessLib.spine_grid import LOW_HU, SpineGrid
from SarcopeniaAssessLib.spine_unet import SpineUnetConfig, build_spine_unet
from SarcopeniaAssessLib.volume import CtVolume
from SarcopeniaTraining.spine_scans.drawing import SpineScan, draw_spine_scan
from Testing.library.ct_files import rotation, store
from Testing.library.spine_cases import PITCH_MM, chain, ribs_from

SEED = 3_000_003


@pytest.fixture(scope="module")
def phantom() -> SpineScan:
    """A person with five lumbar vertebrae, never trained on."""
    return draw_spine_scan(SEED)


def scan(phantom: SpineScan, low_mm: float, high_mm: float) -> CtVolume:
    """What lies so far below (negative) and above the middle of L3."""
    z = phantom.ras_from_ijk[2, 3] + 4.0 * np.arange(phantom.hu.shape[2]) - phantom.bodies_mm["L3"][2]
    inside = np.flatnonzero((z >= low_mm) & (z <= high_mm))
    affine = phantom.ras_from_ijk.copy()
    affine[2, 3] += 4.0 * inside[0]
    return CtVolume.from_array(phantom.hu[:, :, inside[0] : inside[-1] + 1], affine)


def test_l3_is_found_with_confidence_and_reason(phantom):
    assert phantom.variant == "normal"
    level = find_level("auto", scan(phantom, -170, 170))
    assert level.superior_mm == pytest.approx(phantom.bodies_mm["L3"][2], abs=5.0)
    assert level.method is LevelMethod.AUTO
    assert level.confidence is not None
    assert level.confidence > 0.9
    assert "third vertebra above the sacrum and third below" in level.reason
    assert find_level(None, scan(phantom, -170, 170)) == level


@pytest.mark.parametrize(("low", "high"), [(-160, 50), (-45, 180)], ids=["no ribs", "no sacrum"])
def test_one_end_is_enough_and_less_sure(phantom, low, high):
    whole = find_level("auto", scan(phantom, -170, 170))
    part = find_level("auto", scan(phantom, low, high))
    assert part.superior_mm == pytest.approx(whole.superior_mm, abs=4.1)
    assert part.confidence < whole.confidence
    assert "seen" in part.reason


def test_by_the_crest_alone_two_slices_may_be_l3(phantom):
    level = find_level("auto", scan(phantom, -72, 70))
    assert "neither sacrum nor ribs are seen; by the height of the iliac crest" in level.reason
    (other,) = level.alternatives
    assert other.vertebra in ("L2", "L4")
    assert 25 < abs(other.superior_mm - level.superior_mm) < 50
    assert (other.superior_mm > level.superior_mm) == (other.vertebra == "L2")
    assert other.confidence < level.confidence < 0.9
    assert level.candidates == (level, other)


@pytest.mark.parametrize(
    ("low", "high", "end", "shown"), [(48, 200, "lower", "T12"), (-190, -52, "upper", "the sacrum, L5")]
)
def test_a_scan_without_l3_is_refused_with_the_levels_it_shows(phantom, low, high, end, shown):
    with pytest.raises(LevelError, match=rf"L3 is not in the scan: beyond its {end} end.*{shown}"):
        find_level("auto", scan(phantom, low, high))


@pytest.mark.parametrize(
    ("order", "flips"), [((2, 0, 1), (True, False, True)), ((1, 0, 2), (False, True, True))]
)
def test_a_flipped_storage_gives_the_same_level(phantom, order, flips):
    straight = scan(phantom, -150, 160)
    stored = store(np.asarray(straight.source.array), straight.ras_from_ijk, order, flips)
    turned, level = find_level("auto", CtVolume.from_array(*stored)), find_level("auto", straight)
    assert turned.slice_from_feet == level.slice_from_feet
    assert turned.superior_mm == pytest.approx(level.superior_mm)
    assert turned.confidence == pytest.approx(level.confidence)


def test_an_oblique_stack_gives_the_slice_through_the_same_place(phantom):
    from scipy.ndimage import affine_transform

    straight = scan(phantom, -170, 170)
    turn = rotation(9, -6, 8)
    hu = np.asarray(straight.source.array).astype(np.float32)
    middle = straight.ras_from_ijk[:3, :3] @ ((np.array(hu.shape) - 1) / 2) + straight.ras_from_ijk[:3, 3]
    oblique = np.eye(4)
    oblique[:3, :3] = turn * 4.0
    oblique[:3, 3] = middle - oblique[:3, :3] @ ((np.array(hu.shape) - 1) / 2)
    back = np.linalg.inv(straight.ras_from_ijk) @ oblique
    turned = affine_transform(hu, back[:3, :3], back[:3, 3], hu.shape, order=1, cval=-200).astype(np.int16)
    volume = CtVolume.from_array(turned, oblique)
    level = find_level("auto", volume)
    away = (phantom.bodies_mm["L3"] - volume.slice_centre_mm(level.slice_from_feet)) @ volume.slice_normal
    assert abs(away) <= 5.0


def test_a_long_scan_is_seen_in_parts_as_at_once(phantom):
    network, _ = load_level_finder()
    hu = np.concatenate([phantom.hu[20:60, 20:60]] * 2, axis=2).astype(np.float32)
    long = class_probability(network, SpineGrid(hu, np.zeros(3)))
    short = class_probability(network, SpineGrid(hu[:, :, :136], np.zeros(3)))
    assert long.shape[1:] == hu.shape
    assert long.sum(axis=0) == pytest.approx(1.0, abs=1e-4)
    assert np.abs(long[..., :90] - short[..., :90]).max() < 1e-3
    seam = class_probability(network, SpineGrid(hu[:, :, 64:200], np.zeros(3)))
    assert np.abs(long[..., 112:160] - seam[..., 48:96]).max() < 1e-3


def test_what_is_added_to_fit_the_network_is_air(phantom):
    network, _ = load_level_finder()
    hu = phantom.hu[30:71, 25:58, 40:77].astype(np.float32)
    whole = np.pad(hu, [(0, -side % network.stride) for side in hu.shape], constant_values=LOW_HU)
    fitted = class_probability(network, SpineGrid(whole, np.zeros(3)))[:, :41, :33, :37]
    assert np.abs(class_probability(network, SpineGrid(hu, np.zeros(3))) - fitted).max() < 1e-5


@pytest.mark.parametrize(
    ("slices", "said"), [(1, "in one slice; if it lies at L3"), (3, "in 3 slices over 8 mm")]
)
def test_too_few_slices_to_count_in_are_told_as_such(phantom, slices, said):
    with pytest.raises(LevelError, match=said):
        find_level(None, scan(phantom, 0, 4.0 * slices - 0.1))


def test_a_trunk_without_a_spine_is_told_as_such():
    hu = np.full((60, 50, 40), -1000, np.int16)
    hu[10:50, 10:40] = -90
    hu[16:44, 16:34] = 40
    with pytest.raises(LevelError, match="No lumbar spine is seen"):
        find_level("auto", CtVolume.from_array(hu, np.diag([6.0, 5.0, 4.0, 1.0])))


def test_what_lies_outside_the_scanned_body_changes_no_level(phantom):
    straight = scan(phantom, -150, 160)
    padded = np.asarray(straight.source.array).astype(np.float32)
    padded[:14], padded[..., -16:] = -2048, np.nan
    level = find_level("auto", CtVolume.from_array(padded, straight.ras_from_ijk))
    assert level.superior_mm == pytest.approx(phantom.bodies_mm["L3"][2], abs=5.0)


def entry():
    return load_level_finder()[1]


def test_two_candidates_where_the_counts_do_not_agree():
    found = conclude_count(chain(8, ribs={4: 70.0, 5: 140.0, 6: 165.0, 7: 170.0}), entry())
    assert len(found.candidates) == 2
    assert {c.point_mm[2] for c in found.candidates} == {1.5 * PITCH_MM, 2.5 * PITCH_MM}
    names = [c.vertebra for c in found.candidates]
    assert names[0] == "L3"
    assert names[1] in ("L2", "L4")
    assert found.candidates[0].confidence < 0.8
    count = count_l3(chain(8, ribs={4: 70.0, 5: 140.0, 6: 165.0, 7: 170.0}))
    assert count is not None
    first, second = list(count.probability.values())[:2]
    measured = calibrated(first, entry().scores[CALIBRATION])
    assert first != pytest.approx(measured, abs=1e-3)
    assert [c.confidence for c in found.candidates] == [pytest.approx(measured), pytest.approx(second)]
    agreed = conclude_count(chain(8, ribs=ribs_from(5, 8)), entry())
    assert len(agreed.candidates) == 1
    assert agreed.candidates[0].confidence > found.candidates[0].confidence


@pytest.mark.parametrize(
    ("seen", "place", "end"),
    [
        (chain(3), 2, "upper"),
        (chain(6, ribs=ribs_from(3, 6), sacrum=0.0, crest=None), 0, "lower"),
    ],
    ids=["upper", "lower"],
)
def test_an_l3_that_the_scan_cuts_has_no_middle(seen, place, end):
    def cut(seen_mm):
        vertebrae = list(seen.vertebrae)
        vertebrae[place] = replace(vertebrae[place], seen_mm=seen_mm)
        return replace(seen, vertebrae=tuple(vertebrae))

    with pytest.raises(LevelError, match=f"cut off at the scan's {end} end"):
        conclude_count(cut(20.0), entry())
    found = conclude_count(cut(28.0), entry())
    assert found.candidates[0].point_mm[2] == PITCH_MM * (place + 0.5)


def test_nothing_to_count_from_is_an_error_not_a_guess():
    with pytest.raises(LevelError, match=r"neither the sacrum.*\(vertebrae seen: 4\)"):
        conclude_count(chain(4, sacrum=0.0, crest=None), entry())


def test_signs_that_fit_no_anatomy_are_an_error_not_a_guess():
    with pytest.raises(LevelError, match="no vertebra is L3 with more than"):
        conclude_count(chain(8, sacrum=0.0, crest=6.0), entry())


def test_confidence_is_the_fraction_that_was_right():
    assert calibrated(0.9, [[0.8, 0.6], [1.0, 0.9]]) == pytest.approx(0.75)
    assert calibrated(0.3, [[0.8, 0.6], [1.0, 0.9]]) == 0.6
    assert calibrated(0.9, None) == 0.9


def test_the_finder_is_no_muscle_model_and_says_what_it_is():
    verified = verify_model("l3-finder")
    assert "finds the level of L3" in card_text(verified)
    listed = CliRunner().invoke(cli, ["models", "list"]).output
    assert "l3-finder  1  finds L3, draws no muscle" in listed
    assert "finds the level of L3" in in_words(verified)["purpose"]
    with pytest.raises(ModelError, match="draws no muscle"):
        load_model("l3-finder")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channels": [16]},
        {"channels": [16, 0]},
        {"channels": [16, 32], "depth": 3},
        {"channels": [16.5, 32]},
        {"channels": 16},
        {"channels": [16, 32], "classes": [8]},
    ],
    ids=str,
)
def test_a_configuration_that_no_network_has_is_refused(fields):
    with pytest.raises(ModelError, match="configuration"):
        SpineUnetConfig.from_mapping(fields)


def test_the_network_gives_a_class_for_every_voxel_and_no_place_sees_another_scan():
    import torch

    torch.manual_seed(3)
    network = build_spine_unet(SpineUnetConfig((8, 16, 24))).eval()
    image = torch.randn(2, 1, 12, 8, 16)
    with torch.inference_mode():
        both = network(image)
        alone = network(image[1:])
    assert both.shape == (2, 8, 12, 8, 16)
    assert torch.allclose(both[1:], alone, atol=1e-5)
