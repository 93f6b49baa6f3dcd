import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from seqcast.evaluation.baselines import point_forecast
from seqcast.evaluation.metrics import MEASURES, ModelScores, Scores, SeasonalScales, seasonal_scales
from seqcast.evaluation.score_sums import score
from seqcast.panel.arrays import FloatArray
from seqcast.results.forecast import Forecast
from seqcast.results.origins import Origins, rolling_origins
from tests.panels import DAILY, make_panel

SEASON, HORIZON = 3, 5
LENGTHS = np.array([23, 29, 19])
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
IDS = ("b", "c", "a")
PANEL = make_panel(
    [10 * (i + 1) + np.random.default_rng(i).normal(size=length) for i, length in enumerate(LENGTHS)], ids=IDS
)
SCALES = seasonal_scales(PANEL, LENGTHS - HORIZON, SEASON)
UNSCALED = SeasonalScales(SEASON, IDS, np.zeros(3), np.zeros(3))
ORIGINS = rolling_origins(LENGTHS - HORIZON - np.array([1, 2, 1]), LENGTHS - HORIZON, 1)
"""Two, three and two origins."""
ACTUALS = ORIGINS.actuals(PANEL, HORIZON)


def forecast_of(origins: Origins) -> Forecast:
    """Random forecasts with quantiles that are not symmetric."""
    random = np.random.default_rng(11)
    point = 10.0 * (origins.series[:, None] + 1) + random.normal(size=(len(origins), HORIZON))
    spread = np.abs(random.normal(size=(len(origins), HORIZON, 1)))
    quantiles = point[:, :, None] + spread * np.array([-1.3, -0.7, 0.1, 0.8, 1.2])
    ids = tuple(IDS[series] for series in origins.series)
    return Forecast(DAILY, ids, PANEL.times(origins.series, origins.positions - 1), point, LEVELS, quantiles)


FORECAST = forecast_of(ORIGINS)
ERRORS = np.abs(ACTUALS - FORECAST.point)


def scored(actuals: FloatArray = ACTUALS, scales: SeasonalScales = SCALES, levels: tuple[float, ...] = ()) -> Scores:
    return score(actuals, {"m": FORECAST}, scales, levels)


def model(scores: Scores) -> ModelScores:
    return scores.of("m")


class TestAgainstReference:
    """The implementations of utilsforecast, by series."""

    FRAME = pd.DataFrame(
        {
            "unique_id": np.repeat(FORECAST.series_ids, HORIZON),
            "ds": FORECAST.times().ravel(),
            "y": ACTUALS.ravel(),
            "m": FORECAST.point.ravel(),
            **{f"q{level}": FORECAST.quantiles[:, :, index].ravel() for index, level in enumerate(LEVELS)},
        }
    )
    TRAINING = pd.concat(
        pd.DataFrame(
            {"unique_id": name, "ds": np.arange(end - start - HORIZON), "y": PANEL.target[start : end - HORIZON]}
        )
        for name, start, end in zip(IDS, PANEL.offsets, PANEL.offsets[1:], strict=False)
    )

    def by_series(self, reference: pd.DataFrame) -> FloatArray:
        return reference.set_index("unique_id")["m"][list(IDS)].to_numpy()

    @pytest.mark.parametrize(("name", "factor"), [("mae", 1), ("mse", 1), ("rmse", 1), ("smape", 200)])
    def test_plain_measures_agree(self, name: str, factor: int) -> None:
        theirs = self.by_series(getattr(losses, name)(self.FRAME, ["m"]))
        assert np.allclose(getattr(model(scored()).by_series, name), factor * theirs)

    @pytest.mark.parametrize("name", ["mase", "rmsse"])
    def test_scaled_measures_agree(self, name: str) -> None:
        theirs = getattr(losses, name)(self.FRAME, ["m"], seasonality=SEASON, train_df=self.TRAINING)
        assert np.allclose(getattr(model(scored()).by_series, name), self.by_series(theirs))

    def test_the_weighted_quantile_loss_agrees(self) -> None:
        theirs = losses.scaled_crps(self.FRAME, {"m": [f"q{level}" for level in LEVELS]}, np.array(LEVELS))
        assert np.allclose(model(scored()).by_series.wql, self.by_series(theirs))

    def test_coverage_agrees(self) -> None:
        frame = self.FRAME.rename(columns={"q0.1": "m-lo-80", "q0.9": "m-hi-80"})
        theirs = self.by_series(losses.coverage(frame, ["m"], 80))
        ours = model(scored(levels=(80, 50))).by_series.coverage
        assert list(ours) == ["80", "50"]
        assert np.allclose(ours["80"], theirs)
        assert 0 < theirs.mean() < 1


