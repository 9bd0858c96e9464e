"""PySide6 seen as PythonQt: what Slicer refuses is refused, what Slicer only prints fails a test."""

import pytest

from Testing.slicer.host.failures import FAILURES


@pytest.fixture
def qt(qt_host):
    import qt

    return qt


def test_a_property_is_a_value(qt):
    label = qt.QLabel("163.4 cm²")
    assert label.text == "163.4 cm²"
    with pytest.raises(TypeError):
        label.text()
    label.text = "not known"
    assert label.text == "not known"
    assert label.isEnabled() is label.enabled is True


def test_name_is_the_objects_name(qt):
    button = qt.QPushButton()
    button.name = "assessButton"
    assert button.objectName == "assessButton"


@pytest.mark.parametrize("name", ["txt", "setTextt", "_private"])
def test_an_unknown_attribute_is_refused(qt, name):
    label = qt.QLabel()
    with pytest.raises(AttributeError, match=name):
        getattr(label, name)
    with pytest.raises(AttributeError, match=name):
        setattr(label, name, "x")
    with pytest.raises(AttributeError, match="width"):
        label.width = 3  # not writable


def test_a_value_of_another_type_is_refused(qt):
    with pytest.raises(AttributeError, match="does not accept"):
        qt.QLabel().text = 3.2


def test_qt_takes_no_argument_by_its_name(qt):
    """As PythonQtSlotFunction_CallImpl: "called slot does not support kwargs"."""
    label = qt.QLabel()
    with pytest.raises(TypeError):
        label.setText(arg__1="words")
    with pytest.raises(TypeError):
        qt.QApplication.setStyle(style="Fusion")


def test_an_unknown_signal_is_refused(qt):
    with pytest.raises(ValueError, match="does not exist"):
        qt.QPushButton().connect("pressedHard()", print)
    with pytest.raises(ValueError, match="does not exist"):
        qt.QPushButton().connect("clicked(int)", print)


def test_a_slot_gets_as_many_arguments_as_it_takes(qt):
    box, heard = qt.QCheckBox(), []
    box.connect("toggled(bool)", heard.append)
    box.connect("toggled(bool)", lambda: heard.append("none"))
    box.toggled.connect(lambda on, other="default": heard.append((on, other)))
    box.click()
    assert heard == [True, "none", (True, "default")]


def test_a_connection_is_undone(qt):
    box, heard = qt.QCheckBox(), []

    class Listener:
        def hear(self, on):
            heard.append(on)

    listener = Listener()
    box.connect("toggled(bool)", listener.hear)
    assert box.disconnect("toggled(bool)", listener.hear)
    assert not box.disconnect("toggled(bool)", listener.hear)
    box.click()
    assert heard == []


def test_an_error_in_a_slot_is_kept(qt):
    button = qt.QPushButton()
    button.connect("clicked()", lambda: {}["missing"])
    button.click()
    assert "KeyError: 'missing'" in FAILURES.messages.pop()


def test_a_complaint_of_qt_is_kept(qt):
    widget = qt.QWidget()
    layouts = qt.QVBoxLayout(widget), qt.QVBoxLayout(widget)
    assert layouts
    assert "already has a layout" in FAILURES.messages.pop()


def test_the_same_object_is_the_same_to_a_script(qt):
    widget = qt.QWidget()
    label = qt.QLabel(widget)
    label.name = "inner"
    assert widget.children() == [label]
    assert widget.inner == label
    assert label.parent() == widget
    assert widget.inner.className() == "QLabel"


def test_a_timer_that_nobody_keeps_is_gone(qt, qt_host):
    """As in Slicer: a wrapper that falls out of use takes an object without a parent along."""
    heard = []

    def forget():
        timer = qt.QTimer()
        timer.interval = 1
        timer.connect("timeout()", lambda: heard.append(1))
        timer.start()

    forget()
    kept = qt.QTimer()
    kept.setSingleShot(True)
    kept.connect("timeout()", lambda: heard.append("kept"))
    kept.start(30)
    qt_host.wait_until(lambda: "kept" in heard)
    assert heard == ["kept"]


def test_a_deleted_object_is_told(qt):
    label = qt.QLabel("gone")
    label.delete()
    with pytest.raises(ValueError, match="destroyed"):
        label.text  # noqa: B018


def test_qt_has_no_names_of_pyside(qt):
    with pytest.raises(AttributeError):
        qt.Signal  # noqa: B018
    assert qt.Qt.AlignRight != qt.Qt.AlignLeft
    assert qt.QMessageBox.Yes != qt.QMessageBox.No
