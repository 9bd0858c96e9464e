"""The module as Slicer loads it: a form, a logic that scripts call, and its own test.

What the panel does is in `SarcopeniaAssessLib/slicer_bridge/panel*.py`, the logic's in `logic.py` there.
"""

from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.slicer_bridge.dependencies import lacking
from SarcopeniaAssessLib.slicer_bridge.logic import AssessLogic
from SarcopeniaAssessLib.slicer_bridge.panel import Panel


class SarcopeniaAssess(ScriptedLoadableModule):
    """What the module is called, where it stands in the menu, who made it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Sarcopenia Assess")
        parent.categories = [_("Segmentation"), _("Quantification")]
        parent.dependencies = ["Segmentations", "Volumes"]
        parent.contributors = ["The maintainers of SarcopeniaAssess"]
        parent.helpText = _(
            "Measures the skeletal muscle area on a CT slice at the third lumbar vertebra: choose a CT, go "
            "to L3, click Assess L3, correct the outline, accept. Research use only: not a medical device, "
            "not for diagnosis or treatment."
        )
        parent.acknowledgementText = _("Published cut-offs are cited in the panel and in every report.")


class SarcopeniaAssessWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the form and passes on what happens to module and scene; the rest is `panel`'s."""

    def __init__(self, parent=None):
        self.logic = None
        self.ui = None
        self.panel = None
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/SarcopeniaAssess.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = SarcopeniaAssessLogic()
        self.panel = Panel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)

    def cleanup(self):
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def enter(self):
        self.panel.enter()

    def exit(self):
        self.panel.leave()

    def onSceneStartClose(self, caller, event):
        self.panel.scene_closes()

    def onSceneEndClose(self, caller, event):
        self.panel.scene_closed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node):
        self.panel.node_removed(node)


class SarcopeniaAssessLogic(ScriptedLoadableModuleLogic, AssessLogic):
    """What scripts call: `assess`, `measure`, `accept`, `reject`, `record`, `setLevel`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleLogic.__init__(self, parent)


class SarcopeniaAssessTest(ScriptedLoadableModuleTest):
    """Runs in Slicer by "Reload and Test", and without it in Testing/slicer/test_module.py."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_SarcopeniaAssess()

    def test_SarcopeniaAssess(self):
        """The sample CT from assessment to acceptance, by the logic alone."""
        self.delayDisplay("Loading the sample CT")
        volume = self.sampleCt()
        missing = lacking()
        if missing:
            self.delayDisplay(f"Nothing was assessed: {', '.join(missing.names)} must be installed first")
            return
        logic = SarcopeniaAssessLogic()
        self.delayDisplay("Assessing L3")
        node = logic.assess(volume, sex="male", l3="slice:12")
        self.assertTrue(node.IsA("vtkMRMLSegmentationNode"))
        before = logic.measure(node)
        self.assertGreater(before["muscle"]["sma_cm2"], 50.0)
        self.assertEqual(before["review"]["state"], "unreviewed")
        self.delayDisplay("Accepting")
        logic.accept(node, "Test", "SarcopeniaAssess", "by the module's own test")
        self.assertEqual(logic.record(node)["review"]["state"], "accepted")
        self.delayDisplay("Editing withdraws it")
        self.eraseSomething(node, volume)
        after = logic.measure(node)
        self.assertLess(after["muscle"]["sma_cm2"], before["muscle"]["sma_cm2"])
        self.assertEqual(after["review"]["state"], "unreviewed")
        self.delayDisplay("Passed")

    @staticmethod
    def sampleCt():
        """The CT that comes with the module: procedural anatomy, nobody's."""
        import SimpleITK

        image = SimpleITK.ReadImage(str(Path(resource_path("demo")) / "ct.nii.gz"))
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Sample CT")
        slicer.util.updateVolumeFromArray(volume, SimpleITK.GetArrayFromImage(image))
        to_ras = vtk.vtkMatrix4x4()
        direction, spacing, origin = image.GetDirection(), image.GetSpacing(), image.GetOrigin()
        for row, sign in enumerate((-1.0, -1.0, 1.0)):
            for column in range(3):
                to_ras.SetElement(row, column, sign * direction[3 * row + column] * spacing[column])
            to_ras.SetElement(row, 3, sign * origin[row])
        volume.SetIJKToRASMatrix(to_ras)
        volume.CreateDefaultDisplayNodes()
        return volume

    @staticmethod
    def eraseSomething(node, volume):
        """Take every second voxel of the muscle away, as an eraser would."""
        segment = node.GetSegmentation().GetNthSegmentID(0)
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, volume)
        voxels[:, :, ::2] = 0
        slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, segment, volume)
