"""PySide6 seen as scripts see Qt in Slicer, through PythonQt.

A property of the meta-object is a value that is read and set (`label.text`, never `label.text()`); `name` is
`objectName`; a signal, slot or attribute that the class does not have is refused; a slot gets as many
arguments as it takes, a method of Qt takes none by name: PythonQtInstanceWrapper.cpp, PythonQtClassInfo.cpp,
PythonQtSignalReceiver.cpp, PythonQtSlot.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import EnumMeta
from inspect import CO_VARARGS
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakValueDictionary

import shiboken6
from PySide6 import QtCore

from Testing.slicer.host.failures import FAILURES

_SIGNAL, _SLOT, _METHOD = (
    getattr(QtCore.QMetaMethod.MethodType, name) for name in ("Signal", "Slot", "Method")
)
_VIEWS: dict[type, type] = {}
_ALIVE: WeakValueDictionary[int, View] = WeakValueDictionary()
_NUMBERS = {"int": int, "double": (int, float), "bool": (bool, int), "QString": str}
# Static functions that give (value, filter) in PySide6 and the value alone in PythonQt.
_FIRST_OF_PAIR = {"getOpenFileName", "getSaveFileName", "getOpenFileNames"}


def invokable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of a custom widget as Q_INVOKABLE: open to scripts."""
    function.__invokable__ = True  # type: ignore[attr-defined]
    return function


class Kind(type):
    """Type of the classes in `qt`: their enumerations, static functions and constructors are Qt's."""

    _seen: type

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            found = getattr(cls._seen, name)
        except AttributeError:
            raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'") from None
        if not callable(found) or isinstance(found, EnumMeta):
            return found

        def call(*arguments: Any) -> Any:
            made = found(*map(unwrap, arguments))
            return wrap(made[0] if name in _FIRST_OF_PAIR else made)

        return call


class View(metaclass=Kind):
    """A QObject as a script sees it."""

    _seen: type = QtCore.QObject
    _object: Any

    def __init__(self, *arguments: Any) -> None:
        made = type(self)._seen(*map(unwrap, arguments))
        object.__setattr__(self, "_object", made)
        _ALIVE[_address(made)] = self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._object is other._object

    def __hash__(self) -> int:
        return hash(id(self._object))

    def __repr__(self) -> str:
        return f"{type(self).__name__} (QObject at: {id(self._object):x})"

    def __bool__(self) -> bool:
        return shiboken6.isValid(self._object)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        seen = _valid(self, name)
        which = _property(seen, name)
        if which is not None:
            return wrap(seen.property(which))
        if name in _signals(seen):
            return Signal(self, name)
        found = _method(seen, name)
        if found is not None:
            return found
        for child in seen.children():
            if child.objectName() == name:
                return wrap(child)
        raise AttributeError(f"{seen.metaObject().className()} has no attribute named '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        seen = _valid(self, name)
        class_name = seen.metaObject().className()
        which = _property(seen, name)
        if which is None:
            raise AttributeError(f"'{name}' is no property of {class_name} and can not be set on it")
        about = seen.metaObject().property(seen.metaObject().indexOfProperty(which))
        if not about.isWritable():
            raise AttributeError(f"Property '{name}' of {class_name} object is not writable")
        wanted = _NUMBERS.get(about.typeName())
        if (wanted and not isinstance(value, wanted)) or not seen.setProperty(which, unwrap(value)):
            raise AttributeError(
                f"Property '{name}' of type '{about.typeName()}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            )

    def className(self) -> str:
        """Name of its C++ class."""
        return str(self._object.metaObject().className())

    def inherits(self, class_name: str) -> bool:
        """Whether it is of a class or of one derived from it."""
        return bool(self._object.inherits(class_name))

    def connect(self, signal: str, slot: Any, slot_name: str | None = None) -> bool:
        """Call a slot at a signal named with its types, `clicked()`."""
        called = slot if slot_name is None else getattr(slot, slot_name.partition("(")[0])
        _connect(self._object, _known_signal(self._object, signal), called)
        return True

    def disconnect(self, signal: str, slot: Any, slot_name: str | None = None) -> bool:
        """Undo `connect`; False if they were not connected."""
        called = slot if slot_name is None else getattr(slot, slot_name.partition("(")[0])
        return _disconnect(self._object, _known_signal(self._object, signal), called)

    def delete(self) -> None:
        """Delete the object at once."""
        shiboken6.delete(self._object)


class Signal:
    """A signal of one object: `button.clicked`."""

    def __init__(self, view: View, name: str) -> None:
        self._view = view
        self._signatures = _signals(view._object)[name]

    def connect(self, slot: Callable[..., Any]) -> bool:
        """Call a slot at each; of several signatures the first is taken, as PythonQt does."""
        _connect(self._view._object, self._signatures[0], slot)
        return True

    def disconnect(self, slot: Callable[..., Any]) -> bool:
        """Undo `connect`."""
        return _disconnect(self._view._object, self._signatures[0], slot)

    def emit(self, *arguments: Any) -> None:
        """Send it."""
        self(*arguments)

    def __call__(self, *arguments: Any) -> None:
        name = self._signatures[0].partition("(")[0]
        getattr(self._view._object, name).emit(*map(unwrap, arguments))


def view_class(seen: type) -> type:
    """The class of `qt` for a class of PySide6 or of the host's widgets."""
    if seen is QtCore.QObject:
        return View
    if seen not in _VIEWS:
        base = next(each for each in seen.__bases__ if issubclass(each, QtCore.QObject))
        _VIEWS[seen] = Kind(seen.__name__, (view_class(base),), {"_seen": seen, "__doc__": seen.__doc__})
    return _VIEWS[seen]


def wrap(value: Any) -> Any:
    """QObjects, alone or in a list, as views; the same view for the same object."""
    if isinstance(value, QtCore.QObject):
        address = _address(value)
        known = _ALIVE.get(address)
        if known is not None and shiboken6.isValid(known._object) and type(known)._seen is type(value):
            return known
        made = object.__new__(view_class(type(value)))
        object.__setattr__(made, "_object", value)
        _ALIVE[address] = made
        return made
    if isinstance(value, list | tuple):
        return type(value)(map(wrap, value))
    return value


def unwrap(value: Any) -> Any:
    """The reverse of `wrap`; functions become guarded slots."""
    if isinstance(value, View):
        return value._object
    if isinstance(value, type) and issubclass(value, View):
        return value._seen
    if isinstance(value, list | tuple):
        return type(value)(map(unwrap, value))
    if isinstance(value, FunctionType | MethodType):
        return _slot(value)
    return value


def forget_all() -> None:
    """Let go of every view, and of what only they keep alive."""
    _ALIVE.clear()
    _CONNECTED.clear()


_CONNECTED: dict[tuple[int, str], list[tuple[Any, Any]]] = {}


def _connect(sender: QtCore.QObject, signature: str, slot: Any) -> None:
    if not callable(slot):
        raise TypeError(f"{signature}: {slot!r} can not be called")
    guarded = _slot(slot)
    if not QtCore.QObject.connect(sender, QtCore.SIGNAL(signature), guarded):
        raise ValueError(f"{signature} of {sender.metaObject().className()} could not be connected")
    _CONNECTED.setdefault((_address(sender), signature), []).append((slot, guarded))


def _disconnect(sender: QtCore.QObject, signature: str, slot: Any) -> bool:
    known = _CONNECTED.get((_address(sender), signature), [])
    for entry in [each for each in known if each[0] == slot]:
        known.remove(entry)
        if QtCore.QObject.disconnect(sender, QtCore.SIGNAL(signature), entry[1]):
            return True
    return False


def _slot(function: Callable[..., Any]) -> Callable[..., Any]:
    """As PythonQtSignalTarget::call: a function without *args gets no more arguments than it takes."""
    plain = function.__func__ if isinstance(function, MethodType) else function
    most: int | None = None
    if isinstance(plain, FunctionType) and not plain.__code__.co_flags & CO_VARARGS:
        most = plain.__code__.co_argcount - isinstance(function, MethodType)
    guarded = FAILURES.guarded(function)

    def call(*arguments: Any) -> Any:
        return unwrap(guarded(*map(wrap, arguments[:most])))

    return call


def _known_signal(seen: QtCore.QObject, signal: str) -> str:
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signal).data()).decode()
    normal = re.sub(r"vtk\w+\*", "PyObject", normal)
    if seen.metaObject().indexOfSignal(normal) < 0:
        raise ValueError(f"signal '{signal}' does not exist on {seen.metaObject().className()}")
    return normal


