from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.model.network import Standardisation
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.tensors.windows import WindowRange
from seqcast.training.linear_start import (
    USUAL_SHARE,
    LinearForecast,
    LinearSettings,
    fit_linear_forecast,
    refit_linear_forecast,
)
from tests.panels import make_panel, small_config, small_setup
from tests.training.planted import CONTEXT, HORIZON, PLANTED, linear_forecast, planted_panel, prepared

MODULE = "seqcast.training.linear_start"


def fitted(
    panel: Panel, seasons: tuple[int, ...] = (7,), windows: WindowRange | None = None, **model: Any
) -> LinearForecast:
    """The linear forecast of the training windows, or of the given ones."""
    config = small_config(model={"horizon": HORIZON, "context": CONTEXT, **model}, data={"validation_size": 7})
    setup = small_setup(panel, config)
    settings = LinearSettings(CONTEXT, HORIZON, (0.1, 0.5, 0.9), seasons, "mean")
    return fit_linear_forecast(setup.tensors, windows or setup.train_windows, settings)


def walks(num_series: int = 11, length: int = 150, season: int = 1) -> list[FloatArray]:
    """Each value is that of a season before, and noise: nothing forecasts better than that value."""
    random = np.random.default_rng(0)
    series = []
    for _ in range(num_series):
        steps = random.normal(size=(length // season + 1, season))
        series.append(np.cumsum(steps, axis=0).ravel()[:length])
    return series


def series_of(panel: Panel) -> list[FloatArray]:
    return [panel.target[a:b] for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)]


def spiked(panel: Panel) -> Panel:
    """A few wild rows in every series, far above all others."""
    random, target = np.random.default_rng(1), panel.target.copy()
    wild = random.choice(len(target), len(target) // 50, replace=False)
    target[wild] += 60 * random.random(len(wild))
    return replace(panel, target=target)


def test_planted_lags_are_found_at_every_step_and_nothing_else_is() -> None:
    weights = linear_forecast(prepared(planted_panel())).weights.numpy()

    assert weights.shape == (HORIZON, CONTEXT)
    assert (weights >= 0).all()
    for step in range(1, HORIZON + 1):
        positions = {CONTEXT - (lag - step + 1): weight for lag, weight in PLANTED.items()}
        for position, weight in positions.items():
            assert weights[step - 1, position] == pytest.approx(weight, abs=0.08)
        assert np.delete(weights[step - 1], list(positions)).max() < 0.08


def test_residual_quantiles_are_those_of_what_the_weights_leave_over() -> None:
    setup = prepared(planted_panel(2, 120))
    linear = linear_forecast(setup)

    series, origins = setup.train_windows.locate(np.arange(len(setup.train_windows)))
    batch = setup.tensors.gather(torch.from_numpy(series), torch.from_numpy(origins), CONTEXT, HORIZON)
    units = Standardisation.of(batch)
    past, future = (
        units.apply(batch.context_target, batch.context_observed),
        units.apply(batch.future_target, batch.future_observed),
    )
    residuals = future.double().numpy() - past.double().numpy() @ linear.weights.numpy().T
    expected = np.quantile(residuals, (0.1, 0.9), axis=0).T - np.median(residuals, axis=0)[:, None]
    around, median = linear.residual_quantiles.numpy()[:, [0, 2]], linear.residual_quantiles[:, 1]
    assert (median == 0).all()
    widening = around / expected
    np.testing.assert_allclose(widening, widening[0, 0], rtol=1e-3)
    assert 1 <= widening[0, 0] < 1.2
    np.testing.assert_allclose(linear.drift.numpy(), np.median(residuals, axis=0), atol=1e-5)


def test_weights_and_residuals_do_not_depend_on_the_size_of_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepared(planted_panel(2, 120))
    whole = linear_forecast(setup)

    monkeypatch.setattr("seqcast.training.linear_start.CHUNK", 17)

    chunked = linear_forecast(setup)
    torch.testing.assert_close(chunked.weights, whole.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(chunked.residual_quantiles, whole.residual_quantiles, atol=1e-5, rtol=0)


def test_a_step_that_was_never_observed_has_residuals_of_zero() -> None:
    setup = prepared(planted_panel(1, 60))
    setup.tensors.observed[:] = False

    linear = linear_forecast(setup)

    assert linear.weights.isfinite().all()
    assert (linear.residual_quantiles == 0).all()


def test_a_few_wild_windows_do_not_rule_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = fitted(planted_panel()).weights
    robust = (fitted(spiked(planted_panel())).weights - clean).abs().sum()
    monkeypatch.setattr(f"{MODULE}.SMALLEST_ERROR", 1e9)  # all windows are alike
    plain = (fitted(spiked(planted_panel())).weights - clean).abs().sum()

    assert robust < 0.7 * plain


@pytest.mark.parametrize(("true_season", "seasons"), [(1, (7,)), (1, ()), (7, (5, 7)), (5, (5, 7)), (7, (7, 14))])
def test_where_nothing_beats_a_naive_forecast_it_has_the_largest_share(
    true_season: int, seasons: tuple[int, ...]
) -> None:
    found = fitted(make_panel(walks(season=true_season)), seasons)

    assert found.naive_season == true_season
    assert found.naive_share >= 0.75
    back = [true_season * -(-step // true_season) - step + 1 for step in range(1, HORIZON + 1)]
    assert found.weights.argmax(dim=1).tolist() == [CONTEXT - each for each in back]


def test_where_the_fit_is_better_the_naive_forecast_has_a_small_share() -> None:
    assert fitted(planted_panel()).naive_share <= 0.25


def test_a_season_longer_than_the_context_is_no_candidate() -> None:
    assert fitted(make_panel(walks(season=7)), (7, 14)).naive_season == 7
    assert fitted(make_panel(walks(season=14, length=300)), (14,)).naive_season == 1


def test_few_windows_give_the_usual_share() -> None:
    few, enough = (WindowRange(np.array([40]), np.array([40 + count - 1])) for count in (19, 20))
    panel = make_panel(walks(1))

    assert fitted(panel, windows=few).naive_share == USUAL_SHARE
    assert fitted(panel, windows=enough).naive_share > USUAL_SHARE


def test_series_of_one_window_each_are_judged_by_series_that_the_fit_has_not_seen() -> None:
    short = CONTEXT + HORIZON + 7
    panel = planted_panel(203, short)

    assert fitted(panel).naive_share < USUAL_SHARE


def test_a_single_stretch_gives_the_usual_share() -> None:
    lengths = [CONTEXT + HORIZON + 7 if number % 5 == 0 else 9 for number in range(111)]
    panel = make_panel([series[:length] for series, length in zip(walks(111, 40), lengths, strict=True)])

    assert fitted(panel).naive_share == USUAL_SHARE


def test_only_the_given_windows_are_looked_at() -> None:
    panel, windows = planted_panel(2, 90), WindowRange(np.array([30, 31]), np.array([60, 59]))
    target = panel.target.copy()
    for begin, end in (
        (0, 30 - CONTEXT),
        (60 + HORIZON, 90 - 7),
        (90, 90 + 31 - CONTEXT),
        (90 + 59 + HORIZON, 180 - 7),
    ):
        target[begin:end] = target[begin:end][::-1]  # so that the scale of each series stays

    found, other = (fitted(each, windows=windows) for each in (panel, replace(panel, target=target)))

    torch.testing.assert_close(found.weights, other.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.residual_quantiles, other.residual_quantiles, atol=1e-5, rtol=0)
    inside = replace(panel, target=np.where(np.arange(180) == 40, 9, panel.target))
    assert not torch.allclose(found.weights, fitted(inside, windows=windows).weights, atol=1e-3)


def test_lags_beyond_the_newest_ones_get_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.MOST_LAGS", 9)
    weights = fitted(planted_panel()).weights

    assert weights.shape == (HORIZON, CONTEXT)
    assert (weights[:, :4] == 0).all()
    assert weights[0].argmax() == CONTEXT - 7


def test_a_horizon_of_ten_thousand_steps_finds_the_season_at_every_step() -> None:
    horizon, context = 10_000, 11
    wave = np.sin(2 * np.pi * np.arange(20_100) / 7)
    windows = WindowRange(np.array([context]), np.array([context + 60]))
    config = small_config(
        data={"validation_size": horizon}, model={"horizon": horizon, "context": context, "location": "mean"}
    )
    with pytest.MonkeyPatch.context() as patch:  # the fit of the setup itself is not what is looked at
        patch.setattr("seqcast.training.setup.fit_linear_forecast", lambda *_: None)
        patch.setattr("seqcast.training.setup.apply_linear_start", lambda *_: None)
        tensors = small_setup(make_panel([wave]), config).tensors

    found = fit_linear_forecast(tensors, windows, LinearSettings(context, horizon, (0.1, 0.5, 0.9), (7,), "mean"))

    assert found.weights.shape == (horizon, context)
    assert float(found.residual_quantiles.abs().max()) < 0.2
    for step in (1, 2, 5_001, 9_999, 10_000):
        past, truth = wave[500 - context : 500], wave[499 + step]
        assert float(found.weights[step - 1].numpy() @ past) == pytest.approx(truth, abs=0.15)


def test_missing_values_do_not_shrink_the_forecast() -> None:
    panel = planted_panel(11)
    hidden = np.random.default_rng(2).random(len(panel.target)) < 0.3
    holey = replace(panel, target=np.where(hidden, np.nan, panel.target))

    complete, found = (fitted(each).weights.sum(dim=1) for each in (panel, holey))

    assert float((found / complete).min()) > 0.9
    assert fitted(holey).weights[0].argmax() == CONTEXT - 7


def test_windows_without_any_truth_do_not_count() -> None:
    panel = planted_panel(3)
    silent = np.full(60, np.nan)
    silent[:CONTEXT] = np.tile([5.0, -5.0], 7)[:CONTEXT]
    more = make_panel([*series_of(panel), *[silent] * 50])

    torch.testing.assert_close(fitted(more).weights, fitted(panel).weights, atol=0.02, rtol=0)


def test_fitted_again_on_longer_series_it_has_the_weights_of_a_fit_from_the_start_and_keeps_the_naive_share() -> None:
    setup = prepared(planted_panel(5, 120))
    settings = LinearSettings(CONTEXT, HORIZON, (0.1, 0.5, 0.9), (7,), "mean")
    few = WindowRange(setup.train_windows.first, setup.train_windows.last - 60)
    earlier = fit_linear_forecast(setup.tensors, few, settings)
    anew = fit_linear_forecast(setup.tensors, setup.train_windows, settings)

    again = refit_linear_forecast(setup.tensors, setup.train_windows, settings, earlier)

    left, moved = ((other.fitted - anew.fitted).abs().mean() for other in (again, earlier))
    assert left < 0.2 * moved  # windows weigh by their errors under other weights, so the two fits are not one
    assert (again.naive_share, again.widening) == (earlier.naive_share, earlier.widening)
    assert again.naive_share != anew.naive_share
    torch.testing.assert_close(again.weights.sum(dim=1), 0.75 * again.fitted.sum(dim=0) + again.naive_share)
