"""Both routes in one picture: probability of the classifier over the distance of the area to the cut-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from SarcopeniaTraining.classification.classifier_scores import THRESHOLD
from SarcopeniaTraining.classification.route_readings import AS_PRINTED
from SarcopeniaTraining.figure_style import BLUE, GREY, INK, ORANGE, PURPLE, VERMILION, legend, two_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from SarcopeniaTraining.classification.two_routes import Patient, TwoRoutes

_LOOKS = {
    (True, True): ("both right", BLUE),
    (True, False): ("only the area right", ORANGE),
    (False, True): ("only the classifier right", PURPLE),
    (False, False): ("both wrong", VERMILION),
}
_MARKERS = {"male": ("^", "men"), "female": ("o", "women"), None: ("s", "sex not known")}


def routes_figure(routes: TwoRoutes) -> Figure:
    """A panel a network: every patient by area (across) and by classifier (up), coloured by who is right."""
    networks = [name for name in routes.chosen if any(name in one.classifiers for one in routes.patients)]
    figure, axes = two_columns(len(networks), 3.8)
    for axis, network in zip(axes, networks, strict=True):
        own = [one for one in routes.patients if network in one.classifiers]
        _points(axis, own, network)
        axis.set_title(f"{network}, {routes.chosen[network]}", size=10.5)
        axis.set_ylabel("probability of sarcopenia")
        axis.set_xlabel("predicted area against the cut-off (%)")
    _legend(figure, axes[0], routes)
    return figure


def predicted_distance_percent(one: Patient) -> float:
    """Predicted area above (+) or below (−) the cut-off, in per cent of it."""
    return 100 * (one.area.predicted_sma_cm2 / one.area.cutoff_cm2 - 1)


def _points(axis: Axes, patients: list[Patient], network: str) -> None:
    axis.axvline(0, color=GREY, linewidth=1.2)
    axis.axhline(THRESHOLD, color=GREY, linewidth=1.2)
    for right, (_, colour) in _LOOKS.items():
        for sex, (marker, _) in _MARKERS.items():
            own = [one for one in patients if one.area.sex == sex and _right(one, network) == right]
            if own:
                axis.scatter(
                    [predicted_distance_percent(one) for one in own],
                    [one.classifiers[network].probability for one in own],
                    marker=marker,
                    s=42,
                    color=colour,
                    edgecolor="white",
                    linewidth=0.6,
                    zorder=3 if right == (True, True) else 4,
                )
    ill = [one for one in patients if one.area.truth]
    axis.scatter(
        [predicted_distance_percent(one) for one in ill],
        [one.classifiers[network].probability for one in ill],
        s=120,
        facecolor="none",
        edgecolor=INK,
        linewidth=0.8,
        zorder=5,
    )
    axis.set_ylim(-0.03, 1.03)


def _right(one: Patient, network: str) -> tuple[bool, bool]:
    truth = one.area.truth
    return one.area.called == truth, one.classifiers[network].called(AS_PRINTED) == truth


def _legend(figure: Figure, axis: Axes, routes: TwoRoutes) -> None:
    handles = [
        axis.scatter([], [], color=colour, s=42, label=words)
        for right, (words, colour) in _LOOKS.items()
        if any(_right(one, name) == right for one in routes.patients for name in one.classifiers)
    ]
    sexes = {one.area.sex for one in routes.patients}
    handles += [
        axis.scatter([], [], color=GREY, marker=marker, s=42, label=words)
        for sex, (marker, words) in _MARKERS.items()
        if sex in sexes
    ]
    handles.append(
        axis.scatter([], [], s=120, facecolor="none", edgecolor=INK, linewidth=0.8, label="truly sarcopenic")
    )
    legend(figure, min(len(handles), 4), list(handles))
