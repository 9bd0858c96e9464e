"""The panel's sections one by one: facts and their sources, offers, packages, colours, the form."""

import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
import slicer

from SarcopeniaAssessLib.errors import Offer, WorkerError
from SarcopeniaAssessLib.level import Level, LevelMethod
from SarcopeniaAssessLib.worker_client import (
    DrawRequest,
    Failed,
    Finished,
    HelloRequest,
    LevelRequest,
    LocalWorker,
)
from Testing.library.small_case import LEVEL
from Testing.slicer import mrml_cases
from Testing.slicer.panel_clicks import LEVEL_MM, ROOT, Answers

FORM = ROOT / "SarcopeniaAssess" / "Resources" / "UI" / "SarcopeniaAssess.ui"
PROMISED = {
    "ctSelector": "qMRMLNodeComboBox",
    "sexComboBox": "QComboBox",
    "ageSpinBox": "QDoubleSpinBox",
    "heightSpinBox": "QDoubleSpinBox",
    "weightSpinBox": "QDoubleSpinBox",
    "levelSlider": "ctkSliderWidget",
    "modelComboBox": "QComboBox",
    "deviceComboBox": "QComboBox",
    "assessButton": "QPushButton",
    "cancelButton": "QPushButton",
    "segmentEditor": "qMRMLSegmentEditorWidget",
    "smaLabel": "QLabel",
    "statusLabel": "QLabel",
    "reviewerLineEdit": "QLineEdit",
    "organizationLineEdit": "QLineEdit",
    "acceptButton": "QPushButton",
    "rejectButton": "QPushButton",
}
SLICERS_MENUS = set("FEVH")


def answered_by(clicks, *outcomes):
    worker = clicks.widget.panel.run.worker = Answers(*outcomes)
    return worker


def dicom_volume(**attributes):
    node = mrml_cases.add_volume(name="From DICOM")
    for name, value in attributes.items():
        node.SetAttribute(f"DICOM.{name}", value)
    return node


def test_the_form_holds_every_promised_name():
    tree = ET.parse(FORM)
    widgets = {each.get("name"): each.get("class") for each in tree.iter("widget")}
    assert {name: widgets.get(name) for name in PROMISED} == PROMISED
    assert tree.find("widget/property[@name='geometry']/rect/width").text == "420"
    stops = [each.text for each in tree.iter("tabstop")]
    assert set(stops) <= set(widgets)
    assert len(set(stops)) == len(stops)
    reached = ("Button", "ComboBox", "SpinBox", "LineEdit", "CheckBox", "Slider", "Selector")
    assert {name for name in widgets if name.endswith(reached)} <= set(stops)


def test_every_sentence_of_the_form_can_be_translated():
    tree = ET.parse(FORM)
    fixed = [each for each in tree.iter() if each.get("notr") == "true"]
    assert [each.tag for each in fixed] == ["stringlist"], "node types are no words"


def keys_of_the_form():
    texts = [each.text or "" for each in ET.parse(FORM).iter("string")]
    return {text[text.index("&") + 1].upper() for text in texts if "&" in text}


def test_no_key_is_taken_from_slicers_menus():
    assert not keys_of_the_form() & SLICERS_MENUS


def test_the_keys_are_those_that_the_page_lists():
    page = (ROOT / "docs" / "slicer.md").read_text()
    lines = [line.split("|")[1] for line in page.splitlines() if line.startswith(("| Alt+", "| **Alt+"))]
    assert {key for line in lines for key in re.findall(r"\b[A-Z0-9]\b", line)} == keys_of_the_form()


def test_facts_come_from_dicom_and_their_source_is_told(clicks):
    clicks.choose(dicom_volume(PatientSex="F", PatientAge="067Y", PatientSize="1.63"))
    ui = clicks.ui
    assert ui.sexComboBox.currentText == "Female"
    assert (ui.ageSpinBox.value, ui.heightSpinBox.value, ui.weightSpinBox.value) == (67.0, 163.0, 0.0)
    assert ui.factsLabel.text == "From DICOM: sex, age, height. Not known: weight."
    clicks.sex("Male")
    assert ui.factsLabel.text == "From DICOM: age, height. Entered: sex. Not known: weight."
    clicks.sex("Unknown")
    assert ui.sexComboBox.currentText == "Female", "what DICOM says is not made unknown"


