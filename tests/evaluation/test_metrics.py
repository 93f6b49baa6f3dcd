from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from seqcast.errors import UsageError
from seqcast.evaluation.metrics import MEASURES, Scores, SeasonalScales, score, seasonal_scales
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Covariates, FloatArray, Panel, Schema
from seqcast.results.forecast import Forecast

HOURLY = parse_frequency("h")
START = np.datetime64("2024-01-01", "us")
SEASON = 3
HORIZON = 5
LENGTHS = (23, 29, 19)
NUM_WINDOWS = (2, 3, 2)
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
IDS = ("b", "c", "a")


def make_panel(series: list[FloatArray]) -> Panel:
    offsets = np.cumsum([0, *map(len, series)])
    rows = int(offsets[-1])
    return Panel(
        schema=Schema("long", "unique_id", "ds", ("y",)),
        frequency=HOURLY,
        series_ids=IDS[: len(series)],
        starts=np.full(len(series), START),
        offsets=offsets,
        target=np.concatenate(series),
        known=Covariates.empty(rows),
        past=Covariates.empty(rows),
        static=Covariates.empty(len(series)),
    )


@pytest.fixture
def panel() -> Panel:
    rng = np.random.default_rng(7)
    return make_panel([10 * (index + 1) + rng.normal(size=length) for index, length in enumerate(LENGTHS)])


@pytest.fixture
def forecast(panel: Panel) -> Forecast:
    """Rolling windows whose first cutoff is the last training row of each series."""
    rng = np.random.default_rng(11)
    ids, cutoffs = [], []
    for series, length, count in zip(IDS, LENGTHS, NUM_WINDOWS, strict=True):
        for window in range(count):
            ids.append(series)
            cutoffs.append(START + np.timedelta64(length - HORIZON - count + window, "h"))
    point = np.array([[IDS.index(series) * 10 + 10.0] for series in ids]) + rng.normal(size=(len(ids), HORIZON))
    spread = np.abs(rng.normal(size=(len(ids), HORIZON, 1)))
    quantiles = point[:, :, None] + spread * np.array([-1.3, -0.7, 0.1, 0.8, 1.2])
    return Forecast(HOURLY, tuple(ids), np.array(cutoffs), point, LEVELS, quantiles)


@pytest.fixture
def actuals(panel: Panel, forecast: Forecast) -> FloatArray:
    starts = dict(zip(IDS, panel.offsets, strict=False))
    rows = [
        starts[series] + HOURLY.steps_between(START, cutoff) + np.arange(1, HORIZON + 1)
        for series, cutoff in zip(forecast.series_ids, forecast.cutoffs, strict=True)
    ]
    return panel.target[np.array(rows)]


@pytest.fixture
def scales(panel: Panel) -> SeasonalScales:
    return seasonal_scales(panel, panel.lengths - HORIZON, SEASON)


def only(scores: Scores) -> dict[str, float]:
    return {name: float(getattr(scores.models[0].overall, name)) for name in MEASURES}


def long_frame(forecast: Forecast, actuals: FloatArray) -> pd.DataFrame:
    """One row per value, without a cutoff column, so that a group of the reference is a series."""
    columns = {
        "unique_id": np.repeat(forecast.series_ids, HORIZON),
        "ds": forecast.times().ravel(),
        "y": actuals.ravel(),
        "m": forecast.point.ravel(),
    }
    for index, level in enumerate(forecast.quantile_levels):
        columns[f"q{level}"] = forecast.quantiles[:, :, index].ravel()
    return pd.DataFrame(columns)


