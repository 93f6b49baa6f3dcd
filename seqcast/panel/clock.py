"""Clocks of time zones: from UTC to wall-clock time and back, for whole arrays and years 0 to 9999."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from seqcast.errors import UsageError, option
from seqcast.panel.arrays import BoolArray, IntArray

Datetimes = NDArray[Any]
"""datetime64[us]; times of a panel that are numbers have no clock."""

COMMON_ZONES = (
    *("Europe/Berlin", "America/New_York", "Europe/London", "America/Chicago", "America/Los_Angeles"),
    *("America/Denver", "Europe/Helsinki", "Australia/Sydney", "Asia/Kolkata", "Asia/Tokyo", "America/Sao_Paulo"),
    *("Pacific/Auckland", "America/Halifax", "Asia/Jerusalem", "Africa/Cairo", "America/Santiago", "Asia/Beirut"),
    *("Australia/Adelaide", "America/St_Johns", "America/Anchorage", "Europe/Moscow", "Europe/Istanbul"),
    *("Asia/Tehran", "Atlantic/Azores", "America/Havana", "America/Asuncion", "America/Mexico_City"),
    *("Europe/Chisinau", "America/Nuuk", "Pacific/Chatham", "Australia/Lord_Howe", "Africa/Casablanca"),
    *("America/Adak", "Pacific/Easter", "Pacific/Norfolk", "America/Tijuana", "America/Phoenix", "Asia/Amman"),
)
"""One zone, often the most populous one, of each rule by which clocks change; the first that fits is proposed."""
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_DAY = 86_400
_FIRST_DAY, _LAST_DAY = (int(np.datetime64(day, "D").astype(np.int64)) for day in ("0002-01-01", "9998-12-31"))
"""Days in which Python can compute with zones; others have the offset of the nearest one."""


@dataclass(frozen=True)
class Clock:
    """The clock that the steps of a panel follow."""

    zone: str
    """Name such as Europe/Berlin, or an offset such as +02:00."""
    on_wall: bool
    """Whether the times of the panel are those that the clock shows, so that a day is one step though it may have 23 or
    25 hours; otherwise they are UTC, so that no hour is missing or doubled."""

    def wall(self, times: Datetimes) -> Datetimes:
        """Returns the times that the clock shows at times of the panel."""
        return times if self.on_wall else to_wall(self.zone, times)

    def utc(self, times: Datetimes) -> Datetimes:
        """Returns UTC of times of the panel."""
        return to_utc(self.zone, times) if self.on_wall else times

    def from_utc(self, utc: Datetimes, origins: Datetimes | None = None) -> Datetimes:
        """Returns times of the panel; those that the clock skipped follow the time of day of `origins`, if given."""
        if not self.on_wall:
            return utc
        wall = to_wall(self.zone, utc)
        return wall if origins is None else unskipped(self.zone, wall, utc, _time_of_day(origins))

    def from_wall(self, wall: Datetimes) -> Datetimes:
        """Returns times of the panel; of two equal times of the clock the first is meant."""
        return wall if self.on_wall else to_utc(self.zone, wall)


@lru_cache(maxsize=64)
def find_zone(name: str) -> tzinfo:
    """Returns the rules of a zone: a name of the time zone database, UTC, or an offset such as +02:00.

    Raises:
        UsageError: There is no such zone.
    """
    offset = _OFFSET.fullmatch(name)
    if name == "UTC":
        return UTC
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        minutes = 60 * int(offset[2]) + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Give one such as Europe/Berlin, UTC or +02:00."
        if not available_timezones():
            hint = "This machine has no time zones: pip install tzdata."
        raise UsageError(f"{option('timezone', repr(name[:40]))} is not a known time zone.", hint=hint) from None


def is_fixed(zone: str) -> bool:
    """Returns whether a zone is UTC or a constant offset, whose clock never changes."""
    return zone == "UTC" or _OFFSET.fullmatch(zone) is not None


def offset_name(minutes: int) -> str:
    """Returns a constant offset as a zone: `+02:00`, and `UTC` for zero."""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"


def offset_texts(offsets: IntArray) -> list[str]:
    """Returns offsets in seconds as written behind times: `+02:00`, with seconds where there are any."""
    texts = []
    for offset in offsets.tolist():
        hours, rest = divmod(abs(offset), 3600)
        seconds = f":{rest % 60:02}" if rest % 60 else ""
        texts.append(f"{'-' if offset < 0 else '+'}{hours:02}:{rest // 60:02}{seconds}")
    return texts


def utc_offsets(zone: str, utc: Datetimes) -> IntArray:
    """Returns the seconds by which the clock of a zone is ahead of UTC at each time, in the shape of `utc`."""
    rules = find_zone(zone)
    if is_fixed(zone):
        return np.full(utc.shape, _offset_at(rules, 0), np.int64)
    seconds = utc.astype("datetime64[s]").astype(np.int64)
    days = np.clip(seconds // _DAY, _FIRST_DAY, _LAST_DAY)
    first = days.min(initial=_LAST_DAY)
    distinct = np.flatnonzero(np.bincount((days - first).ravel())) + first
    before = np.array([_offset_at(rules, day * _DAY) for day in distinct.tolist()], np.int64)
    after = np.array([_offset_at(rules, (day + 1) * _DAY) for day in distinct.tolist()], np.int64)
    changes = (distinct + 1) * _DAY
    for i in np.flatnonzero(before != after):
        changes[i] = _change(rules, int(distinct[i]) * _DAY, int(distinct[i] + 1) * _DAY)
    place = np.searchsorted(distinct, days)
    offsets: IntArray = np.where(seconds < changes[place], before[place], after[place])
    return offsets


def _offset_at(rules: tzinfo, seconds: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    offset = moment.astimezone(rules).utcoffset()
    assert offset is not None
    return offset.days * _DAY + offset.seconds


def _change(rules: tzinfo, first: int, last: int) -> int:
    """Returns the first second between two of different offsets that has that of the last one."""
    old = _offset_at(rules, first)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if _offset_at(rules, middle) == old else (first, middle)
    return last


def to_wall(zone: str, utc: Datetimes) -> Datetimes:
    """Returns the times that the clock of a zone shows."""
    wall: Datetimes = utc + utc_offsets(zone, utc).astype("timedelta64[s]")
    return wall


def to_utc(zone: str, wall: Datetimes) -> Datetimes:
    """Returns UTC of times of a clock: the first where it shows one twice; one it skips counts on from before."""
    return wall_readings(zone, wall).first


@dataclass(frozen=True)
class WallReadings:
    """What times of a clock may mean."""

    first: Datetimes
    """UTC; the earlier one where the clock goes back and shows a time twice."""
    second: Datetimes
    """UTC; the later one."""
    is_skipped: BoolArray
    """Whether the clock never shows the time, because it goes forward."""


def wall_readings(zone: str, wall: Datetimes) -> WallReadings:
    """Returns the UTC times at which the clock of a zone shows times."""
    day = np.timedelta64(1, "D")
    before = wall - utc_offsets(zone, wall - day).astype("timedelta64[s]")
    after = wall - utc_offsets(zone, wall + day).astype("timedelta64[s]")
    fits_before, fits_after = to_wall(zone, before) == wall, to_wall(zone, after) == wall
    first, second = np.where(fits_before | ~fits_after, before, after), np.where(fits_after, after, before)
    return WallReadings(first, second, ~(fits_before | fits_after))


def unskipped(zone: str, wall: Datetimes, utc: Datetimes, time_of_day: NDArray[np.timedelta64]) -> Datetimes:
    """Returns times of a clock, those moved because the clock skipped the usual `time_of_day` moved back to it.

    In Cairo, where clocks go forward at midnight, one day of the year begins at 01:00.
    """
    usual = wall.astype("datetime64[D]").astype(wall.dtype) + time_of_day
    odd = np.flatnonzero(usual != wall)
    if not len(odd):
        return wall
    moved, wanted = wall.copy(), np.broadcast_to(usual, wall.shape)[odd]
    moved[odd] = np.where(to_utc(zone, wanted) == utc[odd], wanted, wall[odd])
    return moved


def _time_of_day(times: Datetimes) -> NDArray[np.timedelta64]:
    return np.asarray(times - times.astype("datetime64[D]").astype(times.dtype))
