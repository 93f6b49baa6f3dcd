from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.errors import DataError, UsageError
from seqcast.evaluation import anomalies as searching
from seqcast.evaluation.anomalies import AnomalyPlan, AnomalySearch, find_anomalies, split_at
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.results.anomalies import joined_events
from seqcast.results.forecast import interval
from seqcast.results.normal_scores import LARGEST_SCORE
from seqcast.results.origins import Origins
from seqcast.run.load import TrainedModel
from seqcast.training.plan import Split
from tests.forecasts import model_of
from tests.panels import CONTEXT, HORIZON, full_panel, make_panel, wave_panel, waves

EVERYTHING_NEW = Split.of(np.zeros(3, np.int64), 7, 0)


def forecast_at(model: TrainedModel, panel: Panel, series: int, start: int) -> tuple[np.ndarray, ...]:
    """Lower bound, upper bound and point (H,) of the forecast after `start` rows of a series."""
    origins = Origins(np.array([series]), np.array([start]))
    found = Forecasting(model, panel, origins.earliest(panel.lengths)).forecast(origins)
    low, high = interval(found, 90)
    return low[0], high[0], found.point[0]


def search(panel: Panel, model: TrainedModel, **plan: Any) -> AnomalySearch:
    return find_anomalies(model, panel, AnomalyPlan(90, **{"clip": False, **plan}), EVERYTHING_NEW)


@pytest.mark.parametrize(("horizon", "stride"), [(None, None), (3, None), (None, 2), (4, 2), (1, 1)])
def test_each_observation_is_judged_by_one_forecast_that_ends_as_the_plan_says(
    horizon: int | None, stride: int | None
) -> None:
    panel = wave_panel()
    model = model_of(panel)
    found = search(panel, model, horizon=horizon, stride=stride)
    used_horizon, used_stride = horizon or stride or HORIZON, stride or horizon or HORIZON
    assert (found.horizon, found.stride) == (used_horizon, used_stride)
    expected = []
    num_judged = 0
    padded_lengths = panel.lengths
    for series in range(panel.num_series):
        last = int(padded_lengths[series]) - used_horizon
        for start in range(last, CONTEXT - 1, -used_stride):
            if start + HORIZON > panel.lengths[series]:
                continue
            low, high, _ = forecast_at(model, panel, series, start)
            for step in range(used_horizon - used_stride, used_horizon):
                value = panel.target[panel.offsets[series] + start + step]
                num_judged += int(np.isfinite(value))
                if value < low[step] or value > high[step]:
                    expected.append((f"s{series}", panel.times(np.array([series]), np.array([start + step]))[0]))
    told = found.anomalies
    rows = list(zip(told.series_ids, told.times, strict=True))
    if used_horizon == HORIZON:
        assert sorted(rows) == sorted(expected)
        assert sum(found.num_judged.values()) == num_judged
    else:  # the newest forecasts need rows behind the end of the panel, which the reference leaves out
        assert set(expected) <= set(rows)
        assert sum(found.num_judged.values()) >= num_judged
    assert rows == sorted(rows)
    ahead = (told.times - told.cutoffs) / np.timedelta64(1, "D")
    assert set(ahead) <= set(range(used_horizon - used_stride + 1, used_horizon + 1))


def test_a_spike_is_found_with_its_forecast_and_a_score_that_says_how_far_outside_it_is() -> None:
    panel = wave_panel()
    model = model_of(panel)
    row, position = int(panel.offsets[1]) + 48, 48
    panel.target[row] += 10
    found = search(panel, model).anomalies
    (place,) = np.flatnonzero((np.array(found.series_ids) == "s1") & (found.values == panel.target[row]))
    start = 53 - HORIZON
    low, high, point = forecast_at(model, panel, 1, start)
    step = position - start
    assert found.cutoffs[place] == panel.times(np.array([1]), np.array([start - 1]))[0]
    np.testing.assert_allclose(
        [found.low[place], found.high[place], found.point[place]], [low[step], high[step], point[step]]
    )
    # Beyond the outermost quantile, at level 0.9, scores grow along the line from the median.
    unit = (high[step] - point[step]) / NormalDist().inv_cdf(0.95)
    assert found.scores[place] == pytest.approx((panel.target[row] - point[step]) / unit, rel=1e-6)
    assert 2 < found.scores[place] < LARGEST_SCORE


