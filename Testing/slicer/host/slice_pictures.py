"""A slice view drawn offscreen by Slicer's own displayable managers: CT, outlines, lines of other slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from Testing.slicer.host.slice_views import SliceWidget

_MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D", "vtkMRMLModelSliceDisplayableManager")


class SlicePicture:
    """One view, fitted to its volume.

    Parameters
    ----------
    view:
        As `slicer.app.layoutManager().sliceWidget(name)` gives it.
    size:
        Width and height in pixels.
    """

    def __init__(self, view: SliceWidget, size: tuple[int, int]) -> None:
        self._view = view
        at_mm = view.logic.GetSliceOffset()
        view.logic.ResizeSliceNode(*size)
        view.fitSliceToBackground()
        view.logic.SetSliceOffset(at_mm)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetSize(*size)
        renderer = vtk.vtkRenderer()
        self._window.AddRenderer(renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        renderer.AddViewProp(self._image())
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for name in _MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = factory.InstantiateDisplayableManagers(renderer)
        self._group.SetMRMLDisplayableNode(view.mrmlSliceNode())

    def _image(self) -> Any:
        """What the slice logic has resampled, behind everything: ctkVTKSliceView's part."""
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self._view.logic.GetImageDataConnection())
        actor = vtk.vtkActor2D()
        actor.SetMapper(mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        return actor

    def pixels(self) -> np.ndarray[Any, Any]:
        """Colours, uint8 (height, width, 3), row 0 at the top."""
        self._window.Render()
        grabbed = vtk.vtkWindowToImageFilter()
        grabbed.SetInput(self._window)
        grabbed.ReadFrontBufferOff()
        grabbed.Update()
        image = grabbed.GetOutput()
        width, height, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1].copy()

    def ras_of(self, column: float, row: float) -> np.ndarray[Any, Any]:
        """RAS of a pixel's centre; row from the top."""
        matrix = self._view.mrmlSliceNode().GetXYToRAS()
        height = self._window.GetSize()[1]
        return np.array(matrix.MultiplyPoint((column, height - 1 - row, 0.0, 1.0))[:3])

    def save(self, path: Path) -> None:
        """As a PNG file."""
        from PIL import Image

        Image.fromarray(self.pixels()).save(path)

    def close(self) -> None:
        """Let the scene go."""
        self._group.SetMRMLDisplayableNode(None)
        self._group.SetRenderer(None)
        self._window.Finalize()
