from dataclasses import asdict, replace

import numpy as np
import pytest

from seqcast.attention.lag_report import LagReport, Relative, lag_report
from seqcast.attention.seasons import check_seasons
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import by_lag
from tests.forecasts import HOURLY, make_map
from tests.panels import make_panel, waves


def attending(lags: tuple[int, ...], context: int, horizon: int = 3, relative: Relative = "target") -> LagReport:
    """A report of all weight on some lags before the forecast step."""
    weights = np.full((1, horizon, context), 1e-9, np.float32)
    for step in range(horizon):
        for lag in lags:
            weights[0, step, context - lag + step] = 1
    weights /= weights.sum(axis=2, keepdims=True)
    return lag_report([make_map(weights)], relative)


@pytest.fixture(scope="module")
def daily() -> Panel:
    """Hourly series with a daily season."""
    return make_panel(waves((907,), period=24), frequency=HOURLY)


def texts(report: LagReport, panel: Panel) -> list[str]:
    return [finding.text for finding in check_seasons(report, panel)]


WEEK = "lag 168 (1 week), which the frequency suggests"
NO_WEEK = f"the context of 96 is too short to see {WEEK}"


@pytest.mark.parametrize("relative", ["target", "origin"])
def test_an_attended_season_agrees_however_lags_are_shown(relative: Relative, daily: Panel) -> None:
    assert texts(attending((24,), 96, relative=relative), daily) == ["agree: lag 24 (1 day)", NO_WEEK]


def test_a_multiple_of_the_season_agrees_too(daily: Panel) -> None:
    found = texts(attending((72,), 96), daily)
    assert found[0] == "agree: lag 24 (1 day), at its multiple lag 72 (3 days)"


def test_a_season_that_is_passed_over_and_a_lag_without_one_disagree(daily: Panel) -> None:
    assert texts(attending((31,), 96), daily) == [
        "disagree: the data repeat after lag 24 (1 day), no band of attention is there",
        NO_WEEK,
        "disagree: lag 31 (1 day 7 hours) holds 100.0 % of the weight, and the data do not repeat after it",
    ]


def test_the_newest_values_need_no_season(daily: Panel) -> None:
    assert texts(attending((4, 24), 96, horizon=2), daily)[2:] == [
        "disagree: lag 4 (4 hours) holds 50.0 % of the weight, and the data do not repeat after it"
    ]
    assert texts(attending((2, 24), 96, horizon=2), daily)[2:] == []


def test_a_context_shorter_than_the_season_is_named(daily: Panel) -> None:
    assert texts(attending((2,), 13, horizon=2), daily)[0] == "the context of 13 is too short to see lag 24 (1 day)"


def test_a_season_of_the_frequency_agrees_where_the_data_repeat_after_it_as_after_shorter_ones(daily: Panel) -> None:
    assert texts(attending((24, 168), 192), daily) == ["agree: lag 24 (1 day)", f"agree: {WEEK}"]
    assert texts(attending((24,), 192), daily)[1] == f"no band of attention is at {WEEK}"


def test_a_season_of_the_frequency_that_the_data_do_not_have_is_not_invented() -> None:
    steps = np.random.default_rng(0).normal(size=907).cumsum()
    found = check_seasons(attending((24,), 192), make_panel([steps], frequency=HOURLY))
    assert [(finding.lag, finding.status) for finding in found[:2]] == [(24, "no repetition"), (168, "no repetition")]
    assert found[0].text == "the data do not repeat after lag 24 (1 day), which the frequency suggests"


def test_a_broad_band_means_the_lag_where_it_is_highest(daily: Panel) -> None:
    report = attending((24,), 96)
    weights = report.step_weights.copy()
    weights[:, -27:-1] += 0.5
    share = by_lag(weights / weights.sum())
    broad = replace(report, overall=replace(report.overall, share=share))
    assert texts(broad, daily)[0] == "agree: lag 24 (1 day)"


def test_series_too_short_for_a_season_of_their_frequency_are_named() -> None:
    panel = make_panel(waves((307,), period=24), frequency=HOURLY)
    assert texts(attending((24,), 48), panel)[-1] == (
        "the series are too short to tell whether they repeat after lag 168 (1 week)"
    )


def test_the_numbers_go_into_a_document(daily: Panel) -> None:
    first = asdict(check_seasons(attending((24,), 96), daily)[0])
    assert first.pop("correlation") == pytest.approx(0.9, abs=0.1)
    assert first.pop("share") == pytest.approx(1, abs=1e-3)
    assert first == {"lag": 24, "duration": "1 day", "status": "agree", "text": "agree: lag 24 (1 day)"}
