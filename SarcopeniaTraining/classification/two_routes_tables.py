"""Both routes side by side as tables: how often each is right, and who is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from SarcopeniaAssessLib.criteria import format_area
from SarcopeniaTraining.agreement import wilson
from SarcopeniaTraining.classification.classifier_scores import COUNTS, THRESHOLD, Confusion
from SarcopeniaTraining.classification.route_readings import AS_PRINTED
from SarcopeniaTraining.classification.run_words import estimates, with_interval
from SarcopeniaTraining.table_files import NOT_KNOWN, Block, Row, Shown, Table, Value, number, word

if TYPE_CHECKING:
    from SarcopeniaTraining.classification.two_routes import Patient, RouteAgreement, TwoRoutes

ROUTES_NOTES = (
    "A patient is read by every fold and by every shuffled set that tested, and did not train on, him or "
    "her. Area: the status of most folds (of as many, of their mean area). Classifier: the mean probability "
    "over sets, above 0.5 as printed; moved: above the thresholds of the greatest balanced accuracy on "
    "validation.",
    "Truth: the status of the true area and the sex (below 144 cm² men, 92 cm² women).",
    "Intervals are Wilson's. p: exact two-sided McNemar test of the patients on whom one route alone is "
    "right, not corrected for the number of rows.",
    "A network's scheme is that of its best run on validation; validation patients of one set are test "
    "patients of others, so that choice favours the classifier a little.",
)
_SHARES = ("accuracy", "recall", "specificity")


def routes_table(routes: TwoRoutes) -> Table:
    """Two rows a network: its calls above 0.5, and above the threshold moved on validation."""
    return Table(
        "two_routes",
        "Two routes to a status: area of the segmented muscle, and classifier, on the same patients",
        (
            _patients_block(),
            _route_block("area", "area route"),
            _route_block("classifier", "classifier"),
            _both(),
        ),
        tuple(_agreement_row(one) for one in routes.agreements),
        (*ROUTES_NOTES, *_left_out(routes)),
    )


def wrong_table(routes: TwoRoutes) -> Table:
    """A row a patient whom some route calls wrongly, nearest to the cut-off first."""
    networks = list(routes.chosen)
    wrong = [one for one in routes.patients if _wrong_area(one) or _wrong_networks(one)]
    wrong.sort(key=lambda one: (abs(one.area.distance_percent), one.person))
    right = len(routes.patients) - len(wrong)
    return Table(
        "two_routes_patients",
        "Who is wrong where: patients whom the area route or a classifier calls wrongly",
        (_truth_block(), _area_block(), *(_network_block(name) for name in networks)),
        tuple(_patient_row(one) for one in wrong),
        (
            f"{right} of {len(routes.patients)} patients are right by the area and by every network.",
            "Distance: true area above (+) or below (−) the cut-off, in per cent of it.",
            "Probability: mean over the sets that tested the patient; called sarcopenic above 0.5.",
        ),
    )


def _patients_block() -> Block:
    return Block(
        "patients",
        ("network", "scheme", "calls", "patients", "sarcopenic"),
        (
            Shown("network", word("network")),
            Shown("scheme", word("scheme")),
            Shown("calls", word("calls")),
            Shown("patients (sarcopenic)", lambda row: f"{row['patients']} ({row['sarcopenic']})"),
        ),
    )


def _route_block(route: str, heading: str) -> Block:
    names = tuple(f"{route}_{name}{end}" for name in _SHARES for end in ("", "_low_95", "_high_95"))
    return Block(
        heading,
        (*(f"{route}_{name}" for name in COUNTS), *names),
        tuple(Shown(f"{name} (95 %)", with_interval(f"{route}_{name}", 2)) for name in _SHARES),
    )


def _both() -> Block:
    return Block(
        "both",
        (
            *("both_right", "only_area_right", "only_classifier_right", "neither_right"),
            *("agreement", "agreement_low_95", "agreement_high_95", "kappa", "mcnemar_p"),
        ),
        (
            Shown("both right", word("both_right")),
            Shown("only area right", word("only_area_right")),
            Shown("only classifier right", word("only_classifier_right")),
            Shown("neither", word("neither_right")),
            Shown("same status (95 %)", with_interval("agreement", 2)),
            Shown("κ", number("kappa", 2)),
            Shown("McNemar p", _p),
        ),
    )


def _p(row: Row) -> str:
    p = row.get("mcnemar_p")
    if p is None:
        return NOT_KNOWN
    return "< 0.001" if float(p) < 0.001 else f"{float(p):.3f}"


def _agreement_row(one: RouteAgreement) -> Row:
    return {
        "network": one.network,
        "scheme": one.scheme,
        "calls": one.way,
        "patients": one.area.count,
        "sarcopenic": one.area.positive,
        **_of_route("area", one.area),
        **_of_route("classifier", one.classifier),
        "both_right": one.both_right,
        "only_area_right": one.only_area,
        "only_classifier_right": one.only_classifier,
        "neither_right": one.neither,
        **estimates({"agreement": one.agreed.share}),
        "kappa": one.agreed.kappa,
        "mcnemar_p": one.mcnemar_p,
    }


def _of_route(route: str, calls: Confusion) -> dict[str, Value]:
    shares = {f"{route}_{name}": wilson(*calls.parts[name]) for name in _SHARES}
    counts = {f"{route}_{name}": getattr(calls, name) for name in COUNTS}
    return {**counts, **estimates(shares)}


def _left_out(routes: TwoRoutes) -> list[str]:
    """What the reader must know of patients who are not in the rows."""
    notes = []
    if not routes.same_cohort:
        notes.append("The two runs are of different manifests: patients are matched by the names of cases.")
    for people, words in (
        (routes.contradictory, "left out, label told and true area disagree"),
        (routes.undetermined, "left out, no status by area (no sex)"),
        (routes.missed, "left out, tested by one of the two runs alone"),
    ):
        if people:
            notes.append(f"{len(people)} {words}: {_some(people)}.")
    return notes


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _truth_block() -> Block:
    return Block(
        "truth",
        ("patient", "sex", "truth_sma_cm2", "cutoff_cm2", "distance_percent", "truth_sarcopenic"),
        (
            Shown("patient", word("patient")),
            Shown("sex", word("sex")),
            Shown("SMA (cm²)", _area("truth_sma_cm2")),
            Shown("distance to cut-off (%)", number("distance_percent", 1, signed=True)),
            Shown("sarcopenic", word("truth_sarcopenic")),
        ),
    )


def _area_block() -> Block:
    return Block(
        "area route",
        ("predicted_sma_cm2", "area_sarcopenic", "area_positive_folds", "area_folds", "area_right"),
        (
            Shown("SMA (cm²)", _area("predicted_sma_cm2")),
            Shown("sarcopenic (folds)", _call("area_sarcopenic", "{area_positive_folds} of {area_folds}")),
            Shown("right", word("area_right")),
        ),
    )


def _network_block(network: str) -> Block:
    return Block(
        network,
        tuple(f"{network}_{name}" for name in ("probability", "sarcopenic", "sets", "right")),
        (
            Shown("probability", _probability(f"{network}_probability")),
            Shown("sarcopenic", word(f"{network}_sarcopenic")),
            Shown("right", word(f"{network}_right")),
        ),
    )


def _area(name: str) -> Callable[[Row], str]:
    """Area with as many decimals as its side of the cut-off needs."""

    def text(row: Row) -> str:
        return format_area(float(row[name] or 0), float(row["cutoff_cm2"] or 0))

    return text


def _probability(name: str) -> Callable[[Row], str]:
    """Two decimals, more where its side of one half needs them."""

    def text(row: Row) -> str:
        value = row.get(name)
        return NOT_KNOWN if value is None else format_area(float(value), THRESHOLD, decimals=2)

    return text


def _call(name: str, pattern: str) -> Callable[[Row], str]:
    return lambda row: f"{word(name)(row)} ({pattern.format_map(dict(row))})"


def _patient_row(one: Patient) -> Row:
    area = one.area
    row: dict[str, Value] = {
        "patient": one.person,
        "sex": area.sex,
        "truth_sma_cm2": area.truth_sma_cm2,
        "cutoff_cm2": area.cutoff_cm2,
        "distance_percent": area.distance_percent,
        "truth_sarcopenic": area.truth,
        "predicted_sma_cm2": area.predicted_sma_cm2,
        "area_sarcopenic": area.called,
        "area_positive_folds": area.positive,
        "area_folds": area.readings,
        "area_right": area.called == area.truth,
    }
    for network, reading in one.classifiers.items():
        called = reading.called(AS_PRINTED)
        row |= {
            f"{network}_probability": reading.probability,
            f"{network}_sarcopenic": called,
            f"{network}_sets": reading.readings,
            f"{network}_right": called == area.truth,
        }
    return row


def _wrong_area(one: Patient) -> bool:
    return one.area.called != one.area.truth


def _wrong_networks(one: Patient) -> list[str]:
    return [name for name, reading in one.classifiers.items() if reading.called(AS_PRINTED) != one.area.truth]
