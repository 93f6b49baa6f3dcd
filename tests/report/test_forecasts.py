from collections.abc import Sequence

import numpy as np
import pytest

from seqcast.panel.frequency import parse_frequency
from seqcast.report.forecasts import forecast_preview
from seqcast.results.forecast import Forecast
from tests.report.rendering import shown


def make_forecast(
    horizon: int, ids: Sequence[str] = ("a",), levels: tuple[float, ...] = (0.1, 0.5, 0.9), rolled: int | None = None
) -> Forecast:
    point = 100.0 * np.arange(len(ids))[:, None] + np.arange(1, horizon + 1)
    offsets = np.array([-0.5, 0, 0.25])[: len(levels)]
    return Forecast(
        frequency=parse_frequency("h"),
        series_ids=tuple(ids),
        cutoffs=np.full(len(ids), np.datetime64("2024-01-01", "us")),
        point=point,
        quantile_levels=levels,
        quantiles=point[:, :, None] + offsets,
        rolled_from_step=rolled,
    )


def test_a_short_forecast_is_shown_whole() -> None:
    lines = [line.split() for line in shown(forecast_preview(make_forecast(11), [80])).splitlines()]
    assert lines[0] == ["a:", "11", "steps", "after", "2024-01-01"]
    assert lines[4] == ["2024-01-01", "01:00", "1.00", "0.50", "to", "1.25"]
    assert lines[14] == ["2024-01-01", "11:00", "11.00", "10.50", "to", "11.25"]
    assert not any("…" in line for line in lines)
    assert "…" not in shown(forecast_preview(make_forecast(5, "ab")))


def test_a_long_forecast_shows_its_beginning_and_end() -> None:
    lines = shown(forecast_preview(make_forecast(47))).splitlines()
    values = [line.split()[-1] for line in lines[4:14]]
    assert values == ["1.00", "2.00", "3.00", "4.00", "5.00", "6.00", "…", "45.00", "46.00", "47.00"]


def test_three_series_are_shown_and_the_rest_counted() -> None:
    text = shown(forecast_preview(make_forecast(23, "abcdefg")))
    assert [line[0] for line in text.splitlines() if ": 23 steps after" in line] == ["a", "b", "c"]
    assert "and 4 more series" in text
    assert "223.0" in text


@pytest.mark.parametrize("width", [80, 120, 200])
def test_several_levels_fit(width: int) -> None:
    text = shown(forecast_preview(make_forecast(29), [80, 95]), width)
    assert "80 % interval" in text
    assert "95 % interval" in text
    assert "…" not in "".join(line for line in text.splitlines() if "2024" in line)


def test_a_forecast_without_quantiles_has_no_intervals() -> None:
    assert "interval" not in shown(forecast_preview(make_forecast(3, levels=()), [80]))


def test_it_says_from_which_step_on_forecasts_build_on_forecasts() -> None:
    assert "From step 25 on, forecasts build on earlier" in shown(forecast_preview(make_forecast(48, rolled=25)))
    assert "From step" not in shown(forecast_preview(make_forecast(48)))


def test_names_of_series_are_shown_safely() -> None:
    assert "[red]\\x1b[0m: 3 steps" in shown(forecast_preview(make_forecast(3, ["[red]\x1b[0m"])))
