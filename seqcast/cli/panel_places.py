"""The series and the times of a panel that options name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqcast.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqcast.panel.frequency import TimeArray
    from seqcast.panel.panel import Panel


def one_series(panel: Panel, name: str) -> Panel:
    """The panel of one series.

    Raises:
        DataError: There is no such series.
    """
    import numpy as np

    require_series(panel.series_ids, name)
    return panel.take_series(np.array([panel.series_ids.index(name)]))


def require_series(series_ids: Sequence[str], name: str) -> None:
    """Raise if a series is not there.

    Raises:
        DataError: Tells which have a similar name.
    """
    import difflib

    if name not in series_ids:
        close = difflib.get_close_matches(name, series_ids[:10_000], n=3)
        hint = f"Did you mean {', '.join(map(repr, close))}?" if close else f"The first is {series_ids[0]!r}."
        raise DataError(f"there is no series {name!r} among {len(series_ids):,}.", hint=hint)


def parse_moment(panel: Panel, text: str) -> TimeArray:
    """A time of the panel's axis, (1,); one without an offset is what the clock of the data shows.

    Raises:
        UsageError: The text is no time, or no number where the axis counts steps.
    """
    from datetime import UTC, datetime

    import numpy as np

    counts_steps = panel.frequency.unit == "integer"
    try:
        if counts_steps:
            return np.array([int(text)], dtype=np.int64)
        moment = datetime.fromisoformat(text)
        bare = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        like = "a whole number" if counts_steps else "a time like 2024-01-31 or 2024-01-31T13:00"
        raise UsageError(f"--origin {text!r} is not {like}.") from None
    time = np.array([bare], dtype="datetime64[us]")
    clock = panel.frequency.clock
    if clock is None:
        return time
    return clock.from_wall(time) if moment.tzinfo is None else clock.from_utc(time, panel.starts[:1])