def test_facts_belong_to_their_ct(clicks):
    first, second = mrml_cases.add_volume(name="First"), mrml_cases.add_volume(name="Second")
    clicks.choose(first)
    clicks.sex("Male")
    clicks.ui.heightSpinBox.setValue(181.0)
    clicks.choose(second)
    assert clicks.ui.sexComboBox.currentText == "Unknown"
    assert clicks.ui.heightSpinBox.value == 0.0
    clicks.choose(first)
    assert clicks.ui.sexComboBox.currentText == "Male"
    assert clicks.ui.heightSpinBox.value == 181.0


def test_a_height_that_nobody_has_is_refused_in_a_sentence(assessed):
    assessed.ui.heightSpinBox.setValue(17.0)
    assert "height" in assessed.ui.messageLabel.text
    assert assessed.widget.logic.record(assessed.widget.panel.result)["patient"]["height_m"] is None


def test_another_sex_withdraws_an_acceptance(assessed):
    assessed.review("A. Reader")
    assessed.sex("Female")
    assert assessed.state == "unreviewed"
    assert "the sex changed" in assessed.ui.reviewLabel.text or "sex" in assessed.ui.reviewLabel.text
    assert "women" in assessed.ui.cutoffLabel.text


def test_without_a_sex_there_is_no_status_and_the_reason_is_told(assessed):
    assessed.sex("Unknown")
    assert assessed.ui.statusLabel.text == "No status: needs sex"


def test_a_suggestion_moves_the_slider_and_is_what_is_assessed(chosen):
    other = Level(4, -397.5, LevelMethod.AUTO, 0.2, "a count", "L2")
    level = Level(2, -409.5, LevelMethod.AUTO, 0.8, "a count", alternatives=(other,))
    worker = answered_by(chosen, Finished(level), Failed(WorkerError("Enough", "stop")))
    chosen.ui.suggestButton.click()
    chosen.wait()
    assert isinstance(worker.requests[0], LevelRequest)
    told = chosen.ui.levelInfoLabel.text
    assert "Slice 2 from the feet, of 7." in told
    assert "Suggested: slice 2, confidence 80 %. Or slice 4: count the vertebrae." in told
    chosen.assess()
    assert worker.requests[1].question.level == level
    chosen.go_to(LEVEL_MM)
    worker.outcomes.append(Failed(WorkerError("Enough", "stop")))
    chosen.assess()
    assert worker.requests[2].question.level == Level(LEVEL, LEVEL_MM, LevelMethod.S)


@pytest.mark.parametrize("offer", list(Offer))
def test_every_offer_does_what_its_button_says(chosen, offer, monkeypatch):
    worker = answered_by(chosen, *[Failed(WorkerError("It broke", "mend it", offer, "trace"))] * 2)
    installed = []
    monkeypatch.setattr(chosen.widget.panel.run, "install", lambda: installed.append(True))
    chosen.ui.deviceComboBox.addItem("GPU", "cuda:0")
    chosen.ui.deviceComboBox.setCurrentIndex(chosen.ui.deviceComboBox.findData("cuda:0"))
    chosen.assess()
    ui = chosen.ui
    assert ui.messageLabel.text == "It broke. Mend it."
    assert not ui.offerButton.isHidden()
    assert chosen.results == []
    ui.detailsButton.click()
    assert chosen.person.copied[0].endswith("trace")
    if offer is Offer.HERE:
        ui.offerButton.click()
        assert isinstance(chosen.widget.panel.run.worker, LocalWorker)
        ui.cancelButton.click()
        return
    ui.offerButton.click()
    if offer is Offer.INSTALL:
        assert installed == [True]
        return
    chosen.wait()
    again = worker.requests[1]
    assert isinstance(again, DrawRequest)
    assert again.device == ("cpu" if offer is Offer.CPU else "cuda:0")
    assert again.untiled is False


def test_an_error_without_an_offer_has_no_button(chosen):
    answered_by(chosen, Failed(WorkerError("It broke", "mend it")))
    chosen.assess()
    assert chosen.ui.offerButton.isHidden()
    assert chosen.ui.detailsButton.isHidden()
    assert chosen.ui.assessButton.enabled


def test_progress_is_told_and_goes_away(chosen):
    answered_by(chosen, Failed(WorkerError("It broke", "mend it")))
    chosen.click_assess()
    chosen.host.wait_until(lambda: chosen.ui.progressLabel.text == "At work")
    assert chosen.ui.progressBar.value == 500
    assert not chosen.ui.progressBar.isHidden()
    assert not chosen.ui.assessButton.enabled
    chosen.wait()
    assert chosen.ui.progressBar.isHidden()