def test_scores_do_not_depend_on_the_units_of_a_series() -> None:
    panel = make_panel(waves())
    model = model_of(panel)
    found = search(panel, model).anomalies
    grown = replace(panel, target=panel.target * 1000)
    model = replace(model_of(grown), network=model.network)
    scores = search(grown, model).anomalies.scores
    np.testing.assert_allclose(scores, found.scores, rtol=1e-4)


def test_the_attended_lags_are_the_largest_weights_of_the_forecast_that_judges() -> None:
    panel = wave_panel()
    model = model_of(panel)
    found = search(panel, model).anomalies
    assert found.lags is not None
    assert len(found) > 3
    for place in range(0, len(found), 3):
        series = panel.series_ids.index(found.series_ids[place])
        start = int(panel.frequency.steps_between(panel.starts[series], found.cutoffs[place])) + 1
        step = int(panel.frequency.steps_between(found.cutoffs[place], found.times[place])) - 1
        origins = Origins(np.array([series]), np.array([start]))
        (attention,) = Forecasting(model, panel, origins.earliest(panel.lengths)).attention(origins)
        weights = attention.weights[0, step]
        by_lag = {CONTEXT - position + step: float(weight) for position, weight in enumerate(weights)}
        best = sorted(by_lag, key=lambda lag: -by_lag[lag])[:3]
        assert sorted(found.lags.weights[place], reverse=True) == list(found.lags.weights[place])
        np.testing.assert_allclose(found.lags.weights[place], [by_lag[lag] for lag in best], rtol=1e-4)
        assert [by_lag[lag] for lag in found.lags.lags[place]] == pytest.approx([by_lag[lag] for lag in best])


def test_later_forecasts_see_an_anomaly_as_the_bound_of_its_interval() -> None:
    panel = wave_panel()
    model = model_of(panel)
    before = panel.target.copy()
    found = search(panel, model, clip=True).anomalies

    # The same by hand: series after series, origin after origin.
    clipped, expected = panel.target.copy(), []
    for series in range(panel.num_series):
        length = int(panel.lengths[series])
        for start in range(CONTEXT + (length - CONTEXT) % HORIZON, length, HORIZON):
            low, high, point = forecast_at(model, replace(panel, target=clipped.copy()), series, start)
            rows = panel.offsets[series] + start + np.arange(HORIZON)
            values = panel.target[rows]
            outside = np.isfinite(values) & ((values < low) | (values > high))
            expected += point[outside].tolist()
            clipped[rows] = np.where(outside, np.clip(values, low, high), values)
    assert len(expected) > 3
    np.testing.assert_allclose(found.point, expected, rtol=1e-4)
    assert found.point.tolist() != search(panel, model).anomalies.point.tolist()
    np.testing.assert_array_equal(panel.target, before)


def test_a_model_without_attention_tells_no_lags() -> None:
    panel = wave_panel()
    found = search(panel, model_of(panel, model={"attention": "none"})).anomalies
    assert len(found) > 0
    assert found.lags is None


