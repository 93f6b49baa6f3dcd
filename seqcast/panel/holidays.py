"""Public holidays as features of time, from the library `holidays`: known into the future, like the calendar."""

import difflib
from functools import lru_cache
from itertools import pairwise
from types import ModuleType

import numpy as np

from seqcast.errors import UsageError, option
from seqcast.extras import import_extra
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import DAY, MONTH_END, Frequency, TimeArray
from seqcast.panel.panel import Panel
from seqcast.panel.wording import counted

COLUMNS = ("on", "before", "after")
"""Columns of each region."""
REACH = 3
"""Days before and after a holiday that are told apart from others."""
FAR = 10**6
"""Distance in days of the nearest holiday where there is none."""


def holiday_names(regions: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the columns of `holiday_features`, in order: `on-DE`, `before-DE`, `after-DE`."""
    return tuple(f"{column}-{region}" for region in regions for column in COLUMNS)


def holidays_library() -> ModuleType:
    """Returns the library.

    Raises:
        UsageError: It is not installed.
    """
    return import_extra("holidays", "holidays", option("holidays"))


def require_regions(regions: tuple[str, ...]) -> None:
    """Check that the library knows regions, which needs no table.

    Raises:
        UsageError: A region is unknown or given twice, or the library is not installed.
    """
    twice = next((region for number, region in enumerate(regions) if region in regions[:number]), None)
    if twice is not None:
        raise UsageError(f"{option('holidays')}: {twice!r} is given twice.")
    for region in regions:
        _require_region(region)


def require_holidays(regions: tuple[str, ...], frequency: Frequency) -> None:
    """Check that the holidays of regions can be told for steps of a frequency.

    Raises:
        UsageError: Steps have no days, or as `require_regions`.
    """
    if not regions:
        return
    if frequency.unit == "integer":
        raise UsageError(f"{option('holidays')}: times that are numbers have no holidays.")
    if frequency.unit == "month" and frequency.multiple >= 12:
        raise UsageError(f"{option('holidays')}: every year has the same holidays.", hint="Leave it out.")
    require_regions(regions)


def holiday_features(regions: tuple[str, ...], frequency: Frequency, times: TimeArray) -> FloatArray:
    """Computes where times stand among the public holidays of regions.

    Steps of up to a day: whether the day is a holiday, and how near the next and the last other one are, falling from 1
    on the day beside it to 0 beyond `REACH` days. Longer steps: the number of holidays in the step that begins then (or
    that ends with its month, where months are named by their end), in the step before it, and in the step after it.

    Args:
        regions: Countries or their subdivisions, such as DE and DE-BY.
        frequency: Of the panel.
        times: (n,) times that the clock shows.

    Returns:
        (n, len(holiday_names(regions)))

    Raises:
        UsageError: A region is unknown, or the library is not installed.
    """
    if not regions:
        return np.empty((len(times), 0))
    require_holidays(regions, frequency)
    # Steps share days, so each day is looked up once.
    days, place = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    return np.concatenate([_features(_holidays(region, days), frequency, days) for region in regions], axis=1)[place]


def holidays_in(panel: Panel, regions: tuple[str, ...]) -> tuple[str, str]:
    """Returns the regions, and how many of their holidays a panel covers, in words.

    Raises:
        UsageError: As `require_holidays`.
    """
    require_holidays(regions, panel.frequency)
    last = panel.times(np.arange(panel.num_series), panel.whole_lengths - 1).max()
    first_and_last = panel.frequency.wall(np.array([panel.starts.min(), last]))
    numbers = [counted(num_holidays(region, *first_and_last), "holiday") for region in regions]
    return ", ".join(regions), f"{', '.join(numbers)} in the table; known in the future"


def num_holidays(region: str, first: np.datetime64, last: np.datetime64) -> int:
    """Returns the number of public holidays from one time to another, both days included."""
    days = np.array([first, last]).astype("datetime64[D]")
    found = _holidays(region, days)
    return int(((found >= days[0].astype(np.int64)) & (found <= days[1].astype(np.int64))).sum())


def _features(holidays: IntArray, frequency: Frequency, days: TimeArray) -> FloatArray:
    if _is_daily(frequency):
        return _by_day(holidays, days.astype(np.int64))
    bounds = [np.searchsorted(holidays, _step_start(frequency, days, ahead)) for ahead in (-1, 0, 1, 2)]
    before, on, after = (later - earlier for earlier, later in pairwise(bounds))
    return np.stack([on, before, after], axis=1).astype(np.float64)


def _is_daily(frequency: Frequency) -> bool:
    """Whether no step spans several days."""
    if frequency.unit == "business_day":
        return frequency.multiple == 1
    return frequency.unit == "microsecond" and frequency.multiple <= DAY


def _by_day(holidays: IntArray, days: IntArray) -> FloatArray:
    ends = np.concatenate([[days.min() - FAR], holidays, [days.max() + FAR]])
    following = ends[np.searchsorted(ends, days, side="right")] - days
    last = days - ends[np.searchsorted(ends, days, side="left") - 1]
    near = [np.clip((REACH + 1 - distance) / REACH, 0, 1) for distance in (following, last)]
    return np.stack([np.isin(days, holidays).astype(np.float64), *near], axis=1)


def _step_start(frequency: Frequency, days: TimeArray, ahead: int) -> IntArray:
    """The first day of the step `ahead` steps after the one of each day."""
    multiple = frequency.multiple
    if frequency.unit == "month":
        months = days.astype("datetime64[M]") + ahead * multiple
        if frequency.anchor == MONTH_END:
            months = months - (multiple - 1)
        return months.astype("datetime64[D]").astype(np.int64)
    if frequency.unit == "business_day":
        return np.busday_offset(days, ahead * multiple, roll="forward").astype(np.int64)
    return days.astype(np.int64) + ahead * (multiple // DAY)


def _holidays(region: str, days: TimeArray) -> IntArray:
    """Days since 1970 of all holidays in the years of the given days, and one year beside them."""
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.array(_holidays_of_years(region, int(years.min()) - 1, int(years.max()) + 1), np.int64)


@lru_cache(maxsize=64)
def _holidays_of_years(region: str, first: int, last: int) -> tuple[int, ...]:
    country, _, subdivision = region.partition("-")
    library = holidays_library()
    found = library.country_holidays(country, subdiv=subdivision or None, years=range(first, last + 1))
    return tuple(sorted(np.datetime64(day, "D").astype(int).item() for day in found))


def _require_region(region: str) -> None:
    library = holidays_library()
    country, dash, subdivision = region.partition("-")
    known: dict[str, list[str]] = library.list_supported_countries(include_aliases=False)
    if country not in known:
        named = {names[0]: names[1] for names in library.registry.COUNTRIES.values()}
        near = [named[name] for name in difflib.get_close_matches(country, named, 3, cutoff=0.7)]
        near += difflib.get_close_matches(country.upper(), known, 3, cutoff=0.5)
        raise UsageError(
            f"{option('holidays')}: there is no country {country[:40]!r}.", hint=_near(near, "DE or DE-BY")
        )
    if dash and subdivision not in known[country]:
        parts = known[country]
        near = difflib.get_close_matches(subdivision.upper(), parts, 3, cutoff=0.4) or parts[:10]
        raise UsageError(
            f"{option('holidays')}: {country} has no part {subdivision[:40]!r}.",
            hint=_near([f"{country}-{part}" for part in near], country),
        )


def _near(codes: list[str], usual: str) -> str:
    return f"Did you mean {', '.join(dict.fromkeys(codes))}?" if codes else f"Give a code such as {usual}."