class TestGroups:
    def test_every_value_has_the_same_weight_overall(self) -> None:
        overall = model(scored()).overall
        assert float(overall.mae) == pytest.approx(ERRORS.mean())
        assert float(overall.mse) == pytest.approx((ERRORS**2).mean())
        assert float(overall.rmse) == pytest.approx(math.sqrt((ERRORS**2).mean()))
        assert float(overall.mase) == pytest.approx(
            (ERRORS / SCALES.take(FORECAST.series_ids).absolute[:, None]).mean()
        )

    def test_rmsse_is_a_mean_over_series(self) -> None:
        assert float(model(scored()).overall.rmsse) == pytest.approx(model(scored()).by_series.rmsse.mean())

    @pytest.mark.parametrize("step", range(HORIZON))
    def test_each_step_is_scored_by_itself(self, step: int) -> None:
        part = slice(step, step + 1)
        alone = replace(FORECAST, point=FORECAST.point[:, part], quantiles=FORECAST.quantiles[:, part])
        expected = score(ACTUALS[:, part], {"m": alone}, SCALES, [80]).of("m").overall.record(())
        found = model(scored(levels=(80,))).by_step.record(step)
        assert found.pop("coverage") == expected.pop("coverage")
        assert found == pytest.approx(expected)

    def test_series_are_in_the_order_of_the_forecast(self) -> None:
        assert scored().series_ids == IDS
        assert model(scored()).by_series.mae[0] == pytest.approx(ERRORS[:2].mean())

    def test_some_series_can_be_scored_in_another_order(self) -> None:
        windows = [5, 6, 2]
        ids, cutoffs = ("a", "a", "c"), FORECAST.cutoffs[windows]
        part = Forecast(DAILY, ids, cutoffs, FORECAST.point[windows], LEVELS, FORECAST.quantiles[windows])
        scores = score(ACTUALS[windows], {"m": part}, SCALES)
        assert scores.series_ids == ("a", "c")
        assert model(scores).by_series.mase[0] == pytest.approx(model(scored()).by_series.mase[2])


class TestMissing:
    def test_missing_values_are_left_out_and_counted(self) -> None:
        actuals, point, errors = ACTUALS.copy(), FORECAST.point.copy(), ERRORS.copy()
        actuals[1, 2] = point[3, 4] = errors[1, 2] = errors[3, 4] = np.nan
        scores = score(actuals, {"m": replace(FORECAST, point=point), "n": FORECAST}, SCALES, [80])
        assert float(model(scores).overall.mae) == pytest.approx(np.nanmean(errors))
        assert [(each.num_values, each.num_unscored) for each in scores.models] == [(33, 2), (34, 1)]

    def test_a_series_without_any_value_is_nan_and_changes_nothing_else(self) -> None:
        actuals = ACTUALS.copy()
        actuals[:2] = np.nan
        found = model(scored(actuals))
        assert np.isnan(found.by_series.mae[0])
        assert float(found.overall.mae) == pytest.approx(ERRORS[2:].mean())
        assert float(found.overall.rmsse) == pytest.approx(found.by_series.rmsse[1:].mean())

    def test_a_series_without_a_scale_is_left_out_of_scaled_measures_and_counted(self) -> None:
        usable = np.array([0.0, 1.0, np.nan])
        scores = scored(scales=SeasonalScales(SEASON, IDS, SCALES.absolute * usable, SCALES.squared * usable))
        assert scores.num_unscaled_series == 2
        for name in ("mase", "rmsse"):
            by_series = getattr(model(scores).by_series, name)
            assert np.isnan(by_series).tolist() == [True, False, True]
            assert float(getattr(model(scores).overall, name)) == pytest.approx(by_series[1])


