"""Dates of results come from the record, in the zone that is known."""

from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from SarcopeniaAssessLib.dicom_moments import decided_at, made_at, set_moments, with_zone
from SarcopeniaAssessLib.errors import RecordError

MADE = datetime(2026, 11, 28, 23, 30, 5, tzinfo=UTC)
DECIDED = datetime(2026, 11, 29, 1, 0, 0, tzinfo=UTC)


def record(assessed_at=None, at=None):
    return {"review": {"at": at}} | ({} if assessed_at is None else {"assessed_at": assessed_at})


def test_a_record_tells_when_it_was_made_and_decided():
    both = record("2026-11-29T00:30:05+01:00", "2026-11-29T01:00:00Z")
    assert (made_at(both), decided_at(both)) == (MADE, DECIDED)
    assert decided_at(record("2026-11-28T23:30:05+00:00")) == MADE
    assert made_at(record(at="2026-11-29T01:00:00Z")) == DECIDED


def test_a_record_that_tells_no_time_is_refused():
    with pytest.raises(RecordError, match="does not say when"):
        made_at(record())


@pytest.mark.parametrize(
    ("offset", "series", "content"),
    [
        (None, ("20261128", "233005"), ("20261129", "010000")),
        ("+0530", ("20261129", "050005"), ("20261129", "063000")),
        ("-0330", ("20261128", "200005"), ("20261128", "213000")),
    ],
)
def test_times_are_of_the_source_zone_or_utc(offset, series, content):
    made, equipment = Dataset(), Dataset()
    if offset:
        made.TimezoneOffsetFromUTC = offset
    made.ContributingEquipmentSequence = [equipment]
    set_moments(made, MADE, DECIDED)
    assert (made.SeriesDate, made.SeriesTime) == series
    assert (made.ContentDate, made.ContentTime) == content
    assert (made.InstanceCreationDate, made.InstanceCreationTime) == content
    assert equipment.ContributionDateTime == "20261129010000+0000"
    assert with_zone(MADE) == "20261128233005+0000"
