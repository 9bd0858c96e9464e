"""Training parts of equal classes: phantoms enter them and nothing else changes."""

import json

import pytest

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.patient import Sex
from SarcopeniaTraining.classification import balanced_phantoms
from SarcopeniaTraining.classification.balanced_phantoms import (
    Shortage,
    added,
    draw_phantoms,
    exchanged,
    joined,
    phantom_images,
    shortage,
)
from SarcopeniaTraining.splits import Fold, Splits
from Testing.training.classification.made_ways import cases, images_of, two_sets
from Testing.training.tiny_cohort import tiny_cohort

NAMES = cases(16, 6)
LABEL = {name: name.startswith("S") for name in NAMES}
PHANTOMS = ("phantom-1", "phantom-2", "phantom-3", "phantom-4")


def images(**changes):
    return images_of(NAMES, [LABEL[name] for name in NAMES], **changes)


def test_the_training_part_that_lacks_most_sets_the_number_and_the_rarer_class_its_men():
    # Six others and two sarcopenic cases in each training part; of the six sarcopenic ones two are men.
    sexes = [Sex.MALE, Sex.MALE, *[Sex.FEMALE] * 4, *[Sex.MALE] * 10]
    assert shortage(two_sets(), images(sexes=sexes)) == Shortage(sarcopenic=True, count=4, men=1)
    assert shortage(two_sets(), images()).men == 3  # not told: 52 of 79


def test_the_rarer_class_may_be_the_others():
    turned = images_of(NAMES, [not LABEL[name] for name in NAMES])
    assert shortage(two_sets(), turned).sarcopenic is False


def folds_of(*trains):
    return Splits(
        tuple(Fold(n + 1, train, ("S05", "N09"), ("S06", "N10")) for n, train in enumerate(trains)),
        1,
        "digest",
    )


def test_training_parts_that_no_phantom_of_one_class_balances_lack_nothing():
    equal = ("S01", "S02", "N01", "N02")
    assert shortage(folds_of(equal), images()) is None
    assert shortage(folds_of(("S01", "S02", "N01"), ("S01", "N01", "N02")), images()) is None
    assert shortage(folds_of(equal, ("S01", "N01", "N02")), images()).count == 1


def test_a_case_of_the_splits_without_an_image_is_named():
    with pytest.raises(InputError, match="no image of case N99"):
        shortage(folds_of(("S01", "N99")), images())


def test_phantoms_are_added_to_training_alone():
    made = added(two_sets(), LABEL, PHANTOMS)
    for before, after in zip(two_sets().folds, made.folds, strict=True):
        assert after.train == (*before.train, *PHANTOMS)
        assert (after.validation, after.test) == (before.validation, before.test)


def test_phantoms_take_the_place_of_others_and_the_number_stays():
    made = exchanged(two_sets(), LABEL, PHANTOMS, seed=1)
    for before, after in zip(two_sets().folds, made.folds, strict=True):
        assert len(after.train) == len(before.train)
        assert after.train[-2:] == PHANTOMS[:2]
        sick = [name for name in before.train if LABEL[name]]
        kept = [name for name in after.train[:-2] if not LABEL[name]]
        assert set(sick) <= set(after.train)
        assert len(kept) == 4
        assert set(kept) <= set(before.train)
        assert (after.validation, after.test) == (before.validation, before.test)


def test_who_is_kept_follows_from_the_seed():
    one, same, other = (exchanged(two_sets(), LABEL, PHANTOMS, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_each_set_draws_for_itself_who_is_kept():
    given_up = []
    for seed in range(5):
        made = exchanged(two_sets(), LABEL, PHANTOMS, seed=seed)
        places = [
            tuple(place for place, case in enumerate(before.train) if case not in after.train)
            for before, after in zip(two_sets().folds, made.folds, strict=True)
        ]
        given_up.append(places[0] == places[1])
    assert not all(given_up)


def test_images_are_joined_in_order():
    more = images_of(PHANTOMS, [True] * 4)
    both = joined(images(), more)
    assert both.names == (*NAMES, *PHANTOMS)
    assert both.rgb[16:].tolist() == more.rgb.tolist()
    assert both.sarcopenic.sum() == 10
    with pytest.raises(InputError, match="do not belong together"):
        joined(images(), images_of(NAMES[:2], [True, True]))


@pytest.fixture
def drawn_plans(monkeypatch):
    """Instead of drawing phantoms: tiny CTs, and the plans that were asked for."""
    plans = []

    def write(plan, folder, *, jobs, tell):
        plans.append(plan)
        tell({"case": "T01"})
        tiny_cohort(folder, plan.patients)

    monkeypatch.setattr(balanced_phantoms, "write_cohort", write)
    return plans


def test_phantoms_are_drawn_as_the_cohort_was_with_a_seed_of_their_own(tmp_path, drawn_plans):
    (tmp_path / "own").mkdir()
    cohort = tiny_cohort(tmp_path / "own", 2)
    facts = {"spacing_mm": [0.8, 0.7, 5.0], "noise_hu": 9.0, "phase": "portal"}
    (tmp_path / "own" / "cohort.json").write_text(json.dumps(facts))
    lines = []
    (tmp_path / "more").mkdir()
    made = draw_phantoms(cohort, Shortage(True, 3, 2), tmp_path / "more", 5, lines.append)
    (plan,) = drawn_plans
    assert (plan.patients, plan.sarcopenic, plan.men, plan.seed) == (3, 3, 2, 7_000_005)
    assert (plan.scan.spacing_mm, plan.scan.noise_hu, plan.scan.phase) == ((0.8, 0.7, 5.0), 9.0, "portal")
    assert lines == ["phantom T01 of 3"]
    images = phantom_images(made, 32, 420.0)
    assert images.names == images.patients == ("phantom-T01", "phantom-T02", "phantom-T03")


def test_for_a_cohort_of_patients_the_scan_is_drawn(tmp_path, drawn_plans):
    (tmp_path / "own").mkdir()
    (tmp_path / "more").mkdir()
    draw_phantoms(
        tiny_cohort(tmp_path / "own", 2), Shortage(False, 1, 0), tmp_path / "more", 1, lambda _: None
    )
    (plan,) = drawn_plans
    assert plan.sarcopenic == 0
    assert plan.scan.spacing_mm is None
    assert plan.scan.noise_hu is None
