"""The host's forms and widgets: documented names only, the scene passed on, edits by Slicer's own logic."""

import numpy as np
import pytest
from PySide6.QtWidgets import QToolButton

from Testing.slicer.host.pythonqt import unwrap
from Testing.slicer.host.strokes import stroke

FORM = """<ui version="4.0"><class>Panel</class>
<widget class="{root}" name="Panel"><layout class="QVBoxLayout"><item>
<widget class="qMRMLNodeComboBox" name="choice">
<property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
{property}</widget></item></layout></widget>
<connections><connection><sender>Panel</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>{receiver}</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""
NONE = '<property name="noneEnabled"><bool>true</bool></property>'


@pytest.fixture
def form(qt_host, tmp_path):
    """Write a form, load it as a module does."""

    def load(root="qMRMLWidget", receiver="choice", added=""):
        import slicer

        path = tmp_path / "Panel.ui"
        path.write_text(FORM.format(root=root, receiver=receiver, property=added))
        return slicer.util.loadUI(str(path))

    return load


def add(name, kind="vtkMRMLScalarVolumeNode"):
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


def test_a_form_passes_its_scene_on(form):
    import slicer

    panel = form()
    ui = slicer.util.childWidgetVariables(panel)
    assert not ui.choice.enabled
    panel.setMRMLScene(slicer.mrmlScene)
    assert ui.choice.enabled
    assert ui.choice.mrmlScene() is slicer.mrmlScene


def test_what_a_form_gets_wrong_is_refused(form):
    with pytest.raises(LookupError, match="ctkUnheardOf"):
        form(root="ctkUnheardOf")
    with pytest.raises(LookupError, match="elsewhere"):
        form(receiver="elsewhere")
    with pytest.raises(LookupError, match="noneEnable"):
        form(added=NONE.replace("noneEnabled", "noneEnable"))


def test_the_node_selector_follows_the_scene(form):
    import slicer

    panel = form()
    choice, told = slicer.util.childWidgetVariables(panel).choice, []
    choice.connect("currentNodeChanged(vtkMRMLNode*)", told.append)
    panel.setMRMLScene(slicer.mrmlScene)
    first, second = add("First"), add("Second")
    add("Other", "vtkMRMLModelNode")
    assert choice.nodeCount() == 2
    assert (choice.currentNode(), told) == (first, [first])  # Qt makes the first row of an empty list current
    choice.setCurrentNode(second)
    assert choice.currentNodeID == second.GetID()
    slicer.mrmlScene.RemoveNode(second)
    assert choice.currentNode() is first
    slicer.mrmlScene.Clear(False)
    assert told[-1] is choice.currentNode() is None


def test_the_node_selector_with_none_waits_for_the_user(form):
    import slicer

    panel = form(added=NONE)
    choice = slicer.util.childWidgetVariables(panel).choice
    panel.setMRMLScene(slicer.mrmlScene)
    volume = add("CT")
    assert choice.currentNode() is None
    choice.currentNodeID = volume.GetID()
    assert choice.currentNode() is volume


def test_methods_that_are_no_slots_are_out_of_reach(qt_host):
    """CTK's setRange is public C++, but neither slot nor invokable: a script cannot call it."""
    import ctk

    slider = ctk.ctkSliderWidget()
    with pytest.raises(AttributeError, match="setRange"):
        slider.setRange(0, 1)
    with pytest.raises(AttributeError, match="slider"):
        slider.slider  # noqa: B018 - the host's own inside
    with pytest.raises(TypeError):
        slider.value()


def test_the_slider_keeps_to_its_range_and_tells_once(qt_host):
    import ctk

    slider, told = ctk.ctkSliderWidget(), []
    slider.minimum, slider.maximum = -300.0, 250.0
    slider.connect("valueChanged(double)", told.append)
    slider.value = -120.5
    slider.value = -120.5
    slider.value = 900.0
    assert told == [-120.5, 250.0]
    assert slider.value == 250.0


