"""When a result was made and decided, as DICOM dates and times: taken from the record, never from a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from SarcopeniaAssessLib.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom import Dataset


def made_at(record: Mapping[str, Any]) -> datetime:
    """When the CT was assessed.

    Raises
    ------
    RecordError
        The record does not say (it was made before records did) and nobody has reviewed it.
    """
    told = record.get("assessed_at") or record["review"]["at"]
    if told is None:
        raise RecordError("The record does not say when it was made", "assess the CT again")
    return _moment(told)


def decided_at(record: Mapping[str, Any]) -> datetime:
    """When a person decided; of an unreviewed record, when it was made."""
    told = record["review"]["at"]
    return made_at(record) if told is None else _moment(told)


def set_moments(instance: Dataset, series: datetime, content: datetime) -> None:
    """Dates and times of series, content and instance creation.

    They are UTC, or of the zone that the instance (with the patient's identity) has from its source.
    """
    zone = _zone(str(instance.get("TimezoneOffsetFromUTC") or ""))
    for name, moment in (("Series", series), ("Content", content), ("InstanceCreation", content)):
        there = moment.astimezone(zone)
        setattr(instance, f"{name}Date", there.strftime("%Y%m%d"))
        setattr(instance, f"{name}Time", there.strftime("%H%M%S"))
    for equipment in instance.get("ContributingEquipmentSequence") or []:
        equipment.ContributionDateTime = with_zone(content)


def with_zone(moment: datetime) -> str:
    """A DT value in UTC, with its zone."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _zone(offset: str) -> timezone:
    if not offset:
        return UTC
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5])))


def _moment(told: str) -> datetime:
    moment = datetime.fromisoformat(told)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