def test_what_training_knew_is_told_apart_and_judged_by_the_network_that_was_validated() -> None:
    panel = wave_panel((61, 61, 61))
    final, validated = model_of(panel), model_of(panel)
    with torch.no_grad():
        for parameter in validated.network.parameters():
            parameter.mul_(-1)
    model = replace(final, validated=validated.network)
    split = Split.of(panel.lengths, 2 * HORIZON, HORIZON)
    found = find_anomalies(model, panel, AnomalyPlan(90, clip=False), split)
    observed = np.isfinite(panel.target)
    judged = {"training": 61 - 3 * HORIZON - CONTEXT, "validation": 2 * HORIZON, "new": HORIZON}
    assert found.num_judged["new"] == 3 * judged["new"]
    assert found.num_judged["validation"] == 3 * judged["validation"]
    assert found.num_judged["training"] <= int(observed.sum())
    told = found.anomalies
    for part, own in (("training", validated), ("validation", validated), ("new", final)):
        alone = search(panel, own).anomalies
        chosen = {
            (series, time): point
            for series, time, point in zip(alone.series_ids, alone.times.tolist(), alone.point, strict=True)
        }
        mine = told.parts == part
        assert mine.any()
        keys = zip(np.array(told.series_ids)[mine], told.times[mine].tolist(), strict=True)
        np.testing.assert_allclose([chosen[key] for key in keys], told.point[mine])


def test_rows_after_the_training_table_and_unknown_series_are_new() -> None:
    panel = wave_panel((61, 53, 47))
    model = replace(model_of(panel), series_ids=("s0", "s2"))
    split = split_at(model, panel, panel.times(np.array([0]), np.array([49])))
    assert split.train_ends.tolist() == [43, 0, 40]
    assert split.validation_ends.tolist() == [50, 0, 47]


def test_anomalies_with_few_steps_between_them_are_one_event() -> None:
    series = np.array([0, 0, 0, 0, 1, 1])
    positions = np.array([3, 4, 7, 11, 12, 14])
    assert joined_events(series, positions, 0).tolist() == [1, 1, 2, 3, 4, 5]
    assert joined_events(series, positions, 2).tolist() == [1, 1, 1, 2, 3, 3]
    assert joined_events(series[:0], positions[:0], 2).tolist() == []


def test_events_know_their_bounds_and_their_peak() -> None:
    panel = wave_panel()
    found = search(panel, model_of(panel), join=0).anomalies
    first, last = found.event_bounds
    assert found.num_events == len(first) > 3
    for event, (start, end) in enumerate(zip(first, last, strict=True)):
        assert (found.events[start : end + 1] == event + 1).all()
        assert len(set(found.series_ids[start : end + 1])) == 1
        steps = np.diff(found.times[start : end + 1]) / np.timedelta64(1, "D")
        assert (steps == 1).all()
        assert np.abs(found.scores[found.peaks[event]]) == np.abs(found.scores[start : end + 1]).max()


def test_pieces_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = full_panel()
    model = model_of(panel)
    whole = search(panel, model).anomalies
    monkeypatch.setattr(searching, "QUANTILES_AT_ONCE", 1)
    pieces = search(panel, model).anomalies
    for name in ("times", "events", "values"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    np.testing.assert_allclose(pieces.scores, whole.scores, rtol=1e-4)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"horizon": 6}, "give 1 to 5, the trained horizon"),
        ({"stride": 0}, "give 1 to 5, the trained horizon"),
        ({"horizon": 2, "stride": 3}, "do not reach every observation"),
        ({"join": -1}, "a number of steps is at least 0"),
    ],
)
def test_plans_that_make_no_sense_are_refused(plan: dict[str, int], message: str) -> None:
    panel = wave_panel()
    with pytest.raises(UsageError, match=message):
        search(panel, model_of(panel), **plan)
    with pytest.raises(UsageError, match="a level lies between 0 and 100"):
        AnomalyPlan(100)


def test_series_that_are_too_short_and_models_of_points_are_refused() -> None:
    panel = wave_panel()
    short = panel.take_series(np.arange(3), np.array([HORIZON, 4, 3]))
    with pytest.raises(DataError, match="no series has 5 observed steps behind a first one"):
        search(short, model_of(panel))
    with pytest.raises(UsageError, match="no quantiles, so there are no intervals"):
        search(panel, model_of(panel, training={"loss": "mae"}))
