"""What stands on the page apart from the list of cases: tiles, distribution, agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.criteria import load_criteria
from SarcopeniaAssessLib.markup import Html, element
from SarcopeniaAssessLib.overview.case_row import Attention, CaseRow
from SarcopeniaAssessLib.overview.plots import histogram
from SarcopeniaAssessLib.wording import rule_text, signed

if TYPE_CHECKING:
    from SarcopeniaAssessLib.overview.agreement import Agreement, CriterionCounts, Pair
    from SarcopeniaAssessLib.overview.distribution import Distribution, Group

_NONE = "–"


def tiles(rows: Sequence[CaseRow]) -> Html:
    """Counts of the cohort; a press shows the cases behind one."""
    statuses, reviews = Counter(row.status for row in rows), Counter(row.review for row in rows)
    determined = statuses["sarcopenic"] + statuses["not sarcopenic"]
    share = f"{100 * statuses['sarcopenic'] / determined:.1f} % of those with a status" if determined else ""
    warned = sum(any(severity != "info" for severity, _, _ in row.findings) for row in rows)
    errors = sum(row.attention is Attention.ERROR for row in rows)
    shown = [
        ("cases", len(rows), "", "all"),
        ("sarcopenic", statuses["sarcopenic"], share, "status=0"),
        ("not sarcopenic", statuses["not sarcopenic"], "", "status=1"),
        ("undetermined", statuses["undetermined"], "no status is given", "status=2"),
        ("borderline", sum(row.borderline for row in rows), "the interval crosses the cut-off", "borderline"),
        ("with warnings", warned, f"{errors:,} with an error" if errors else "", "warned"),
        ("unreviewed", reviews["unreviewed"], "", "review=0"),
        (
            "decided",
            reviews["accepted"] + reviews["rejected"],
            f"{reviews['accepted']:,} accepted, {reviews['rejected']:,} rejected",
            "decided",
        ),
    ]
    return element("ul", *(_tile(*each) for each in shown), class_="tiles")


def _tile(label: str, count: int, told: str, shows: str) -> Html:
    number = element("span", f"{count:,}", class_="count")
    more = element("span", told, class_="told") if told else None
    return element(
        "li",
        element("button", number, " ", element("span", label, class_="label"), more, type="button",
                disabled=True, data_shows=shows),
    )  # fmt: skip


def distribution_section(rows: Sequence[CaseRow], distribution: Distribution) -> Html:
    """A histogram for each sex, and in words what it shows."""
    out = sum(not row.counts for row in rows)
    figures = [
        element(
            "figure",
            element("h3", group.title, " ", element("span", _highest(group), class_="small")),
            histogram(group, distribution),
            _caption(group),
        )
        for group in distribution.groups
    ]
    key = element(
        "p",
        element("span", element("i", class_="shown"), "cases that the filters show"),
        element("span", element("i", class_="all"), "all other cases"),
        element("span", element("i", class_="cutoff"), "cut-off of the status"),
        element("span", element("i", class_="cutoff other"), "other published cut-offs"),
        class_="key",
        aria_hidden="true",
    )
    left_out = f" Left out: {out:,} with a quality error, or rejected." if out else ""
    said = f"Skeletal muscle area (SMA) in cm², bins of 5 cm².{left_out}"
    nothing = None if figures else element("p", "No case has an area that counts.")
    return element("div", element("p", said), key, element("div", *figures, class_="plots"), nothing)


def _highest(group: Group) -> str:
    most = max(group.bins)
    return f"highest bar: {most:,} {'case' if most == 1 else 'cases'}"


def _caption(group: Group) -> Html:
    low, middle, high = (f"{group.quantile(share):.1f}" for share in (0.25, 0.5, 0.75))
    count = len(group.areas_cm2)
    words = [
        f"{count:,} {'case' if count == 1 else 'cases'}, median {middle} cm², quartiles {low} and {high}."
    ]
    parts: list[object] = [element("p", *words)]
    if group.cutoffs:
        parts.append(element("ul", *(element("li", text) for text in _below(group))))
    else:
        parts.append(element("p", "Without a sex there is no cut-off, and no status."))
    return element("figcaption", *parts)


def _below(group: Group) -> Iterator[str]:
    for cutoff in group.cutoffs:
        share = 100 * cutoff.low / len(group.areas_cm2)
        words = ", which gives the status" if cutoff.is_the_status else ""
        yield f"{cutoff.sign} {cutoff.cm2:g} cm² ({cutoff.name}{words}): {cutoff.low:,} cases, {share:.1f} %"


def agreement_section(agreement: Agreement) -> Html:
    """Every criterion beside the status, and each beside each."""
    if not agreement.counts:
        return element("p", "No case has a status, so there is nothing to compare.")
    first = _title(agreement.status_criterion or "")
    said = (
        "Of each published criterion: how many cases it judges and calls low, and how often it says the same "
        f"as {first}, which gives most cases their status. Kappa (Cohen) is agreement beyond chance: 0 none, "
        "1 complete. Cases with a quality error and rejected ones are left out."
    )
    heads = ("criterion", "low if, men", "low if, women", "judged", "low", "same as the status", "kappa")
    table = element(
        "table",
        element("caption", element("span", "Criteria beside the status")),
        element("thead", element("tr", *(_head(head, place > 2) for place, head in enumerate(heads)))),
        element("tbody", *(_criterion_row(counts, agreement) for counts in agreement.counts)),
    )
    scroll = _scroll(table, "Criteria beside the status")
    return element("div", element("p", said), scroll, _matrix(agreement))


def _criterion_row(counts: CriterionCounts, agreement: Agreement) -> Html:
    pair, is_first = counts.with_status, counts.criterion == agreement.status_criterion
    same = _NONE if is_first else _share(pair)
    kappa = _NONE if is_first or pair.kappa is None else signed(f"{pair.kappa:.2f}")
    low = f"{counts.low:,} ({100 * counts.low / counts.judged:.1f} %)"
    return element(
        "tr",
        element("th", _title(counts.criterion), scope="row"),
        *(element("td", _rule(counts.criterion, sex)) for sex in ("male", "female")),
        *(element("td", text, class_="number") for text in (f"{counts.judged:,}", low, same, kappa)),
    )


def _matrix(agreement: Agreement) -> Html | None:
    if len(agreement.counts) < 2:
        return None
    names = [_title(counts.criterion) for counts in agreement.counts]
    head = element(
        "tr", _head("criterion", is_number=False), *(_head(name, is_number=True) for name in names)
    )
    body = [
        element(
            "tr",
            element("th", name, scope="row"),
            *(
                element("td", _NONE if column == row else _percent(pair), class_="number")
                for column, pair in enumerate(agreement.pairs[row])
            ),
        )
        for row, name in enumerate(names)
    ]
    caption = "Share of the cases that both judge on which they say the same, %"
    table = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", head),
        element("tbody", *body),
    )
    return element("details", element("summary", "Each beside each"), _scroll(table, "Each beside each"))


def _scroll(table: Html, name: str) -> Html:
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)


def _head(text: str, is_number: bool) -> Html:
    return element("th", text, scope="col", class_="number" if is_number else None)


def _share(pair: Pair) -> str:
    return _NONE if pair.share is None else f"{100 * pair.share:.1f} % of {pair.cases:,}"


def _percent(pair: Pair) -> str:
    return _NONE if pair.share is None else f"{100 * pair.share:.1f}"


def _title(name: str) -> str:
    criterion = load_criteria().get(name)
    return name if criterion is None else criterion.title


def _rule(name: str, sex: str) -> str:
    """`SMA < 144 cm²`; of several figures all, each with whom it is for."""
    criterion = load_criteria().get(name)
    if criterion is None:
        return _NONE
    figures = [each for each in criterion.figures if each.sex == sex and each.cutoff is not None]
    if len(figures) == 1:
        return rule_text(criterion, figures[0].cutoff or 0.0)
    return (
        "; ".join(f"{rule_text(criterion, each.cutoff or 0.0)}: {each.people}" for each in figures) or _NONE
    )
