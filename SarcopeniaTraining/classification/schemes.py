"""The paper's three fine-tuning schemes: which layers learn, and the network cut where they begin.

`unfreezetop10` counts as RadImageNet's training scripts do, from which the schemes have their names: their
backbone ends in global average pooling, so the pooling layer is the first of the ten. In Keras's order of
layers this leaves the weights that docs/classification-networks.md lists; of InceptionV3 a single batch norm.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import ModelError
from SarcopeniaTraining.classification.architectures import require_keras
from SarcopeniaTraining.classification.networks import HEAD, POOLING, network_name

if TYPE_CHECKING:
    from typing import Self

TOP_LAYERS = 10
"""Of `unfreezetop10`; the pooling layer is one of them."""


class Scheme(StrEnum):
    """Which layers learn; the softmax layer always does."""

    UNFREEZE_ALL = "unfreezeall"
    """Every layer."""
    FREEZE_ALL = "freezeall"
    """The softmax layer alone."""
    UNFREEZE_TOP_10 = "unfreezetop10"
    """The softmax layer and the ten before it."""

    @classmethod
    def named(cls, name: str) -> Self:
        """Find a scheme by its name, in small or capital letters.

        Raises
        ------
        ModelError
            The paper has no such scheme.
        """
        try:
            return cls(name.strip().casefold())
        except ValueError:
            raise ModelError(f"there is no scheme {name!r}", f"take one of {', '.join(cls)}") from None


def top_layers(model: Any) -> tuple[Any, ...]:
    """The last ten layers before the softmax, in Keras's order.

    Parameters
    ----------
    model:
        Of `networks.build_classifier`.

    Returns
    -------
    tuple
        Ten layers, the pooling layer last.

    Raises
    ------
    ModelError
        `model` does not end in pooling and softmax.
    """
    names = [layer.name for layer in model.layers]
    if names[-2:] != [POOLING, HEAD]:
        raise ModelError(
            f"{network_name(model)} is no classifier: it ends in {names[-1]}", "build it by build_classifier"
        )
    return tuple(model.layers[-1 - TOP_LAYERS : -1])


def apply_scheme(model: Any, scheme: Scheme) -> None:
    """Set which layers learn; batch norms that do not learn stay in inference mode.

    Parameters
    ----------
    model:
        Of `networks.build_classifier`; changed in place. Compile it afterwards, not before.
    scheme:
        What learns.

    Raises
    ------
    ModelError
        `model` is no such classifier.
    """
    top = {layer.name for layer in top_layers(model)}
    for layer in model.layers:
        layer.trainable = (
            scheme is Scheme.UNFREEZE_ALL
            or layer.name == HEAD
            or (scheme is Scheme.UNFREEZE_TOP_10 and layer.name in top)
        )


def cut(model: Any, scheme: Scheme) -> tuple[Any | None, Any]:
    """Apply a scheme and cut the network in two: what no training changes, and what learns.

    The second after the first is the whole network. Both parts share its layers, so a trained part's weights
    are the network's own. What the first makes of an image can be kept for all runs from one start. Cut a
    network once for each scheme: Keras remembers every cut for as long as the network lives.

    Parameters
    ----------
    model:
        Of `networks.build_classifier`; its layers are set by `apply_scheme`.
    scheme:
        What learns.

    Returns
    -------
    frozen : keras.Model or None
        (n, side, side, 3) prepared images → the boundary tensors, a list where they are several. None where
        nothing is frozen.
    trained : keras.Model
        The boundary tensors, or prepared images where nothing is frozen → (n, 2) probabilities.

    Raises
    ------
    ModelError
        `model` is no such classifier.
    """
    apply_scheme(model, scheme)
    if scheme is Scheme.UNFREEZE_ALL:
        return None, model
    keras = require_keras()
    boundary = _boundary(model)
    inputs = boundary if len(boundary) > 1 else boundary[0]
    frozen = keras.Model(model.input, inputs, name=f"{model.name}_frozen")
    return frozen, keras.Model(inputs, model.output, name=f"{model.name}_{scheme}")


def _boundary(model: Any) -> list[Any]:
    """What the learning half reads of the frozen one: tensors that nothing trainable comes before."""
    moving: set[str] = set()
    found: dict[int, Any] = {}
    for layer in model.layers:  # in Keras's order every layer comes after those that it reads
        read = list(_read_by(layer))
        changes = [before.name in moving for before, _ in read]
        if any(changes) or (layer.trainable and layer.weights):
            moving.add(layer.name)
            found |= {id(tensor): tensor for (_, tensor), c in zip(read, changes, strict=True) if not c}
    return list(found.values())


def _read_by(layer: Any) -> Iterable[tuple[Any, Any]]:
    """The layers and tensors that a layer reads; each layer of these networks is called once."""
    for before in layer._inbound_nodes[0].parent_nodes:
        yield before.operation, before.output_tensors[0]
