"""Red, Yellow and Green: Slicer's own slice logic for each, and what scripts ask the layout manager for."""

from __future__ import annotations

from typing import Any

import slicer


class SliceWidget:
    """What `slicer.app.layoutManager().sliceWidget(name)` is to a script, without its window."""

    def __init__(self, name: str, scene: Any, application: Any) -> None:
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application)
        self.logic.SetMRMLScene(scene)
        self.logic.SetSliceNode(scene.GetSingletonNode(name, "vtkMRMLSliceNode"))
        self.logic.ResizeSliceNode(400, 400)

    def sliceLogic(self) -> Any:
        """vtkMRMLSliceLogic of the view."""
        return self.logic

    def mrmlSliceNode(self) -> Any:
        """Its slice node."""
        return self.logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """Which volumes it shows."""
        return self.logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Show the whole volume."""
        self.logic.FitSliceToBackground()


class LayoutManager:
    """The views of the default layout."""

    def __init__(self, scene: Any, application: Any) -> None:
        self._views = {name: SliceWidget(name, scene, application) for name in ("Red", "Yellow", "Green")}
        for view in self._views.values():
            application.GetSliceLogics().AddItem(view.logic)

    def sliceViewNames(self) -> tuple[str, ...]:
        """As in Slicer, a tuple."""
        return tuple(self._views)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """A view by its layout name; None if there is none."""
        return self._views.get(name)

    def resetSliceViews(self) -> None:
        """Fit each to its volume."""
        for view in self._views.values():
            view.fitSliceToBackground()

    def close(self) -> None:
        """Let the scene go."""
        for view in self._views.values():
            view.logic.SetMRMLScene(None)
