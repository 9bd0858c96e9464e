"""A segmentation node watched for what changes its result: edits first of all, whoever makes them.

One stroke of the editor fires several events, Undo and the first fill others, and a new name or colour the
same as an edit. So every event asks the logic what the result is now, and only a difference is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
import vtk

from SarcopeniaAssessLib.errors import SarcopeniaError

if TYPE_CHECKING:
    from SarcopeniaAssessLib.slicer_bridge.review_logic import ReviewLogic


class Watch:
    """Calls back when a result has changed.

    Parameters
    ----------
    logic, segmentation_node:
        Whose `measure` is asked of which result.
    on_change:
        Gets what `measure` gives; not called for the state at the beginning.
    on_error:
        Gets the `SarcopeniaError` where nothing can be measured any more, e.g. the segment is gone.
    """

    def __init__(
        self,
        logic: ReviewLogic,
        segmentation_node: Any,
        on_change: Callable[[dict[str, Any]], object],
        on_error: Callable[[SarcopeniaError], object] | None = None,
    ) -> None:
        self._logic, self._node = logic, segmentation_node
        self._on_change, self._on_error = on_change, on_error
        self._last = self._asked()
        self._tags = [
            segmentation_node.AddObserver(event, self._changed)
            for event in (
                slicer.vtkSegmentation.SourceRepresentationModified,
                slicer.vtkSegmentation.SegmentModified,
                slicer.vtkSegmentation.SegmentRemoved,
                vtk.vtkCommand.ModifiedEvent,
            )
        ]

    def stop(self) -> None:
        """Watch no more; twice is harmless."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._tags = []

    def refresh(self) -> None:
        """Look now, after something that fires no event."""
        self._changed()

    def _changed(self, *_: object) -> None:
        if self._node.GetScene() is None or self._logic.isWriting(self._node):
            return
        now = self._asked()
        if now == self._last:
            return
        self._last = now
        if not isinstance(now, tuple):
            self._on_change(now)
        elif self._on_error is not None:
            self._on_error(SarcopeniaError(*now))

    def _asked(self) -> Any:
        """What `measure` gives, or an error's words, which can be compared."""
        try:
            return self._logic.measure(self._node)
        except SarcopeniaError as error:
            return (error.problem, error.remedy)