def test_nothing_is_installed_without_a_yes(chosen, monkeypatch):
    from SarcopeniaAssessLib.slicer_bridge import dependencies

    absent = dependencies.Lacking((dependencies.Requirement("sarcopenia-absent-package", "1.2"),))
    installed = []
    monkeypatch.setattr(dependencies, "lacking", lambda *_: absent)
    monkeypatch.setattr(dependencies, "install", lambda wanted, wheels: installed.append((wanted, wheels)))
    worker = answered_by(chosen, Failed(WorkerError("It broke", "mend it")))
    chosen.person.yes = False
    chosen.ui.assessButton.click()
    assert "sarcopenia-absent-package" in chosen.person.asked[0]
    assert (installed, worker.requests) == ([], [])
    assert chosen.ui.messageLabel.text == "Nothing was installed."
    chosen.person.yes = True
    chosen.ui.assessButton.click()
    chosen.wait()
    assert installed == [(absent, None)]
    assert len(worker.requests) == 1, "and then it is assessed"


def test_the_devices_are_asked_for_when_somebody_looks(clicks):
    devices = [{"name": "cpu", "title": "CPU, 8 threads"}, {"name": "cuda:0", "title": "NVIDIA X"}]
    worker = answered_by(clicks, Finished({"devices": devices, "auto": "cpu", "torch": "2.9"}))
    assert worker.requests == []
    clicks.ui.modelSection.collapsed = False
    clicks.wait()
    assert worker.requests == [HelloRequest()]
    combo = clicks.ui.deviceComboBox
    assert [combo.itemText(n) for n in range(combo.count)] == ["Automatic", "CPU, 8 threads", "NVIDIA X"]
    assert clicks.ui.deviceInfoLabel.text == (
        "Automatic takes CPU, 8 threads. No graphics card that torch 2.9 can use was found."
    )
    clicks.ui.modelSection.collapsed = True
    clicks.ui.modelSection.collapsed = False
    assert len(worker.requests) == 1


def test_the_computers_report_can_be_copied(clicks):
    clicks.ui.computerButton.click()
    assert "Python" in clicks.person.shown[0]


def test_a_result_can_be_rejected_and_then_accepted(assessed):
    assessed.review("A. Reader", "rejectButton")
    assert assessed.ui.reviewLabel.text.startswith("Rejected by A. Reader")
    assert not assessed.ui.rejectButton.enabled
    assessed.review("A. Reader")
    assert assessed.ui.reviewLabel.text.startswith("✓ Accepted by A. Reader")


def test_the_result_is_moved_to_the_slice_shown(assessed):
    assert not assessed.ui.setLevelButton.enabled
    assessed.go_to(LEVEL_MM + 6.0)
    assert not assessed.ui.elsewhereLabel.isHidden()
    assessed.ui.setLevelButton.click()
    assessed.settle()
    assert "It is the result's." in assessed.ui.levelInfoLabel.text
    assert assessed.ui.elsewhereLabel.isHidden()


def test_a_removed_result_leaves_an_empty_panel(assessed):
    slicer.mrmlScene.RemoveNode(assessed.widget.panel.result)
    assessed.settle()
    assert assessed.sma_cm2 is None
    assert assessed.ui.statusLabel.text == "No result yet."
    assert not assessed.ui.acceptButton.enabled


def test_colours_follow_the_window(qt_host):
    import qt

    from SarcopeniaAssessLib.slicer_bridge.panel import _colours
    from SarcopeniaAssessLib.slicer_bridge.panel_words import DARK, LIGHT

    for window, colours in (("#202225", DARK), ("#f0f0f0", LIGHT)):
        palette = qt.QPalette()
        palette.setColor(qt.QPalette.Window, qt.QColor(window))
        assert _colours(SimpleNamespace(palette=palette)) is colours


def test_every_text_colour_can_be_read_on_its_window():
    """Contrast of at least 4.5 : 1 (WCAG 2.1, 1.4.3)."""
    from SarcopeniaAssessLib.slicer_bridge.panel_words import DARK, LIGHT

    def luminance(colour):
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for window, colours in (("#2d2d30", DARK), ("#efefef", LIGHT)):
        for name, colour in colours.items():
            bright, dark = sorted((luminance(colour), luminance(window)), reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"{name} on {window}"


def test_a_package_that_a_record_needs_and_that_is_not_there_is_a_sentence(assessed, monkeypatch):
    """As of a saved, edited result that is opened in a Slicer without the packages."""

    def fail(_node):
        raise ModuleNotFoundError("No module named 'jsonschema'")

    monkeypatch.setattr(assessed.widget.logic, "result", fail)
    assessed.widget.panel.refresh()
    assert assessed.ui.statusLabel.text.startswith("The package jsonschema is not installed.")
    assert not assessed.ui.acceptButton.enabled
    assert not assessed.ui.exportRecordButton.enabled
