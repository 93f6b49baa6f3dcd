"""Finds the zone of times that are written with offsets from UTC."""

import re

import numpy as np

from seqcast.errors import UsageError
from seqcast.panel.arrays import IntArray, evenly_spread
from seqcast.panel.clock import COMMON_ZONES, offset_name, utc_offsets
from seqcast.panel.notices import Notice
from seqcast.panel.wording import quoted
from seqcast.reading.time_arrays import Datetimes, Times

_SUFFIX = re.compile(r"(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?)$")
_MOST_SHOWN = 5
_PROBED = 100
"""Times that are compared with a zone first, because few zones pass."""


def in_named_zone(column: str, texts: list[str], utc: Datetimes) -> Times:
    """Returns times with the zone that their texts name: a constant offset, or the zone that all offsets are those of.

    Args:
        column: The time column.
        texts: Distinct times as written, with an offset at their end.
        utc: The same times in UTC.
    """
    minutes = _offsets(texts)
    if minutes is None:
        return Times(utc, (utc_notice(column, "a zone"),), is_utc=True, zone="UTC")
    distinct = np.unique(minutes).tolist()
    if len(distinct) == 1:
        zone = offset_name(distinct[0])
        text = f"times of column {quoted(column)} have the offset {_written(distinct[0])}, and forecasts will have it"
        return Times(utc, (Notice("decision", text),), is_utc=True, zone=zone)
    found = next((zone for zone in COMMON_ZONES if _has_offsets(zone, utc, 60 * minutes)), None)
    shown = ", ".join(map(_written, distinct[:_MOST_SHOWN])) + (", ..." if len(distinct) > _MOST_SHOWN else "")
    if found is None:
        notice = utc_notice(column, f"offsets that are not those of one zone ({shown})")
        return Times(utc, (notice,), is_utc=True, zone="UTC")
    text = f"times of column {quoted(column)} have the offsets {shown} of {found}, whose clock is followed"
    return Times(utc, (Notice("decision", text),), is_utc=True, zone=found)


def utc_notice(column: str, what: str) -> Notice:
    """Returns the notice that times were converted to UTC because no clock for them is known."""
    return Notice("repair", f"times of column {quoted(column)} have {what}; they were converted to UTC")


def _offsets(texts: list[str]) -> IntArray | None:
    """Returns the offset of each text in minutes; None if one does not end in an offset."""
    found = [_SUFFIX.search(text) for text in texts]
    if not all(found):
        return None
    return np.array([_minutes(match) for match in found if match is not None], np.int64)


def _minutes(match: re.Match[str]) -> int:
    if match["utc"]:
        return 0
    minutes = 60 * int(match["hours"]) + int(match["minutes"] or 0)
    return -minutes if match["sign"] == "-" else minutes


def _written(minutes: int) -> str:
    return offset_name(minutes) if minutes else "+00:00"


def _has_offsets(zone: str, utc: Datetimes, seconds: IntArray) -> bool:
    few = evenly_spread(len(utc), _PROBED)
    try:
        probed = np.array_equal(utc_offsets(zone, utc[few]), seconds[few])
        return probed and np.array_equal(utc_offsets(zone, utc), seconds)
    except UsageError:  # an old time zone database lacks the zone
        return False
