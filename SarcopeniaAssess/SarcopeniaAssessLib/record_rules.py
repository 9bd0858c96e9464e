"""What makes a record valid: its published JSON Schema, and the arithmetic that a schema cannot say.

The first fault is told by the path of its field; a value is shown only where it is a number, so that no
text of a record (a reviewer's name) gets into a message.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib import resource_path
from SarcopeniaAssessLib.criteria import Criterion, StatusValue, load_criteria
from SarcopeniaAssessLib.errors import RecordError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA_FILE = "sarcopenia-assessment-1.schema.json"
_SchemaError = Any
"""A `jsonschema.ValidationError`, whose fields its stubs declare as possibly unset."""
_REMEDY = "assess the CT again, or correct this field"
_CLOSE = 1e-6
"""Relative: what reading and writing decimals may change."""

_TYPE_NAMES = {
    bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object",
    type(None): "null",
}  # fmt: skip


def validate_record(record: Mapping[str, Any]) -> None:
    """Refuse a record that does not follow its schema or contradicts itself.

    Raises
    ------
    RecordError
        Names the first field at fault, e.g. `muscle.sma_cm2`, and what is wrong with it.
    """
    for path, value in _leaves(record, ""):
        if isinstance(value, float) and not math.isfinite(value):
            raise RecordError(f"{path} is {value}, not a number", _REMEDY)
    # Faults of one field before rules between fields, which they may have caused.
    errors = sorted(_validator().iter_errors(record), key=lambda error: "allOf" in error.absolute_schema_path)
    if errors:
        raise RecordError(f"{_path(errors[0])}: {_problem(errors[0])}", _REMEDY)
    for contradiction in _CONTRADICTIONS:
        for path, problem in contradiction(record):
            raise RecordError(f"{path}: {problem}", _REMEDY)


def in_schema_order(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same record with its fields in the schema's order, added ones last."""
    ordered: dict[str, Any] = _ordered(record, _schema())
    return ordered


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    try:
        schema: dict[str, Any] = json.loads(resource_path(SCHEMA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{SCHEMA_FILE} cannot be read", "install the program again") from error
    return schema


@lru_cache(maxsize=1)
def _validator() -> Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_schema())


def _ordered(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        names = [*(name for name in known if name in value), *(name for name in value if name not in known)]
        return {name: _ordered(value[name], known.get(name, {})) for name in names}
    if isinstance(value, list):
        return [_ordered(item, schema.get("items", {})) for item in value]
    return value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _path(error: _SchemaError) -> str:
    field, path = "", ""
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    wanted = error.validator_value
    if error.validator == "required":
        field = next(name for name in wanted if name not in error.instance)
    elif error.validator == "additionalProperties" and wanted is False:
        field = next(name for name in error.instance if name not in error.schema["properties"])
    path += f".{field}" if path and field else field
    return path or "record"


def _problem(error: _SchemaError) -> str:
    allowed = error.validator_value
    in_words: dict[str, Callable[[], str]] = {
        "required": lambda: "is missing",
        "type": lambda: f"expected {_type_words(allowed)}, got {_shown(error.instance)}",
        "enum": lambda: (
            f"expected one of {', '.join(map(json.dumps, allowed))}, got {_shown(error.instance)}"
        ),
        "const": lambda: f"expected {json.dumps(allowed)}, got {_shown(error.instance)}",
        "minimum": lambda: f"{error.instance} is below {allowed}",
        "exclusiveMinimum": lambda: f"{error.instance} is not above {allowed}",
        "maximum": lambda: f"{error.instance} is above {allowed}",
        "exclusiveMaximum": lambda: f"{error.instance} is not below {allowed}",
        "minItems": lambda: f"needs {allowed} entries, has {len(error.instance)}",
        "maxItems": lambda: f"needs {allowed} entries, has {len(error.instance)}",
        "minLength": lambda: "is empty",
        "pattern": lambda: f"does not have the form {allowed}",
        "additionalProperties": lambda: "does not belong here",
    }
    told = in_words.get(str(error.validator), lambda: f"breaks the schema's {error.validator}")()
    schema_path = list(error.absolute_schema_path)
    rule = _schema()["allOf"][schema_path[1]]["title"] if schema_path[0] == "allOf" else ""
    return f"{told} ({rule})" if rule else told


def _type_words(allowed: str | list[str]) -> str:
    return " or ".join([allowed] if isinstance(allowed, str) else allowed)


def _shown(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _TYPE_NAMES.get(type(value), type(value).__name__)


_Contradictions = Iterator[tuple[str, str]]


def _intervals(record: Mapping[str, Any]) -> _Contradictions:
    muscle = record["muscle"]
    interval = muscle["sma_interval_cm2"]
    if interval is not None and not interval[0] <= muscle["sma_cm2"] <= interval[1]:
        yield "muscle.sma_interval_cm2", f"does not hold the area, {muscle['sma_cm2']} cm²"


def _areas(record: Mapping[str, Any]) -> _Contradictions:
    muscle = record["muscle"]
    in_range, mean_hu = muscle["sma_hu_m29_150_cm2"], muscle["mean_hu"]
    if in_range is not None and in_range > muscle["sma_cm2"] * (1 + _CLOSE):
        yield "muscle.sma_hu_m29_150_cm2", "is larger than the mask of which it is a part"
    if (mean_hu is None) != (not in_range):
        yield "muscle.mean_hu", "belongs together with an area within −29…150 HU"


def _index(record: Mapping[str, Any]) -> _Contradictions:
    height_m, smi = record["patient"]["height_m"], record["muscle"]["smi_cm2_m2"]
    expected = None if height_m is None else record["muscle"]["sma_cm2"] / height_m**2
    if (smi is None) != (expected is None):
        yield "muscle.smi_cm2_m2", "belongs together with a height"
    elif smi is not None and expected is not None and not math.isclose(smi, expected, rel_tol=_CLOSE):
        yield "muscle.smi_cm2_m2", f"is {smi}, but area and height give {expected:.6g}"


def _statuses(record: Mapping[str, Any]) -> _Contradictions:
    criteria = load_criteria()
    statuses = {"status": record["status"]} | {
        f"other_criteria[{n}]": other for n, other in enumerate(record["other_criteria"])
    }
    names = [status["criterion"] for status in statuses.values()]
    for path, status in statuses.items():
        if names.count(status["criterion"]) > 1:
            yield f"{path}.criterion", "is listed twice"
        criterion = criteria.get(status["criterion"])
        # A criterion that a later version of this program knows cannot be checked here.
        if criterion is not None:
            yield from _status_of_criterion(record, path, status, criterion)


def _status_of_criterion(
    record: Mapping[str, Any], path: str, status: Mapping[str, Any], criterion: Criterion
) -> _Contradictions:
    if status["unit"] != criterion.unit:
        yield f"{path}.unit", f"is not {criterion.unit}, in which {criterion.id} is measured"
    if status["value"] == StatusValue.UNDETERMINED:
        return
    measured = record["muscle"][criterion.measure.value]
    if measured is None:
        yield f"{path}.value", f"is determined, but muscle.{criterion.measure.value} is not known"
    elif criterion.is_low(measured, status["cutoff"]) != (status["value"] == StatusValue.SARCOPENIC):
        yield f"{path}.value", f"contradicts {measured} beside the cut-off {status['cutoff']}"


def _review_time(record: Mapping[str, Any]) -> _Contradictions:
    at = record["review"]["at"]
    if at is None:
        return
    try:
        datetime.fromisoformat(at)  # the schema asks for its form and zone, not whether the day exists
    except ValueError:
        yield "review.at", "is no date and time"


_CONTRADICTIONS: tuple[Callable[[Mapping[str, Any]], _Contradictions], ...] = (
    _intervals, _areas, _index, _statuses, _review_time,
)  # fmt: skip
