"""The dialogs themselves, answered by a timer as a person would."""

import pytest
from PySide6 import QtCore, QtWidgets


@pytest.fixture
def dialogs(qt_host):
    import qt

    from SarcopeniaAssessLib.slicer_bridge.dialogs import Dialogs

    return Dialogs(qt.QWidget())


def answered(answer):
    """Do something with the dialog that opens next."""

    def do():
        box = QtWidgets.QApplication.activeModalWidget()
        assert box is not None
        answer(box)

    QtCore.QTimer.singleShot(0, do)


def test_a_report_is_shown_and_copied(dialogs):
    seen = []

    def answer(box):
        seen.append((box.windowTitle(), box.findChild(QtWidgets.QPlainTextEdit).toPlainText()))
        buttons = box.findChild(QtWidgets.QDialogButtonBox)
        next(each for each in buttons.buttons() if "Copy" in each.text()).click()
        buttons.button(QtWidgets.QDialogButtonBox.StandardButton.Close).click()

    answered(answer)
    dialogs.report("ok  Python", "This computer")
    assert seen == [("This computer", "ok  Python")]
    assert QtWidgets.QApplication.clipboard().text() == "ok  Python"


def test_a_table_that_is_there_is_added_to_without_a_question(dialogs, tmp_path):
    table = tmp_path / "all.csv"
    table.write_text("case\n")

    def answer(box):
        assert box.acceptMode() == QtWidgets.QFileDialog.AcceptMode.AcceptSave
        assert box.testOption(QtWidgets.QFileDialog.Option.DontConfirmOverwrite)
        box.selectFile(str(table))
        box.accept()

    answered(answer)
    assert dialogs.add_to_file("Add to table", "all.csv", "Tables (*.csv)") == table


def test_a_cancelled_dialog_gives_nothing(dialogs):
    answered(lambda box: box.reject())
    assert dialogs.add_to_file("Add to table", "all.csv", "Tables (*.csv)") is None


@pytest.mark.parametrize(
    ("name", "asked", "arguments"),
    [
        ("open_file", "getOpenFileName", ("Model file", "Models (*.safetensors)")),
        ("save_file", "getSaveFileName", ("Save record", "a.json", "Records (*.json)")),
        ("folder", "getExistingDirectory", ("Folder",)),
    ],
)
def test_files_and_folders_are_paths_and_nothing_is_none(
    dialogs, monkeypatch, tmp_path, name, asked, arguments
):
    import qt

    for given, expected in ((str(tmp_path), tmp_path), ("", None)):
        monkeypatch.setattr(qt.QFileDialog, asked, lambda *_, given=given: given, raising=False)
        assert getattr(dialogs, name)(*arguments) == expected
