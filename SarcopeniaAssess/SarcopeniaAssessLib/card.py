"""A model's card in words, for a terminal of 80 columns: what it is, what for, how good, where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.model_file import in_words
from SarcopeniaAssessLib.wording import RESEARCH_SENTENCE

if TYPE_CHECKING:
    from SarcopeniaAssessLib.model_file import ModelEntry

WIDTH = 80
_INDENT = 16
_WHOLE_WORDS: Any = {"break_long_words": False, "break_on_hyphens": False}
HELD_OUT = "held-out family"
_DATA_SETS: Mapping[str, str] = {
    "held-out phantoms": "phantoms of the family it learned from, none of them drawn in training",
    HELD_OUT: "phantoms of a family that no training knows",
    "CT": "slices of a real CT against another model's mask",
}
"""Keys of `ModelEntry.scores`, in words."""


def card_text(entry: ModelEntry) -> str:
    """The card, at most 80 columns wide; what an entry does not tell is left out."""
    lines = [f"{entry.name}, version {entry.version}", ""]
    for heading, told in _sections(entry):
        lines += _section(heading, told)
    commands = _commands(entry)
    if commands:
        lines.append("Rebuild")
        for command in commands:
            lines += wrap(command, WIDTH, initial_indent="  ", subsequent_indent="    ", **_WHOLE_WORDS)
    return "\n".join([*lines, "", *wrap(RESEARCH_SENTENCE, WIDTH)])


def _sections(entry: ModelEntry) -> Iterator[tuple[str, Sequence[str]]]:
    words, card, training = in_words(entry), entry.card, entry.training
    purpose = [words["purpose"]] if "purpose" in words else []
    yield "Use", (*purpose, *_listed(card.get("use", ())))
    yield "Not for", _listed(card.get("not_for", ()))
    yield "Trained on", (entry.trained_on, *_training(training))
    yield "Network", (words["network"], *([words["window_order"]] if "window_order" in words else []))
    yield "Sees", (words["sees"],)
    yield "Scores", tuple(score_lines(entry.scores))
    yield "Fails", _listed(card.get("failures", ()))
    yield "Licence", (entry.licence,)
    yield "sha256", (entry.sha256 or "not known",)
    yield "Whole card", [str(card["document"])] if "document" in card else ()


def _section(heading: str, told: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for text in told:
        item = "- " if text.startswith("- ") else ""
        lines += wrap(
            text,
            WIDTH - _INDENT,
            subsequent_indent=" " * len(item),
            **_WHOLE_WORDS,
        )
    beside = [heading, *[""] * (len(lines) - 1)]
    return [f"{left:<{_INDENT}}{line}" for left, line in zip(beside, lines, strict=False)]


def _listed(told: Any) -> Sequence[str]:
    texts = [told] if isinstance(told, str) else [str(each) for each in told]
    return texts if len(texts) == 1 else [f"- {text}" for text in texts]


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    for stage in stages(training):
        known = {
            "phantom_seeds": "phantom seeds {}",
            "steps": "{} steps",
            "minutes": "{} minutes",
            "seed": "seed {}",
        }
        told = [words.format(stage[name]) for name, words in known.items() if stage.get(name) is not None]
        if told:
            yield ", ".join(told)


def _commands(entry: ModelEntry) -> list[str]:
    """What the card says, else the stages' own commands, from the first."""
    if "rebuild" in entry.card:
        return [str(entry.card["rebuild"])]
    return [str(stage["command"]) for stage in stages(entry.training) if stage.get("command")]


def stages(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The trainings behind a model, from the first; a stage names its earlier one as `first_stage`."""
    earlier = training.get("first_stage")
    return [*(stages(earlier) if isinstance(earlier, Mapping) else []), training]


def score_lines(scores: Mapping[str, Any]) -> Iterator[str]:
    """A list item a data set: how many, Dice, errors of the area; status and interval where known."""
    for name, values in scores.items():
        if not isinstance(values, Mapping) or "dice_mean" not in values:
            continue
        count = values.get("scans", values.get("slices"))
        of = f"{count} {_DATA_SETS[name]}" if count and name in _DATA_SETS else name
        told = [f"Dice {_number(values['dice_mean'], 3)}, least {_number(values.get('dice_min'), 3)}"]
        if values.get("sma_abs_error_mean_percent") is not None:
            told.append(
                f"SMA error {_number(values.get('sma_error_mean_percent'), 1, '+')} %, absolute "
                f"{_number(values['sma_abs_error_mean_percent'], 1)} %, 95 % of them under "
                f"{_number(values.get('sma_abs_error_p95_percent'), 1)} %"
            )
        if values.get("status_right_percent") is not None:
            told.append(f"status right in {_number(values['status_right_percent'], 1)} %")
        if values.get("interval_coverage_percent") is not None:
            told.append(
                f"interval holds a reader's area in {_number(values['interval_coverage_percent'], 1)} %"
            )
        yield f"- {of}: {'; '.join(told)}"


def _number(value: Any, decimals: int, sign: str = "") -> str:
    return "–" if value is None else f"{float(value):{sign}z.{decimals}f}".replace("-", "−")
