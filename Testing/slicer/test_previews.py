"""Previews: words as long as German's fit the width of the module panel, with every section open."""

import pytest
from PySide6 import QtWidgets

from Testing.slicer import mrml_cases, previews
from Testing.slicer.host.application import qt_application
from Testing.slicer.previews import WIDTH, LongWords, Studio


@pytest.mark.parametrize(
    ("text", "longer"),
    [
        ("&Assess L3", "&Assessungs L3"),
        ("Slice {number} of {count}", "Sliceungs {number} of {count}"),
        ("<b>Problem</b>", "<b>Problemungs</b>"),
        ("Cance&l", "Cance&lungs"),
    ],
)
def test_long_words_keep_placeholders_markup_and_keys(text, longer):
    assert LongWords().translate("", text) == longer


@pytest.fixture
def long_words():
    words = LongWords()
    qt_application().installTranslator(words)
    yield
    qt_application().removeTranslator(words)


def test_long_words_fit_the_panels_width(long_words, tmp_path, capsys):
    studio = Studio(tmp_path, "-long")
    try:
        for n, section in enumerate(("ctSection", "modelSection")):
            widget = getattr(studio.clicks.ui, section)
            widget.blockSignals(True)  # the worker is not asked for devices
            widget.collapsed = False
            widget.blockSignals(False)
            if n:
                studio.clicks.choose(mrml_cases.add_volume())
            path = studio.photograph(section)
            assert "needs" not in capsys.readouterr().out
            assert path.stat().st_size > 10_000
        content = studio._column.widget()
        assert content.width() <= WIDTH
        for button in content.findChildren(QtWidgets.QPushButton):
            assert button.isHidden() or button.width() >= button.minimumSizeHint().width(), button.text()
        assert studio.clicks.ui.assessButton.text == "&Assessungs L3"
    finally:
        studio.close()
    assert previews.FAILURES.messages == []