def _signals(seen: QtCore.QObject) -> dict[str, list[str]]:
    meta, found = seen.metaObject(), {}
    for n in range(meta.methodCount()):
        method = meta.method(n)
        if method.methodType() == _SIGNAL:
            name = bytes(method.name().data()).decode()
            found.setdefault(name, []).append(bytes(method.methodSignature().data()).decode())
    return found


def _property(seen: QtCore.QObject, name: str) -> str | None:
    meta = seen.metaObject()
    if name == "name" and meta.indexOfProperty(name) < 0:
        return "objectName"
    if name == "singleShot" and isinstance(seen, QtCore.QTimer):
        return None  # as PythonQt: setSingleShot and isSingleShot instead
    return name if meta.indexOfProperty(name) >= 0 else None


def _method(seen: QtCore.QObject, name: str) -> Any:
    """A method that scripts reach: Qt's own; of the host's widgets those marked as invokable or slot."""
    owner = next((each for each in type(seen).__mro__ if name in each.__dict__), None)
    qt_name = "exec" if name == "exec_" else name
    if owner is None and (name in vars(seen) or not hasattr(seen, qt_name)):
        return None  # what the host's widgets keep for themselves is not there
    if owner is not None and not owner.__module__.startswith(("PySide6", "Shiboken")):
        marked = getattr(owner.__dict__[name], "__invokable__", False)
        if not marked and name not in _slots(seen):
            return None
    found = getattr(seen, qt_name)
    if not callable(found) or isinstance(found, EnumMeta):
        return found

    def call(*arguments: Any) -> Any:
        return wrap(found(*map(unwrap, arguments)))

    return call


def _slots(seen: QtCore.QObject) -> set[str]:
    meta = seen.metaObject()
    methods = (meta.method(n) for n in range(meta.methodCount()))
    return {bytes(each.name().data()).decode() for each in methods if each.methodType() in (_SLOT, _METHOD)}


def _valid(view: View, name: str) -> QtCore.QObject:
    seen = view._object
    if not shiboken6.isValid(seen):
        raise ValueError(f"Trying to reach '{name}' of a destroyed {type(view).__name__} object")
    return seen


def _address(seen: QtCore.QObject) -> int:
    return int(shiboken6.getCppPointer(seen)[0])