class TestAgainstReference:
    """The field's own implementations, per series."""

    @pytest.mark.parametrize(("name", "factor"), [("mae", 1), ("mse", 1), ("rmse", 1), ("smape", 200)])
    def test_plain_measures_agree(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales, name: str, factor: int
    ) -> None:
        ours = getattr(score(actuals, {"m": forecast}, scales).models[0].by_series, name)
        theirs = getattr(losses, name)(long_frame(forecast, actuals), ["m"]).set_index("unique_id")["m"]
        assert np.allclose(ours, factor * theirs[list(IDS)])

    @pytest.mark.parametrize("name", ["mase", "rmsse"])
    def test_scaled_measures_agree(
        self, panel: Panel, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales, name: str
    ) -> None:
        training = pd.DataFrame(
            {
                "unique_id": np.repeat(IDS, LENGTHS),
                "ds": np.concatenate([np.arange(length) for length in LENGTHS]),
                "y": panel.target,
            }
        )
        training = training[training["ds"] < np.repeat(LENGTHS, LENGTHS) - HORIZON]
        ours = getattr(score(actuals, {"m": forecast}, scales).models[0].by_series, name)
        reference = getattr(losses, name)
        theirs = reference(long_frame(forecast, actuals), ["m"], seasonality=SEASON, train_df=training)
        assert np.allclose(ours, theirs.set_index("unique_id")["m"][list(IDS)])

    def test_the_weighted_quantile_loss_agrees(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        columns = {"m": [f"q{level}" for level in LEVELS]}
        theirs = losses.scaled_crps(long_frame(forecast, actuals), columns, np.array(LEVELS))
        ours = score(actuals, {"m": forecast}, scales).models[0].by_series.wql
        assert np.allclose(ours, theirs.set_index("unique_id")["m"][list(IDS)])

    def test_coverage_agrees(self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales) -> None:
        frame = long_frame(forecast, actuals).rename(columns={"q0.1": "m-lo-80", "q0.9": "m-hi-80"})
        theirs = losses.coverage(frame, ["m"], 80).set_index("unique_id")["m"][list(IDS)]
        ours = score(actuals, {"m": forecast}, scales, [80, 50]).models[0].by_series.coverage
        assert list(ours) == ["80", "50"]
        assert np.allclose(ours["80"], theirs)
        assert 0 < theirs.mean() < 1


class TestGroups:
    def test_overall_every_value_counts_the_same(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        found = only(score(actuals, {"m": forecast}, scales))
        errors = np.abs(actuals - forecast.point)
        scale = scales.take(forecast.series_ids).absolute[:, None]
        assert found["mae"] == pytest.approx(errors.mean())
        assert found["mse"] == pytest.approx((errors**2).mean())
        assert found["rmse"] == pytest.approx(math.sqrt((errors**2).mean()))
        assert found["mase"] == pytest.approx((errors / scale).mean())

    def test_rmsse_is_a_mean_over_series(self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales) -> None:
        model = score(actuals, {"m": forecast}, scales).models[0]
        assert float(model.overall.rmsse) == pytest.approx(model.by_series.rmsse.mean())

    def test_each_step_is_scored_by_itself(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        by_step = score(actuals, {"m": forecast}, scales, [80]).models[0].by_step
        for step in range(HORIZON):
            columns = slice(step, step + 1)
            part = Forecast(
                HOURLY,
                forecast.series_ids,
                forecast.cutoffs,
                forecast.point[:, columns],
                LEVELS,
                forecast.quantiles[:, columns],
            )
            alone = score(actuals[:, columns], {"m": part}, scales, [80]).models[0].overall
            found, expected = by_step.record(step), alone.record(())
            assert found.pop("coverage") == expected.pop("coverage")
            assert found == pytest.approx(expected)

    def test_series_come_in_the_order_of_the_forecast(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        scores = score(actuals, {"m": forecast}, scales)
        assert scores.series_ids == IDS
        first = np.abs(actuals - forecast.point)[:2]
        assert scores.models[0].by_series.mae[0] == pytest.approx(first.mean())

    def test_a_part_of_the_series_can_be_scored_in_another_order(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        windows = [5, 6, 2]
        part = Forecast(
            HOURLY, ("a", "a", "c"), forecast.cutoffs[windows], forecast.point[windows], (), np.empty((3, HORIZON, 0))
        )
        whole = score(actuals, {"m": forecast}, scales)
        scores = score(actuals[windows], {"m": part}, scales)
        assert scores.series_ids == ("a", "c")
        assert scores.models[0].by_series.mase[0] == pytest.approx(whole.models[0].by_series.mase[2])


class TestMissing:
    def test_missing_values_are_left_out_and_counted(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        holed = actuals.copy()
        holed[1, 2] = np.nan
        point = forecast.point.copy()
        point[3, 4] = np.nan
        holed_forecast = Forecast(HOURLY, forecast.series_ids, forecast.cutoffs, point, LEVELS, forecast.quantiles)
        scores = score(holed, {"m": holed_forecast, "n": forecast}, scales, [80])
        errors = np.abs(actuals - forecast.point)
        errors[1, 2] = errors[3, 4] = np.nan
        assert float(scores.of("m").overall.mae) == pytest.approx(np.nanmean(errors))
        assert [(model.num_values, model.num_unscored) for model in scores.models] == [(33, 2), (34, 1)]

    def test_a_series_without_any_value_is_not_a_number_and_changes_nothing_else(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        holed = actuals.copy()
        holed[:2] = np.nan
        model = score(holed, {"m": forecast}, scales).models[0]
        errors = np.abs(actuals - forecast.point)[2:]
        assert np.isnan(model.by_series.mae[0])
        assert float(model.overall.mae) == pytest.approx(errors.mean())
        assert float(model.overall.rmsse) == pytest.approx(model.by_series.rmsse[1:].mean())

    def test_a_series_without_a_scale_is_left_out_of_scaled_measures_and_counted(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        broken = SeasonalScales(
            SEASON, IDS, np.array([0.0, scales.absolute[1], np.nan]), np.array([0.0, scales.squared[1], np.nan])
        )
        scores = score(actuals, {"m": forecast}, broken)
        model = scores.models[0]
        assert scores.num_unscaled_series == 2
        assert np.isnan(model.by_series.mase).tolist() == [True, False, True]
        assert np.isnan(model.by_series.rmsse).tolist() == [True, False, True]
        assert float(model.overall.mase) == pytest.approx(model.by_series.mase[1])
        assert float(model.overall.rmsse) == pytest.approx(model.by_series.rmsse[1])


class TestDefinitions:
    def one_window(self, point: list[float], observed: list[float]) -> dict[str, float]:
        values = np.array([point])
        forecast = Forecast(HOURLY, ("b",), np.array([START]), values, (), np.empty((1, len(point), 0)))
        scales = SeasonalScales(1, ("b",), np.array([2.0]), np.array([4.0]))
        return only(score(np.array([observed]), {"m": forecast}, scales))

    def test_smape_is_200_for_opposite_signs_and_0_for_two_zeros(self) -> None:
        assert self.one_window([1.0, 0.0], [-1.0, 0.0])["smape"] == pytest.approx(100)

    def test_a_forecast_without_quantiles_counts_as_certain(self) -> None:
        assert self.one_window([1.0, 5.0], [2.0, 8.0])["wql"] == pytest.approx(4 / 10)

    def test_a_series_of_zeros_has_no_weighted_quantile_loss(self) -> None:
        assert math.isnan(self.one_window([1.0, 5.0], [0.0, 0.0])["wql"])

    def test_scaled_errors_are_in_units_of_the_scale(self) -> None:
        found = self.one_window([1.0, 5.0], [5.0, 5.0])
        assert found["mase"] == pytest.approx(1)
        assert found["rmsse"] == pytest.approx(math.sqrt(8 / 4))

    def test_a_level_outside_0_to_100_is_refused(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        with pytest.raises(UsageError, match="between 0 and 100, got 120"):
            score(actuals, {"m": forecast}, scales, [120])


class TestScales:
    def test_only_the_training_part_counts(self, panel: Panel) -> None:
        lengths = np.array([11, 13, 17])
        found = seasonal_scales(panel, lengths, SEASON)
        for index, length in enumerate(lengths):
            values = panel.target[panel.offsets[index] :][:length]
            differences = values[SEASON:] - values[:-SEASON]
            assert found.absolute[index] == pytest.approx(np.abs(differences).mean())
            assert found.squared[index] == pytest.approx((differences**2).mean())

    def test_pairs_with_a_missing_value_are_left_out(self) -> None:
        found = seasonal_scales(make_panel([np.array([1.0, np.nan, 4.0, 9.0, 16.0])]), np.array([5]), 1)
        assert found.absolute.tolist() == [(5 + 7) / 2]

    def test_a_series_shorter_than_the_season_has_no_scale(self) -> None:
        found = seasonal_scales(make_panel([np.arange(2.0), np.arange(7.0)]), np.array([2, 7]), 2)
        assert np.isnan(found.absolute).tolist() == [True, False]
        assert found.usable.tolist() == [False, True]


class TestScores:
    def test_the_document_holds_every_measure_overall_by_step_and_by_series(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        document = score(actuals, {"m": forecast}, scales, [80, 97.5]).as_dict()
        model = json.loads(json.dumps(document, allow_nan=False))["m"]
        assert set(model) == {*MEASURES, "coverage", "num_values", "num_unscored", "by_step", "by_series"}
        assert set(model["coverage"]) == {"80", "97.5"}
        assert [item["step"] for item in model["by_step"]] == [1, 2, 3, 4, 5]
        assert set(model["by_step"][0]) == {*MEASURES, "coverage", "step"}
        assert [item["unique_id"] for item in model["by_series"]] == list(IDS)
        assert set(model["by_series"][0]) == {*MEASURES, "coverage", "unique_id"}

    def test_the_document_lists_no_more_series_than_asked_for(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        document = score(actuals, {"m": forecast}, scales).as_dict(most_series=2)
        assert [item["unique_id"] for item in document["m"]["by_series"]] == list(IDS[:2])  # type: ignore[index]

    def test_the_document_holds_skill_where_there_is_a_reference(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        scores = score(actuals, {"m": forecast}, scales)
        assert "skill" not in scores.as_dict()["m"]  # type: ignore[operator]
        assert scores.as_dict("m")["m"]["skill"] == 0  # type: ignore[index]

    def test_what_is_not_a_number_is_null(self, forecast: Forecast, actuals: FloatArray) -> None:
        unscaled = SeasonalScales(SEASON, IDS, np.zeros(3), np.zeros(3))
        document = score(actuals, {"m": forecast}, unscaled).as_dict()
        assert document["m"]["mase"] is None  # type: ignore[index]  # a JSON document

    def test_skill_is_the_part_of_the_reference_error_avoided(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        half = Forecast(
            HOURLY,
            forecast.series_ids,
            forecast.cutoffs,
            (forecast.point + actuals) / 2,
            (),
            np.empty((*actuals.shape, 0)),
        )
        assert score(actuals, {"half": half, "m": forecast}, scales).skill("half", "m") == pytest.approx(0.5)
        unscaled = SeasonalScales(SEASON, IDS, np.zeros(3), np.zeros(3))
        assert score(actuals, {"half": half, "m": forecast}, unscaled).skill("half", "m") == pytest.approx(0.5)

    def test_skill_against_a_perfect_reference_is_undefined(
        self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales
    ) -> None:
        perfect = Forecast(HOURLY, forecast.series_ids, forecast.cutoffs, actuals, (), np.empty((*actuals.shape, 0)))
        assert math.isnan(score(actuals, {"p": perfect, "m": forecast}, scales).skill("m", "p"))

    def test_nothing_given_is_changed(self, forecast: Forecast, actuals: FloatArray, scales: SeasonalScales) -> None:
        before = actuals.copy(), forecast.point.copy(), forecast.quantiles.copy(), scales.absolute.copy()
        score(actuals, {"m": forecast}, scales, [80])
        after = actuals, forecast.point, forecast.quantiles, scales.absolute
        assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
