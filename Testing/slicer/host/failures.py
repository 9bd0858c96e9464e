"""What Slicer only prints, errors of slots and observers and complaints of Qt, kept for tests to fail on."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

# Complaints of Qt that mean a wrong connection, layout or name; the rest is about screens and fonts.
_COMPLAINTS = re.compile(
    r"QObject|QMetaObject|QMetaProperty|QWidget|QLayout|QFormLayout|QGridLayout|QFormBuilder|QTimer|Designer"
)


class Failures:
    """Errors that reached nobody, in the order in which they came.

    Attributes
    ----------
    messages:
        One text for each; a test that expects one takes it out.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._hooks: tuple[Any, Any] | None = None
        self._handler: Any = None

    def __enter__(self) -> Failures:
        self._hooks = sys.excepthook, sys.unraisablehook
        sys.excepthook = self._unhandled
        sys.unraisablehook = lambda told: self._unhandled(told.exc_type, told.exc_value, told.exc_traceback)
        self._handler = QtCore.qInstallMessageHandler(self._complaint)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._hooks is not None
        sys.excepthook, sys.unraisablehook = self._hooks
        QtCore.qInstallMessageHandler(self._handler)

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; what it raises is kept here, as C++ takes no exception of a slot."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except Exception:  # kept, and told by the fixture
                self.messages.append(traceback.format_exc())

        return call

    def _unhandled(self, kind: Any, error: Any, where: Any) -> None:
        self.messages.append("".join(traceback.format_exception(kind, error, where)))

    def _complaint(self, _kind: Any, _context: Any, text: str) -> None:
        if _COMPLAINTS.search(text):
            self.messages.append(text)


FAILURES = Failures()
"""Those of this process: Qt has one message handler, Python one hook."""