def test_the_slider_tells_of_changes_under_way_only_without_tracking(qt_host):
    """As ctkSliderWidget::setSpinBoxValue."""
    import ctk

    slider, told = ctk.ctkSliderWidget(), []
    slider.connect("valueIsChanging(double)", told.append)
    slider.value = 3.0
    assert told == []
    slider.tracking = False
    slider.value = 4.0
    assert told == [4.0]


def test_a_folded_section_hides_what_is_in_it(qt_host):
    import ctk
    import qt

    section = ctk.ctkCollapsibleButton()
    layout, told = qt.QVBoxLayout(section), []
    layout.addWidget(qt.QLabel("inside"))
    label = section.children()[-1]
    section.connect("contentsCollapsed(bool)", told.append)
    section.show()
    assert label.visible
    high = section.sizeHint.height()
    section.collapsed = True
    assert not label.visible
    assert section.sizeHint.height() < high
    section.click()
    assert label.visible
    assert told == [True, False]


def test_what_is_shown_or_hidden_in_a_folded_section_comes_so_when_it_is_opened(qt_host):
    """As ctkCollapsibleButton::eventFilter: the wish is remembered, nothing is shown meanwhile."""
    import ctk
    import qt

    section = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(section)
    labels = [qt.QLabel(text) for text in ("wanted later", "not wanted any more", "as it was")]
    for label in labels:
        layout.addWidget(label)
    labels[0].visible = False
    section.show()
    assert [label.visible for label in labels] == [False, True, True]
    section.collapsed = True
    labels[0].visible = True
    labels[1].visible = False
    assert [label.visible for label in labels] == [False, False, False]
    section.collapsed = False
    assert [label.visible for label in labels] == [True, False, True]


