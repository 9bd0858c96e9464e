"""A model's card: every part that the entry has, in 80 columns, and nothing that it has not."""

import json

import pytest

from SarcopeniaAssessLib.__main__ import cli, run_group
from SarcopeniaAssessLib.card import WIDTH, card_text
from SarcopeniaAssessLib.model_file import ModelEntry
from SarcopeniaAssessLib.models import default_model_name, list_models, model_entry

UNET = {
    "kind": "unet",
    "in_channels": 3,
    "channels": [4, 8],
    "strides": [2],
    "num_res_units": 1,
}
SEES = {"in_plane_mm": 1.3, "slice_mm": 5.0, "slices": 3}


def entry(**values):
    own = {
        "name": "made",
        "version": "3",
        "architecture": UNET,
        "preprocessing": SEES,
        "trained_on": "drawings of a cube",
        "licence": "CC0",
        "sha256": "ab" * 32,
    }
    return ModelEntry(**own | values)


def test_every_part_of_an_entry_is_told():
    told = card_text(
        entry(
            card={
                "use": ["Adults at L3.", "Research."],
                "not_for": ["children"],
                "failures": ["misses the rectus " + "between fat and gas " * 6],
                "document": "docs/model-card.md",
            },
            training={
                "command": "sarcopenia finetune phantom --preset second",
                "steps": 40,
                "minutes": 7,
                "first_stage": {"command": "sarcopenia finetune phantom --preset first", "steps": 900},
            },
            scores={
                "held-out family": {
                    "scans": 500,
                    "dice_mean": 0.98765,
                    "dice_min": 0.9,
                    "sma_error_mean_percent": -1.26,
                    "sma_abs_error_mean_percent": 1.5,
                    "sma_abs_error_p95_percent": 3.0,
                    "status_right_percent": 97.0,
                    "interval_coverage_percent": 95.4,
                },
                "sma_relative_halfwidth_95": 0.05,
            },
        )
    )
    for part in (
        *("made, version 3", "- Adults at L3.", "children", "drawings of a cube", "900 steps", "40 steps"),
        *(
            "Dice 0.988, least 0.900",
            "−1.3 %",
            "status right in 97.0 %",
            "a reader's area in 95.4 %",
            "CC0",
            "ab" * 32,
        ),
        *("docs/model-card.md", "Research use only"),
    ):
        assert part in " ".join(told.split()), part
    assert told.index("--preset first") < told.index("--preset second")


def test_what_is_not_known_has_no_heading():
    told = card_text(entry())
    headings = {line.split("  ")[0] for line in told.splitlines() if line and not line.startswith(" ")}
    assert {"Trained on", "Network", "Sees", "Licence", "sha256"} <= headings
    assert not {"Use", "Not for", "Scores", "Fails", "Rebuild", "Whole card"} & headings


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_bundled_models_fit_80_columns(model):
    lines = card_text(model).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert str(model.sha256) in card_text(model)


def test_a_command_is_never_broken_within_a_word():
    command = "sarcopenia finetune phantom --preset unet-slab-2 --out runs/unet-slab-2 --start-from somewhere"
    told = card_text(entry(training={"command": command})).split()
    assert [word for word in told if word in command.split()] == command.split()


def test_one_command_of_the_card_stands_for_those_of_the_stages():
    training = {"command": "sarcopenia finetune phantom --preset made"}
    told = card_text(entry(training=training, card={"rebuild": "make model"})).splitlines()
    assert "  make model" in told
    assert not any("finetune" in line for line in told)


def test_the_second_line_of_an_item_stands_under_its_first_word():
    failures = ["misses the rectus between fat and gas where no border is to be seen at all", "children"]
    first, second = card_text(entry(card={"failures": failures})).split("Fails")[1].splitlines()[:2]
    assert first.startswith(" " * 11 + "- misses")
    assert second[:18] == " " * 18
    assert second[18] != " "


def test_the_default_is_shown_where_no_model_is_named(capsys):
    assert run_group(cli, ["models", "info"]) == 0
    assert capsys.readouterr().out == card_text(model_entry(default_model_name())) + "\n"


def test_everything_as_json_on_demand(capsys):
    assert run_group(cli, ["models", "info", "smit-slab", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["architecture"]["kind"] == "smit"
    assert set(told["in_words"]) >= {"network", "sees", "window_order"}
