"""The widgets of CTK that the panel uses, with its documented names and no others."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Slot

_STEPS = 10_000


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A heading that folds what is laid out below it away."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        text, parent = (parent, None) if isinstance(parent, str) else ("", parent)
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._wanted: dict[QtWidgets.QWidget, bool] = {}
        self._is_folding = self._was_made = False
        self.toggled.connect(self._fold)
        self._make_room()

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, _set_collapsed, notify=contentsCollapsed)

    def _fold(self, opened: bool) -> None:
        for child in self._inside():
            self._apply(child)
        self.updateGeometry()
        self.contentsCollapsed.emit(not opened)

    def _inside(self) -> list[QtWidgets.QWidget]:
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]

    def _apply(self, child: QtWidgets.QWidget) -> None:
        """Show a child that is wanted and unfolded, hide any other; as CTK, not before the button is made."""
        if not self.testAttribute(Qt.WidgetAttribute.WA_WState_Created):
            return
        self._is_folding = True
        wanted = self._wanted.get(child, True)
        child.setVisible(wanted and self.isChecked())
        if wanted:  # so that hiding it while it is folded is an event again
            child.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._is_folding = False

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """What is shown or hidden from now on is remembered; in a folded button nothing is shown."""
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget):
            if child.isHidden() and child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide):
                self._wanted[child] = False
            child.installEventFilter(self)
            self._apply(child)
        super().childEvent(event)

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Somebody has shown or hidden a child: that holds once the button is unfolded."""
        if not self._is_folding and isinstance(child, QtWidgets.QWidget):
            if event.type() == QtCore.QEvent.Type.ShowToParent:
                self._wanted[child] = True
                self._apply(child)
            elif event.type() == QtCore.QEvent.Type.HideToParent:
                self._wanted[child] = False
        return False

    def setVisible(self, visible: bool) -> None:
        """Children follow; that is no wish of theirs."""
        self._is_folding = True
        super().setVisible(visible)
        self._is_folding = False
        if not self._was_made and self.testAttribute(Qt.WidgetAttribute.WA_WState_Created):
            self._was_made = True
            for child in self._inside():
                self._apply(child)

    def _heading(self) -> int:
        return self.fontMetrics().height() + 10

    def _make_room(self) -> None:
        self.setContentsMargins(0, self._heading(), 0, 0)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        """The heading grows with the font."""
        if event.type() == QtCore.QEvent.Type.FontChange:
            self._make_room()
        super().changeEvent(event)

    def sizeHint(self) -> QtCore.QSize:
        """Of the heading, with what is unfolded below it."""
        least = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._heading())
        layout = self.layout()
        return layout.totalSizeHint().expandedTo(least) if layout and self.isChecked() else least

    def minimumSizeHint(self) -> QtCore.QSize:
        """As `sizeHint`, of the least sizes."""
        least = QtCore.QSize(60, self._heading())
        layout = self.layout()
        return layout.totalMinimumSize().expandedTo(least) if layout and self.isChecked() else least

    def hitButton(self, point: QtCore.QPoint) -> bool:
        """Only the heading is pressed."""
        return bool(0 <= point.y() < self._heading())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Arrow and heading."""
        painter, style = QtGui.QPainter(self), self.style()
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self._heading())
        style.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 0, 16, self._heading())
        element = QtWidgets.QStyle.PrimitiveElement
        style.drawPrimitive(
            element.PE_IndicatorArrowDown if self.isChecked() else element.PE_IndicatorArrowRight,
            arrow,
            painter,
            self,
        )
        style.drawItemText(
            painter,
            option.rect.adjusted(28, 0, -6, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextShowMnemonic.value,
            self.palette(),
            self.isEnabled(),
            self.text(),
            QtGui.QPalette.ColorRole.ButtonText,
        )
        painter.end()


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with its spin box, in physical units."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._tracking = True
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, _STEPS)
        self.box = QtWidgets.QDoubleSpinBox(self)
        self.box.setRange(0, 99)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.box)
        self.setFocusProxy(self.slider)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(self._released)
        self.box.valueChanged.connect(self._changed)

    def _slid(self, step: int) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        value = low + (high - low) * step / _STEPS
        if self.slider.isSliderDown() and not self._tracking:
            self.valueIsChanging.emit(value)
        else:
            self.box.setValue(value)

    def _released(self) -> None:
        self._slid(self.slider.value())

    def _changed(self, value: float) -> None:
        self._place()
        if not self._tracking:
            self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _place(self) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        self.slider.blockSignals(True)
        self.slider.setValue(round(_STEPS * (self.box.value() - low) / (high - low)) if high > low else 0)
        self.slider.blockSignals(False)

    def _set_minimum(self, least: float) -> None:
        self.box.setMinimum(least)
        self._place()

    def _set_maximum(self, most: float) -> None:
        self.box.setMaximum(most)
        self._place()

    def _set_tracking(self, tracking: bool) -> None:
        self._tracking = tracking

    def _set_step(self, step: float) -> None:
        self.box.setSingleStep(step)

    @Slot(float)
    def setValue(self, value: float) -> None:
        """The nearest value of the range."""
        self.box.setValue(value)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        """Decimals of the spin box."""
        self.box.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    @Slot()
    def reset(self) -> None:
        """To 0, or the nearest value."""
        self.box.setValue(0.0)

    @Slot(bool)
    def setSpinBoxVisible(self, visible: bool) -> None:
        """Show or hide the spin box."""
        self.box.setVisible(visible)

    decimals = Property(int, lambda self: self.box.decimals(), setDecimals, notify=decimalsChanged)
    singleStep = Property(float, lambda self: self.box.singleStep(), _set_step)
    pageStep = Property(float, lambda self: 10 * self.box.singleStep(), lambda self, _step: None)
    minimum = Property(float, lambda self: self.box.minimum(), _set_minimum)
    maximum = Property(float, lambda self: self.box.maximum(), _set_maximum)
    value = Property(float, lambda self: self.box.value(), setValue)
    prefix = Property(str, lambda self: self.box.prefix(), lambda self, text: self.box.setPrefix(text))
    suffix = Property(str, lambda self: self.box.suffix(), lambda self, text: self.box.setSuffix(text))
    tracking = Property(bool, lambda self: self._tracking, _set_tracking)
    spinBoxVisible = Property(bool, lambda self: not self.box.isHidden(), setSpinBoxVisible)


class ctkMessageBox(QtWidgets.QMessageBox):
    """Qt's message box; what CTK adds is asked for by `slicer.util` alone."""

    dontShowAgainSettingsKey = Property(str, lambda self: "", lambda self, _key: None)