@pytest.fixture
def editor(qt_host):
    """A segment editor on an empty segment of a CT with one bright half (x ≥ 0)."""
    import slicer

    volume = add("CT")
    hu = np.full((4, 20, 30), -500, np.int16)
    hu[:, :, 15:] = 40
    slicer.util.updateVolumeFromArray(volume, hu)
    volume.SetOrigin(-15.0, -10.0, 0.0)
    segmentation = add("Muscle", "vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("muscle", "Muscle")
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setMRMLSegmentEditorNode(add("Editor", "vtkMRMLSegmentEditorNode"))
    widget.setSegmentationNode(segmentation)
    return widget


def marked(widget):
    """How many voxels are marked, and the segment on the volume's grid."""
    import slicer

    found = slicer.util.arrayFromSegmentBinaryLabelmap(
        widget.segmentationNode(), "muscle", widget.sourceVolumeNode()
    )
    return int(found.sum())


def test_the_editor_takes_the_reference_volume_and_the_first_segment(editor):
    assert editor.sourceVolumeNode().GetName() == "CT"
    assert editor.currentSegmentID() == "muscle"
    assert editor.activeEffect() is None


def test_a_stroke_is_undone_and_redone(editor):
    editor.setActiveEffectByName("Paint")
    assert editor.activeEffect().name == "Paint"
    stroke(editor, (5.0, 0.0, 1.0), 2.1)
    painted = marked(editor)
    assert painted == 13 + 9 + 9 + 1  # its own slice, those beside it, one voxel two slices up, none below
    editor.setActiveEffectByName("Erase")
    stroke(editor, (5.0, 0.0, 1.0), 1.1)
    assert marked(editor) == painted - 7
    editor.undo()
    assert marked(editor) == painted
    editor.undo()
    assert marked(editor) == 0
    editor.redo()
    assert marked(editor) == painted


def test_painting_keeps_to_the_masked_intensities(editor):
    node = editor.mrmlSegmentEditorNode()
    node.SourceVolumeIntensityMaskOn()
    node.SetSourceVolumeIntensityMaskRange(-29, 150)
    editor.setActiveEffectByName("Paint")
    stroke(editor, (0.0, 0.0, 1.0), 1.1)
    assert marked(editor) == 6  # of seven voxels the one to the left is air


def test_a_read_only_editor_puts_its_effect_down(editor):
    editor.setActiveEffectByName("Paint")
    editor.readOnly = True
    assert editor.activeEffect() is None


def test_only_the_effects_asked_for_are_shown(editor):
    editor.unorderedEffectsVisible = False
    editor.setEffectNameOrder(["Erase", "Paint", "No such effect"])
    assert editor.effectCount() == 3
    assert editor.effectByIndex(0) is None, "the arrow that puts every effect down"
    assert editor.effectByIndex(1).name == "Erase"
    assert editor.effectByIndex(3) is None
    shown = [each.text() for each in unwrap(editor).findChildren(QToolButton) if not each.isHidden()]
    assert sorted(shown) == ["Erase", "None", "Paint", "Redo", "Undo"]


def test_an_effect_that_is_clicked_again_stays_and_none_puts_it_down(editor):
    """As qMRMLSegmentEditorWidget's exclusive group of buttons."""
    buttons = {each.text(): each for each in unwrap(editor).findChildren(QToolButton)}
    for text, active in (("Paint", "Paint"), ("Paint", "Paint"), ("None", None)):
        buttons[text].click()
        effect = editor.activeEffect()
        assert (effect.name if effect else None) == active
        assert buttons[text].isChecked()


def test_effects_begin_as_slicers_do_and_again_after_the_scene_was_closed(editor):
    import slicer

    islands, node = editor.effectByName("Islands"), editor.mrmlSegmentEditorNode()
    assert islands.parameter("Operation") == "KEEP_LARGEST_ISLAND"
    kept = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
    kept.UnRegister(None)
    kept.SetSingletonTag("Kept")
    kept.SetAttribute("Islands.MinimumSize", "12")
    kept = slicer.mrmlScene.AddNode(kept)
    editor.setMRMLSegmentEditorNode(kept)
    assert islands.integerParameter("MinimumSize") == 12, "what the node has stays"
    assert node is not kept
    slicer.mrmlScene.Clear(False)
    assert islands.integerParameter("MinimumSize") == 1000, "a closed scene takes it away"


def test_another_segmentation_puts_the_effect_down(editor):
    editor.setActiveEffectByName("Paint")
    editor.setSegmentationNode(add("Other", "vtkMRMLSegmentationNode"))
    assert editor.activeEffect() is None


def test_the_editors_keys_are_slicers(editor):
    """As qMRMLSegmentEditorWidget::installKeyboardShortcuts; a key does nothing once they are uninstalled."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    widget = unwrap(editor)
    editor.unorderedEffectsVisible = False
    editor.setEffectNameOrder(["Erase", "Paint"])
    editor.show()
    QTest.qWaitForWindowExposed(widget)
    widget.activateWindow()
    editor.installKeyboardShortcuts()
    QTest.keyClick(widget, Qt.Key.Key_2)
    assert editor.activeEffect().name == "Paint"
    stroke(editor, (5.0, 0.0, 1.0), 1.1)
    QTest.keyClick(widget, Qt.Key.Key_Z)
    assert widget.logic.CanRedo()  # looked at by slicer.util, a segment may change, and Redo would be gone
    QTest.keyClick(widget, Qt.Key.Key_Y)

    assert marked(editor) == 7
    QTest.keyClick(widget, Qt.Key.Key_I)
    assert editor.mrmlSegmentEditorNode().GetSourceVolumeIntensityMask()
    QTest.keyClick(widget, Qt.Key.Key_2)
    assert editor.activeEffect() is None
    for key in (Qt.Key.Key_Escape, Qt.Key.Key_7):  # there is no seventh effect
        QTest.keyClick(widget, Qt.Key.Key_1)
        assert editor.activeEffect().name == "Erase"
        QTest.keyClick(widget, key)
        assert editor.activeEffect() is None
    QTest.keyClick(widget, Qt.Key.Key_1)
    QTest.keyClick(widget, Qt.Key.Key_Escape)
    assert editor.activeEffect() is None
    editor.uninstallKeyboardShortcuts()
    QTest.keyClick(widget, Qt.Key.Key_1)
    assert editor.activeEffect() is None
