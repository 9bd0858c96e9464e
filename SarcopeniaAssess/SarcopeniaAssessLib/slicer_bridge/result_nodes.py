"""Results in the scene: which segmentation nodes are results, of which CT and level, and in what state.

A result lives in its segmentation node's attributes, so it is saved with the scene and goes when its node
goes. The mask itself is the segment's; what is stored beside it is what the model drew and what was decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import slicer

from SarcopeniaAssessLib.errors import InputError
from SarcopeniaAssessLib.review import ReviewState
from SarcopeniaAssessLib.review_state import slice_of

RESULT = "SarcopeniaAssess.result"
REVIEW = "SarcopeniaAssess.review"
"""unreviewed, accepted or rejected when the module last looked: for a person who looks at the node."""
SEGMENT = "SarcopeniaAssess.segment"
CT_ROLE = "SarcopeniaAssessCt"


def is_result(node: Any) -> bool:
    """Whether a node is a segmentation that this module has made."""
    return node is not None and node.IsA("vtkMRMLSegmentationNode") and bool(node.GetAttribute(RESULT))


def require_result(node: Any) -> None:
    """Refuse what is no result.

    Raises
    ------
    InputError
        No node, or not one of this module.
    """
    if not is_result(node):
        raise InputError("There is no result of this module here", "assess a CT first")


def results(scene: Any = None) -> Iterator[Any]:
    """Segmentation nodes of a scene (by default Slicer's) that are results, in the scene's order."""
    nodes = (slicer.mrmlScene if scene is None else scene).GetNodesByClass("vtkMRMLSegmentationNode")
    nodes.UnRegister(None)
    for n in range(nodes.GetNumberOfItems()):
        if is_result(node := nodes.GetItemAsObject(n)):
            yield node


def store(node: Any, text: str, state: ReviewState) -> None:
    """Keep a result in its node, as `review_state.to_text` gives it; observers are told once."""
    blocked = node.StartModify()
    try:
        node.SetAttribute(RESULT, text)
        node.SetAttribute(REVIEW, state.value)
    finally:
        node.EndModify(blocked)


def stored(node: Any) -> str:
    """The text of a node's result; errors as `require_result`."""
    require_result(node)
    return str(node.GetAttribute(RESULT))


def level_of(node: Any) -> int:
    """Slice from the feet of a result, as it is stored.

    Raises
    ------
    InputError
        As `require_result`.
    RecordError
        What is stored is damaged.
    """
    return slice_of(stored(node))


def segment_of(node: Any) -> str:
    """Id of the segment that is the muscle; empty where none was bound."""
    return node.GetAttribute(SEGMENT) or ""


def bind(node: Any, segment_id: str, volume_node: Any) -> None:
    """Remember which segment of which CT a node's result is."""
    node.SetAttribute(SEGMENT, segment_id)
    node.SetNodeReferenceID(CT_ROLE, volume_node.GetID())


def ct_node_of(node: Any) -> Any:
    """The volume node of a result; `None` where it is gone."""
    return node.GetNodeReference(CT_ROLE)
