from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.model.network import ForecastNetwork
from seqcast.panel.panel import Panel
from seqcast.training.fit import fit
from seqcast.training.plan import Plan
from seqcast.training.setup import prepare
from tests.panels import CONTEXT, CPU, HORIZON, full_panel, make_panel, small_config, small_setup, wave_panel

CONFIG = small_config(data={"validation_size": 7, "test_size": 3})


def held_out_changed(panel: Panel) -> Panel:
    """The panel with other values after the training part of every series."""
    target = panel.target.copy()
    for end in panel.offsets[1:]:
        target[end - 10 : end] += 1e6
    return replace(panel, target=target)


def test_scaling_and_warm_start_see_the_training_part_alone() -> None:
    config = CONFIG.override(model={"location": None})
    first = small_setup(full_panel(), config)
    second = small_setup(held_out_changed(full_panel()), config)

    assert first.plan.choices == second.plan.choices
    np.testing.assert_array_equal(first.scalers.target.mean, second.scalers.target.mean)
    weights = second.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.network.state_dict().items())


def test_every_training_window_lies_in_the_training_part() -> None:
    setup = small_setup(wave_panel(), CONFIG)
    windows = setup.train_windows

    series, origins = windows.locate(np.arange(len(windows)))

    expected = [
        (number, origin)
        for number, length in enumerate((61, 53, 47))
        for origin in range(CONTEXT, length - 10 - HORIZON + 1)
    ]
    assert list(zip(series.tolist(), origins.tolist(), strict=True)) == expected
    assert setup.plan.num_train_windows == len(expected)


def test_every_validation_window_forecasts_the_validation_part() -> None:
    setup = small_setup(wave_panel(), CONFIG)

    found = list(zip(setup.validation_series.tolist(), setup.validation_origins.tolist(), strict=True))

    assert found == [
        (number, origin)
        for number, length in enumerate((61, 53, 47))
        for origin in range(length - 10, length - 3 - HORIZON + 1)
    ]
    short = small_setup(wave_panel((61, 53, 9)), CONFIG)  # shorter than the held-out part: after its first step
    assert short.validation_origins[short.validation_series == 2].tolist() == [1]


@pytest.mark.parametrize(
    ("limits", "num_windows"),
    [
        ({"MOST_VALIDATION_WINDOWS": 5}, 5),
        ({"MOST_VALIDATION_VALUES": 4 * HORIZON, "FEWEST_VALIDATION_WINDOWS": 2}, 4),
        ({"MOST_VALIDATION_VALUES": 1, "FEWEST_VALIDATION_WINDOWS": 2}, 2),
    ],
)
def test_many_validation_windows_are_thinned_out_evenly(
    limits: dict[str, int], num_windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(f"seqcast.training.setup.{name}", limit)

    setup = small_setup(wave_panel(), CONFIG)

    assert len(setup.validation_series) == num_windows
    assert len(set(setup.validation_series.tolist())) == min(num_windows, 3)


def test_the_network_has_the_sizes_of_the_panel() -> None:
    setup = small_setup(full_panel(), CONFIG)

    shape = setup.network.shape

    assert (shape.horizon, shape.context, shape.season) == (HORIZON, CONTEXT, 7)
    assert setup.plan.cycles == ("week",)
    assert (shape.num_past, shape.num_known, shape.num_static) == (1, 1 + 2, 1)
    assert shape.past_categories == shape.known_categories == (4,)
    assert len(shape.static_categories) == 1


def test_preparing_twice_gives_equal_networks_whatever_the_generator_holds() -> None:
    first = small_setup(wave_panel(), CONFIG)
    torch.rand(7)
    second = prepare(wave_panel(), first.plan, CPU, "data")

    weights = second.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.network.state_dict().items())


def cold_network(plan: Plan) -> ForecastNetwork:
    """The network of a run before it is told the linear forecast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqcast.training.setup.apply_linear_start", lambda *_: None)
        return prepare(wave_panel(), plan, CPU, "data").network


def test_a_network_without_warm_start_differs_in_what_it_sets_alone() -> None:
    warm = small_setup(wave_panel(), CONFIG)
    cold = cold_network(warm.plan).state_dict()

    changed = {n for n, value in warm.network.state_dict().items() if not torch.equal(value, cold[n])}

    assert changed == {
        "decoder.attention.lag_bias",
        "decoder.attention.score.projection.weight",
        "decoder.copy_gate.step_bias",
        "decoder.head.step_bias",
    }


def test_preparing_leaves_the_panel_as_it_was() -> None:
    panel = full_panel()

    small_setup(panel, CONFIG)

    np.testing.assert_array_equal(panel.target, full_panel().target)
    np.testing.assert_array_equal(panel.known.numeric, full_panel().known.numeric)


def test_a_finished_model_has_the_best_weights_and_is_ready_to_forecast() -> None:
    panel = full_panel()
    setup = small_setup(panel, CONFIG)

    fitted = fit(setup)
    model = fitted.model

    assert model.network is fitted.networks.final
    assert model.validated is fitted.networks.validated is None
    assert not model.network.training
    assert (model.horizon, model.context, model.season) == (HORIZON, CONTEXT, 7)
    assert (model.series_ids, model.schema, model.config) == (panel.series_ids, panel.schema, setup.config)


def test_a_seasonal_naive_forecast_without_error_is_noticed() -> None:
    periodic = make_panel([np.tile(np.arange(7.0), 9), np.tile(np.arange(7.0) ** 2, 8)])

    exact, waving = (fit(small_setup(panel, CONFIG)) for panel in (periodic, wave_panel()))

    assert (exact.result.naive_is_exact, exact.result.relative_mae) == (True, None)
    assert not waving.result.naive_is_exact
