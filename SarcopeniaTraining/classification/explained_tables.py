"""Two tables of explanations: where they lie, and whether they can be believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from SarcopeniaTraining.agreement import Estimate
from SarcopeniaTraining.classification.explained_numbers import Checks, TissueShare
from SarcopeniaTraining.classification.lime_maps import TOP
from SarcopeniaTraining.classification.run_words import estimates, with_interval
from SarcopeniaTraining.classification.sanity import UNCHANGED_ABOVE, Level
from SarcopeniaTraining.table_files import (
    NOT_KNOWN,
    Block,
    Row,
    Shown,
    Table,
    Value,
    decimal_text,
    number,
    word,
)

ATTRIBUTION, CHECKS = "attribution", "checks"
NO_TISSUES = (
    "The images are pictures without Hounsfield units or pixel size: which share lies on which tissue cannot "
    "be told. A cohort of CTs can."
)


def _columns(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low_95", f"{name}_high_95"


def attribution_table(shares: Sequence[TissueShare], about: str, first: tuple[str, ...] = ()) -> Table:
    """A row a network, method and tissue; none for pictures, which a note says.

    Parameters
    ----------
    about:
        Heading: whose explanations these are.
    first:
        Notes that come before the table's own.
    """
    block = Block(
        about,
        (
            "network", "method", "tissue", "cases", *_columns("share_percent"), "pixels_percent",
            "times_chance",
        ),
        (
            Shown("network", word("network")),
            Shown("method", word("method")),
            Shown("tissue", word("tissue")),
            Shown("cases", word("cases")),
            Shown("share of the attribution, %", with_interval("share_percent", 1)),
            Shown("share of the pixels, %", number("pixels_percent", 1)),
            Shown("times chance", number("times_chance", 2)),
        ),
    )  # fmt: skip
    notes = (
        "Attribution: what speaks for the class that the network calls, 0 or more; each case counts once, "
        "cases without any are left out. In brackets 95 %, patients drawn with replacement.",
        "Times chance: share of the attribution over share of the pixels; a map blind to tissue has 1.",
        "Muscle by the default segmentation model, fat and bone by Hounsfield units on the CT's own slice.",
    )
    return Table(
        ATTRIBUTION,
        "Where the explanations lie",
        (block,),
        tuple(map(_share_row, shares)),
        (*first, *(notes if shares else (NO_TISSUES,))),
    )


def checks_table(checks: Sequence[Checks], about: str, first: tuple[str, ...] = ()) -> Table:
    """A row a network and method; parameters as of `attribution_table`."""
    block = Block(
        about,
        (
            "network", "method", "cases", "insertion_area", "random_insertion_area", "deletion_area",
            "random_deletion_area", *_columns("gain"), "seeds_rank_correlation",
            "seeds_top_overlap", "lime_fit_r2",
            *(f"random_{level.value}_{what}" for level in Level for what in ("rank_correlation", "passes")),
        ),
        (
            Shown("network", word("network")),
            Shown("method", word("method")),
            Shown("cases", word("cases")),
            Shown("insertion (random maps)", _beside("insertion_area", "random_insertion_area")),
            Shown("deletion (random maps)", _beside("deletion_area", "random_deletion_area")),
            Shown("gain over random maps", with_interval("gain", 3)),
            Shown("seeds: rank correlation", number("seeds_rank_correlation", 2)),
            Shown(f"seeds: same of top {TOP}", number("seeds_top_overlap", 2)),
            Shown("fit, R²", number("lime_fit_r2", 2)),
            Shown("random head: rank correlation", _verdict(Level.HEAD)),
            Shown("random weights: rank correlation", _verdict(Level.ALL)),
        ),
    )  # fmt: skip
    notes = (
        "Areas under the probability of the class called over the share of pixels shown (insertion, larger "
        "is better) or taken away (deletion, smaller is better), in the order of the map; in brackets, of "
        "random maps.",
        "Gain: insertion less deletion, less the same of random maps; in brackets 95 %, patients drawn with "
        "replacement.",
        "Seeds: LIME with other hidden superpixels, means over pairs of seeds and cases; fit: of its linear "
        "model.",
        f"A map whose rank correlation with the one after randomising is {UNCHANGED_ABOVE:g} or more does "
        "not depend on what was learned, and fails.",
    )
    return Table(
        CHECKS,
        "Whether the explanations can be believed",
        (block,),
        tuple(map(_check_row, checks)),
        (*first, *notes),
    )


def _share_row(each: TissueShare) -> Row:
    percent = [None if v is None else 100 * v for v in (each.share.low, each.share.high)]
    return {
        "network": each.state.value,
        "method": each.method.value,
        "tissue": each.tissue.value,
        "cases": each.cases,
        **estimates({"share_percent": Estimate(100 * each.share.value, *percent)}),
        "pixels_percent": 100 * each.pixels,
        "times_chance": each.times_chance,
    }


def _check_row(each: Checks) -> Row:
    row: dict[str, Value] = {
        "network": each.state.value,
        "method": each.method.value,
        "cases": each.cases,
        "insertion_area": each.insertion,
        "random_insertion_area": each.random_insertion,
        "deletion_area": each.deletion,
        "random_deletion_area": each.random_deletion,
        **estimates({"gain": each.gain}),
        "seeds_rank_correlation": each.stability.rank_correlation,
        "seeds_top_overlap": each.stability.top_overlap,
        "lime_fit_r2": each.fit,
    }
    for level in Level:
        correlation, passes = each.unchanged.get(level, (None, None))
        row[f"random_{level.value}_rank_correlation"] = correlation
        row[f"random_{level.value}_passes"] = passes
    return row


def _beside(name: str, random: str) -> Callable[[Row], str]:
    """An area, in brackets that of random maps."""

    def text(row: Row) -> str:
        return f"{decimal_text(row[name], 3)} ({decimal_text(row[random], 3)})"

    return text


def _verdict(level: Level) -> Callable[[Row], str]:
    """A rank correlation and what it means."""
    name = f"random_{level.value}"

    def text(row: Row) -> str:
        passes = row[f"{name}_passes"]
        if passes is None:
            return NOT_KNOWN
        return f"{decimal_text(row[f'{name}_rank_correlation'], 2)}, {'passes' if passes else 'fails'}"

    return text
