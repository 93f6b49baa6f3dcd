"""Coverage of intervals, by simulation, where a history says little about its series or much about another one."""

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from seqcast import Config, Forecaster
from seqcast.errors import UsageError
from seqcast.panel.arrays import FloatArray

WEEK = np.array([0, 5, 10, 15, 20, -10, -20.0])
MONDAY = pd.Timestamp("2023-01-02")
QUICK = Config().override(model={"hidden": 8}, training={"max_steps": 4, "batch_size": 32, "refit": False})


def frame_of(series: Mapping[str, FloatArray], start: pd.Timestamp = MONDAY) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"unique_id": name, "ds": pd.date_range(start, periods=len(values)), "y": values})
        for name, values in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


def fitted(frame: pd.DataFrame, horizon: int, **data: object) -> Forecaster:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Forecaster(horizon, config=QUICK.override(data=data)).fit(frame)


def forecast(forecaster: Forecaster, frame: pd.DataFrame | None = None) -> tuple[pd.DataFrame, str]:
    """The forecast table, and all warnings of making it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = forecaster.predict(frame=frame, levels=(80, 95, 99))
    return table, "\n".join(str(each.message) for each in caught)


def inside(table: pd.DataFrame, truth: FloatArray, level: int = 95) -> FloatArray:
    low, high = table[f"seqcast-lo-{level}"].to_numpy(), table[f"seqcast-hi-{level}"].to_numpy()
    held: FloatArray = (low <= truth.ravel()) & (truth.ravel() <= high)
    return held


def widths(table: pd.DataFrame, level: int = 95) -> FloatArray:
    wide: FloatArray = (table[f"seqcast-hi-{level}"] - table[f"seqcast-lo-{level}"]).to_numpy()
    return wide


# Short histories.

KINDS = {"same size": np.ones(20), "sizes from 1 to 1000": 10.0 ** (np.arange(20) % 4)}
HORIZON = 14


def weekly(number: int, first_day: int, length: int, random: np.random.Generator) -> FloatArray:
    values: FloatArray = 100 + 10 * number + WEEK[(first_day + np.arange(length)) % 7] + random.normal(0, 1, length)
    return values


@pytest.fixture(scope="module", params=list(KINDS))
def weekly_panel(request: pytest.FixtureRequest) -> tuple[FloatArray, Forecaster]:
    """Twenty series with one weekly profile; three rows of a twenty-first."""
    sizes, random = KINDS[request.param], np.random.default_rng(5)
    series = {f"s{i}": sizes[i] * weekly(i, 0, 220, random) for i in range(20)}
    return sizes, fitted(frame_of(series | {"young": sizes[3] * weekly(3, 0, 3, random)}), HORIZON)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 7, 14, 28])
def test_intervals_of_new_series_hold_the_truth_however_short_these_are(
    weekly_panel: tuple[FloatArray, Forecaster], num_rows: int
) -> None:
    sizes, forecaster = weekly_panel
    random = np.random.default_rng(num_rows)
    held, relative = [], []
    for first_day in range(7):
        whole = [size * weekly(i, first_day, num_rows + HORIZON, random) for i, size in enumerate(sizes)]
        new = frame_of(
            {f"n{i}": each[:num_rows] for i, each in enumerate(whole)}, MONDAY + pd.Timedelta(days=first_day)
        )
        table, told = forecast(forecaster, new)
        held.append(inside(table, np.array([each[num_rows:] for each in whole])).mean())
        relative.append(widths(table).reshape(20, -1) / sizes[:, None])
        assert ("have so few values that other series decide" in told) == (num_rows < 14)
    assert np.mean(held) >= 0.93
    assert np.min(held) >= 0.85  # whatever day of the week the history shows
    assert np.max(relative) < 250  # the values of a series span 40, and what is new may be new in size too
    assert np.min(relative) > 2 * 1.96 * 0.9


def test_a_short_series_of_the_training_table_gets_such_intervals_too(
    weekly_panel: tuple[FloatArray, Forecaster],
) -> None:
    sizes, forecaster = weekly_panel
    table, told = forecast(forecaster)
    young = table[table["unique_id"] == "young"]
    truth = sizes[3] * weekly(3, 3, HORIZON, np.random.default_rng(1))
    assert inside(young, truth).mean() >= 0.85
    assert "1 series have so few values that other series decide how wide their intervals are: 'young'" in told


# Series that never change, or no longer.


@pytest.mark.parametrize("stops", [False, True])
def test_flat_series_do_not_pay_for_living_ones_and_keep_their_constant(stops: bool) -> None:
    random, horizon, rounds = np.random.default_rng(11), 7, 8
    living = {f"l{i}": random.normal(100, 10, 260 + rounds * horizon) for i in range(20)}
    dead = {f"d{i}": np.zeros(260 + rounds * horizon) for i in range(40)}
    for each in dead.values():
        each[: 80 * stops] = random.normal(100, 10, 80 * stops)
    every = living | dead
    forecaster = fitted(frame_of(every), horizon, test_size=rounds * horizon, non_negative=False)

    done = forecaster.backtest("test", stride=horizon)

    model = done.scores.of("seqcast")
    for level in (80, 95):
        shares = model.by_series.coverage[str(level)]
        assert shares[:20].mean() == pytest.approx(level / 100, abs=0.06)
        assert (shares[20:] == 1).all()
    low, middle, high = model.coverage_spread("80")
    assert low < 0.9
    assert (middle, high) == (1, 1)
    is_dead = np.array([name.startswith("d") for name in done.forecast.series_ids])
    assert (done.forecast.quantiles[is_dead] == 0).all()


def test_the_interval_of_a_constant_holds_it_exactly_and_has_its_size() -> None:
    random = np.random.default_rng(2)
    constants = {"tiny": 5e-6, "tenth": 0.1, "huge": -3e8}
    series = {f"l{i}": random.normal(100, 10, 120) for i in range(8)}
    series |= {name: np.full(120, value) for name, value in constants.items()}
    table, _ = forecast(fitted(frame_of(series), 7))
    for name, constant in constants.items():
        still = table[table["unique_id"] == name]
        assert (still["seqcast"] == constant).all()
        assert inside(still, np.full(7, constant)).all()
        assert (widths(still) <= 0.5 * abs(constant)).all()


# Other units.


@pytest.fixture(scope="module")
def large() -> tuple[FloatArray, Forecaster]:
    random = np.random.default_rng(3)
    values = 80_000 + 500 * np.sin(np.arange(200) * 2 * np.pi / 7) + random.normal(0, 200, 200)
    others = {f"l{i}": random.normal(100, 10, 200) for i in range(5)}
    return values, fitted(frame_of(others | {"known": values}), 7)


@pytest.mark.parametrize("factor", [1e-3, 1e-9, 1e5])
def test_a_known_series_in_other_units_is_forecast_in_them_and_told(
    large: tuple[FloatArray, Forecaster], factor: float
) -> None:
    values, forecaster = large
    before, _ = forecast(forecaster)
    before = before[before["unique_id"] == "known"].reset_index(drop=True)
    after, told = forecast(forecaster, frame_of({"known": values * factor}))
    for column in ("seqcast", "seqcast-lo-95", "seqcast-hi-95"):
        np.testing.assert_allclose(after[column], before[column] * factor, rtol=2e-3)
    assert "1 series are far from their level or spread in training" in told


@pytest.mark.parametrize("factor", [1e-6])
def test_no_width_depends_on_the_units_of_the_table(factor: float) -> None:
    random = np.random.default_rng(4)
    series = {f"s{i}": 5 + WEEK[np.arange(90) % 7] + random.normal(0, 1, 90) for i in range(4)}
    series |= {"still": np.full(90, 3.0), "young": np.array([4.0, 9.0])}
    one, _ = forecast(fitted(frame_of(series), 7))
    other, _ = forecast(fitted(frame_of({name: each * factor for name, each in series.items()}), 7))
    for column in one.columns[2:]:
        np.testing.assert_allclose(other[column], one[column] * factor, rtol=1e-3, atol=1e-3 * factor)


# Counts.


@pytest.fixture(scope="module")
def counts() -> tuple[pd.DataFrame, pd.DataFrame, FloatArray]:
    """Twenty series of counts, their forecast, and what came true."""
    random = np.random.default_rng(6)
    values = random.poisson(np.linspace(0.5, 8, 20)[:, None], (20, 264)).astype(float)
    frame = frame_of({f"c{i}": each[:250] for i, each in enumerate(values)})
    return frame, forecast(fitted(frame, 14))[0], values[:, 250:]


def test_counts_are_never_forecast_below_zero_unless_asked(
    counts: tuple[pd.DataFrame, pd.DataFrame, FloatArray],
) -> None:
    frame, bounded, truth = counts
    unbounded = forecast(fitted(frame, 14, non_negative=False))[0]

    low = [name for name in bounded if name.startswith("seqcast-lo")]
    assert (bounded[low] >= 0).all(axis=None)
    assert (unbounded[low] < 0).any(axis=None)
    for level in (80, 95):
        held = inside(bounded, truth, level).mean()
        assert held == pytest.approx(inside(unbounded, truth, level).mean(), abs=0.03)
        assert level / 100 - 0.05 < held < 1  # an interval of few whole numbers must hold more


def test_whole_numbers_are_forecast_whole_and_hold_as_many_truths(
    counts: tuple[pd.DataFrame, pd.DataFrame, FloatArray],
) -> None:
    frame, real, truth = counts
    whole = forecast(fitted(frame, 14, integer=True))[0]

    numbers = whole[[name for name in whole if name.startswith("seqcast")]].to_numpy()
    np.testing.assert_array_equal(numbers, np.rint(numbers))
    np.testing.assert_array_equal(whole["seqcast"], np.rint(real["seqcast"]))
    for level in (80, 95, 99):
        held, before = inside(whole, truth, level), inside(real, truth, level)
        assert held[before].all()
        assert held.mean() <= before.mean() + 0.02
        assert (widths(whole, level) <= widths(real, level) + 1e-9).mean() > 0.98


def test_whole_numbers_asked_of_others_are_refused() -> None:
    with pytest.raises(UsageError, match=r"integer=: 1 training values are not whole numbers, such as 2\.5"):
        fitted(frame_of({"a": np.append(2.5, np.arange(90.0))}), 7, integer=True)


def test_a_series_that_has_been_below_zero_may_be_again() -> None:
    random = np.random.default_rng(8)
    train = {f"s{i}": np.abs(random.normal(3, 2, 120)) for i in range(4)}
    table, _ = forecast(fitted(frame_of(train), 7), frame_of({"s0": random.normal(0, 3, 80), "s1": train["s1"]}))
    lowest = table.groupby("unique_id")["seqcast-lo-95"].min()
    assert lowest["s0"] < 0 <= lowest["s1"]


# Phases.


def test_a_weekday_that_was_never_observed_is_told_and_gets_no_confident_interval() -> None:
    random = np.random.default_rng(9)
    series = {f"s{i}": 100 + WEEK[np.arange(210) % 7] + random.normal(0, 2, 210) for i in range(4)}
    frame = frame_of(series)
    closed = (frame["ds"].dt.day_of_week == 5) & (frame["unique_id"] != "s3")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forecaster = Forecaster(HORIZON, config=QUICK).fit(frame[~closed])

    table, told = forecast(forecaster)

    for text in (told, " ".join(str(each.message) for each in caught)):
        assert "3 series ('s0', 's1', 's2') were never observed on or at Saturday" in text
    wide = pd.Series(widths(table)).groupby([table["unique_id"] == "s3", table["ds"].dt.day_of_week == 5]).mean()
    spread = np.std(WEEK)
    assert wide[False, True] > max(2 * wide[False, False], 4 * spread)
    assert wide[True, True] < 1.5 * wide[True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shorter = forecaster.predict(horizon=6, levels=(95,))
    whole = table.groupby("unique_id").head(6)[["unique_id", "ds", "seqcast", "seqcast-lo-95", "seqcast-hi-95"]]
    pd.testing.assert_frame_equal(shorter.reset_index(drop=True), whole.reset_index(drop=True))
