"""The models of statsforecast themselves; it needs an older pandas than the rest, so these run where it is installed."""

import numpy as np
import pandas as pd
import pytest

from seqcast.evaluation import statistical
from seqcast.evaluation.backtest import Backtest, BacktestPlan, backtest
from seqcast.evaluation.statistical import STATISTICAL_MODELS
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import HORIZON, make_panel, random_model, small_config, waves

pytest.importorskip("statsforecast")

CONFIG = small_config(data={"validation_size": 7, "test_size": 13})


@pytest.fixture(scope="module")
def panel() -> Panel:
    return make_panel(waves((61, 53, 47)))


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    return random_model(panel, CONFIG)


@pytest.fixture(scope="module")
def scored(panel: Panel, model: TrainedModel) -> Backtest:
    return backtest(model, panel, BacktestPlan("test", models=STATISTICAL_MODELS))


def test_every_model_is_scored_like_the_others(scored: Backtest) -> None:
    assert [each.model for each in scored.scores.models] == ["seqcast", "naive", "seasonal_naive", *STATISTICAL_MODELS]
    for name in STATISTICAL_MODELS:
        found = scored.scores.of(name)
        assert found.num_unscored == 0
        assert list(found.overall.coverage) == ["80", "95"]
        assert scored.scores.skill(name, "seasonal_naive") > 0
    assert scored.notices == ()


def test_forecasts_are_those_of_cross_validation(panel: Panel, scored: Backtest) -> None:
    from statsforecast import StatsForecast
    from statsforecast.models import MSTL, AutoETS, AutoTheta

    rows = panel.series_of_row
    times = panel.times(rows, np.arange(len(rows)) - panel.offsets[rows])
    frame = pd.DataFrame({"unique_id": np.array(panel.series_ids)[rows], "ds": times, "y": panel.target})
    models = [AutoETS(season_length=7), AutoTheta(season_length=7), MSTL(season_length=[7])]
    expected = StatsForecast(models=models, freq="D").cross_validation(
        df=frame, h=HORIZON, step_size=HORIZON, n_windows=2, level=[80]
    )
    for name in STATISTICAL_MODELS:
        forecast = scored.statistical[name]
        np.testing.assert_allclose(forecast.point.ravel(), expected[name], rtol=1e-6)
        low = forecast.quantiles[..., 0].ravel()
        np.testing.assert_allclose(low, np.minimum(expected[f"{name}-lo-80"], expected[name]), rtol=1e-6)


def test_several_processes_say_the_same_as_one(
    panel: Panel, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = BacktestPlan("test", stride=3, models=("AutoETS",))
    alone = backtest(model, panel, plan)
    monkeypatch.setattr(statistical, "FEWEST_PARALLEL_WINDOWS", 2)
    together = backtest(model, panel, plan)
    np.testing.assert_array_equal(alone.statistical["AutoETS"].quantiles, together.statistical["AutoETS"].quantiles)


def test_series_that_a_model_cannot_take_are_named(model: TrainedModel) -> None:
    panel = make_panel([*waves((61,)), np.arange(15.0), np.full(61, 5.0)])
    scored = backtest(model, panel, BacktestPlan("test", models=STATISTICAL_MODELS))
    assert np.isfinite(scored.statistical["AutoETS"].point[-1]).all()
    assert all("'s1'" in notice.text for notice in scored.notices if "failed" in notice.text)
    assert any("failed" in notice.text for notice in scored.notices)