@pytest.mark.parametrize(
    ("point", "observed", "expected"),
    [
        ([1.0, 0.0], [-1.0, 0.0], {"smape": 100}),  # 200 for opposite signs, 0 for two zeros
        ([1.0, 5.0], [2.0, 8.0], {"wql": 4 / 10}),  # a forecast without quantiles counts as certain
        ([1.0, 5.0], [0.0, 0.0], {"wql": math.nan}),
        ([1.0, 5.0], [5.0, 5.0], {"mase": 1, "rmsse": math.sqrt(8 / 4)}),
    ],
)
def test_measures_follow_their_definitions(
    point: list[float], observed: list[float], expected: dict[str, float]
) -> None:
    forecast = Forecast(DAILY, ("b",), PANEL.starts[:1], np.array([point]), (), np.empty((1, 2, 0)))
    scores = score(np.array([observed]), {"m": forecast}, SeasonalScales(1, ("b",), np.array([2.0]), np.array([4.0])))
    found = {name: float(getattr(model(scores).overall, name)) for name in expected}
    assert found == pytest.approx(expected, nan_ok=True)


class TestScales:
    def test_only_the_training_part_counts(self) -> None:
        lengths = np.array([11, 13, 17])
        found = seasonal_scales(PANEL, lengths, SEASON)
        for index, length in enumerate(lengths):
            values = PANEL.target[PANEL.offsets[index] :][:length]
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
    def test_the_document_holds_every_measure_overall_by_step_and_by_series(self) -> None:
        found = json.loads(json.dumps(scored(levels=(80, 97.5)).as_dict(), allow_nan=False))["m"]
        assert set(found) == {
            *MEASURES,
            "coverage",
            "coverage_spread",
            "num_values",
            "num_unscored",
            "by_step",
            "by_series",
        }
        assert set(found["coverage"]) == {"80", "97.5"}
        assert [item["step"] for item in found["by_step"]] == [1, 2, 3, 4, 5]
        assert set(found["by_step"][0]) == {*MEASURES, "coverage", "step"}
        assert [item["unique_id"] for item in found["by_series"]] == list(IDS)
        assert set(found["by_series"][0]) == {*MEASURES, "coverage", "unique_id"}

    def test_the_document_lists_no_more_series_than_asked_for_and_skill_only_beside_a_reference(self) -> None:
        plain, limited = json.loads(json.dumps([scored().as_dict(), scored().as_dict("m", most_series=2)]))
        assert [item["unique_id"] for item in limited["m"]["by_series"]] == list(IDS[:2])
        assert "skill" not in plain["m"]
        assert limited["m"]["skill"] == 0

    def test_nan_is_null_in_the_document(self) -> None:
        assert json.loads(json.dumps(scored(scales=UNSCALED).as_dict()))["m"]["mase"] is None

    @pytest.mark.parametrize("scales", [SCALES, UNSCALED], ids=["by mase", "by mae"])
    def test_skill_is_the_part_of_the_reference_error_avoided(self, scales: SeasonalScales) -> None:
        half, perfect = (point_forecast(FORECAST, point) for point in ((FORECAST.point + ACTUALS) / 2, ACTUALS))
        scores = score(ACTUALS, {"half": half, "m": FORECAST, "perfect": perfect}, scales)
        assert scores.skill("half", "m") == pytest.approx(0.5)
        assert math.isnan(scores.skill("m", "perfect"))

    def test_no_argument_is_changed(self) -> None:
        arrays = (ACTUALS, FORECAST.point, FORECAST.quantiles, SCALES.absolute)
        before = [array.copy() for array in arrays]
        scored(levels=(80,))
        assert all(np.array_equal(old, new) for old, new in zip(before, arrays, strict=True))
