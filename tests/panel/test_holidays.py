import sys
from datetime import date, timedelta

import numpy as np
import pytest

from seqcast.errors import UsageError
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.holidays import holiday_features, holiday_names, num_holidays, require_holidays

CHRISTMAS = {date(2024, 12, 25), date(2024, 12, 26), date(2025, 1, 1)}
"""Public holidays of all of Germany around the turn of the year."""


def times(first: str, last: str, unit: str) -> np.ndarray:
    return np.arange(first, last, dtype=f"datetime64[{unit}]").astype("datetime64[us]")


def test_a_day_knows_whether_it_is_a_holiday_and_how_near_others_are() -> None:
    days = times("2024-12-20", "2025-01-08", "D")

    found = holiday_features(("DE",), parse_frequency("D"), days)

    for day, row in zip(days.astype("datetime64[D]").astype(date), found, strict=True):
        following = min([(each - day).days for each in CHRISTMAS if each > day], default=99)
        last = min([(day - each).days for each in CHRISTMAS if each < day], default=99)
        nearness = [{1: 1.0, 2: 2 / 3, 3: 1 / 3}.get(distance, 0.0) for distance in (following, last)]
        assert row.tolist() == pytest.approx([float(day in CHRISTMAS), *nearness]), day


def test_all_steps_of_a_day_are_alike_and_regions_stand_side_by_side() -> None:
    regions = ("DE", "DE-BY")
    hours = times("2025-01-05", "2025-01-08", "h")

    found = holiday_features(regions, parse_frequency("h"), hours)

    assert holiday_names(regions) == ("on-DE", "before-DE", "after-DE", "on-DE-BY", "before-DE-BY", "after-DE-BY")
    assert found[:, 0].tolist() == [0.0] * 72
    assert found[:, 3].tolist() == [0.0] * 24 + [1.0] * 24 + [0.0] * 24  # Epiphany, in Bavaria


@pytest.mark.parametrize(
    ("freq", "when", "counts"),
    [
        ("MS", "2025-01-01", (1, 2, 0)),  # New Year; Christmas before, nothing in February
        ("ME", "2025-01-31", (1, 2, 0)),
        ("QE", "2024-12-31", (3, 0, 1)),  # Unity Day and Christmas
        ("QS", "2024-10-01", (3, 0, 1)),
        ("W-WED", "2024-12-25", (2, 0, 1)),  # the week that begins on Christmas
        ("2D", "2024-12-24", (1, 0, 1)),
    ],
)
def test_longer_steps_count_holidays_in_them_and_beside_them(
    freq: str, when: str, counts: tuple[int, int, int]
) -> None:
    found = holiday_features(("DE",), parse_frequency(freq), np.array([when], "datetime64[us]"))

    assert found[0].tolist() == list(counts)


def test_holidays_are_counted_from_day_to_day() -> None:
    assert num_holidays("DE", np.datetime64("2024-12-25T23:00"), np.datetime64("2025-01-01T00:00")) == len(CHRISTMAS)


def test_years_far_from_any_known_holiday_have_none() -> None:
    days = times("1500-03-01", "1500-03-05", "D")
    assert not holiday_features(("DE",), parse_frequency("D"), days).any()


@pytest.mark.parametrize(
    ("regions", "freq", "told"),
    [
        (("Germany",), "D", "there is no country 'Germany'. Did you mean DE?"),
        (("DE-BX",), "D", "DE has no part 'BX'. Did you mean .*DE-BY"),
        (("JP-13",), "D", "JP has no part '13'. Give a code such as JP."),
        (("DE", "AT", "DE"), "D", "'DE' is given twice"),
        (("DE",), "1", "times that are numbers have no holidays"),
        (("DE",), "YS", "every year has the same holidays"),
    ],
)
def test_what_has_no_holidays_is_refused(regions: tuple[str, ...], freq: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        require_holidays(regions, parse_frequency(freq))


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(UsageError, match=r"--holidays needs holidays, .* `pip install 'seqcast\[holidays\]'`"):
        require_holidays(("DE",), parse_frequency("D"))


def test_a_movable_holiday_is_found_in_every_year() -> None:
    def easter(year: int) -> date:  # Gauss, as corrected by Lichtenberg (1997)
        a, k = year % 19, year // 100
        m, s = 15 + (3 * k + 3) // 4 - (8 * k + 13) // 25, 2 - (3 * k + 3) // 4
        d = (19 * a + m) % 30
        r = (d + a // 11) // 29
        og = 21 + d - r
        oe = 7 - (og - (7 - (year + year // 4 + s) % 7)) % 7
        return date(year, 3, 1) + timedelta(days=og + oe - 1)

    for year in (1999, 2015, 2024, 2030):
        day = np.array([easter(year) + timedelta(days=1)], "datetime64[us]")
        assert holiday_features(("DE",), parse_frequency("D"), day)[0, 0] == 1
