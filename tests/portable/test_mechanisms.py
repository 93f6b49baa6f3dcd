"""The table of mechanisms: what an exported file forecasts, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from seqcast.errors import UsageError
from seqcast.forecasting import attention_maps, predict
from seqcast.panel.panel import Panel
from seqcast.portable import forecasting as portable
from seqcast.portable.export import export_model
from seqcast.portable.windows import panel_arrays
from seqcast.reading.future import pad_panel
from seqcast.results.origins import latest_origins, observed_ends
from tests.forecasts import future_table, model_of
from tests.panels import HORIZON, full_panel, make_panel, wave_panel
from tests.portable.exporting import assert_equal, exported, joined, record_of, with_settled_roles

MECHANISMS: dict[str, dict[str, Any]] = {
    "dot, reversed, stacked": {"score": "dot", "reverse_input": True, "layers": 2},
    "general, gru, bidirectional": {"score": "general", "cell": "gru", "bidirectional": True},
    "concat, sparsemax, input feeding": {"score": "concat", "normaliser": "sparsemax", "input_feeding": True},
    "location, local-m, no copy": {"score": "location", "attention": "local-m", "copy_gate": False},
    "cosine, no lag bias, repeated context": {"score": "cosine", "lag_bias": False, "repeat_context": True},
    "additive, autoregressive, season": {"score": "additive", "decoding": "autoregressive", "location": "season"},
    "additive current, local-p": {"score": "additive", "additive_order": "current", "attention": "local-p"},
    "hybrid, bidirectional, mean": {"score": "hybrid", "bidirectional": True, "location": "mean"},
    "no attention, gru, stacked": {"attention": "none", "cell": "gru", "layers": 2},
    "segments": {"segment": 3},
    "segments, autoregressive, local-p": {"segment": 3, "decoding": "autoregressive", "attention": "local-p"},
    "segments, hybrid, bidirectional gru": {"segment": 2, "score": "hybrid", "cell": "gru", "bidirectional": True},
}


def holed(panel: Panel) -> Panel:
    """The panel with missing values, at the end of a series, too."""
    panel.target[[3, 50, 51, int(panel.offsets[2]) - 1]] = np.nan
    return panel


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_exported_mechanism_forecasts_as_the_network(mechanism: str) -> None:
    panel = holed(wave_panel())
    # The graph of an autoregressive network grows with every step.
    model = model_of(panel, model=MECHANISMS[mechanism] | {"horizon": 3})
    found = portable.predict(exported(model), panel, 7)
    expected = predict(model, panel, 7)
    assert_equal(found.forecast, expected.forecast, panel)
    assert found.notices == expected.notices


@pytest.mark.parametrize("segment", [1, 3])
def test_covariates_of_every_role_reach_the_forecast(segment: int) -> None:
    panel = full_panel()
    model = model_of(panel, model={"segment": segment})
    panel.target[[3, 50, 51]] = panel.past.numeric[40:, 0] = np.nan
    future = future_table(panel, 2 * HORIZON)
    found = portable.predict(exported(model), panel, 2 * HORIZON, future)
    assert_equal(found.forecast, predict(model, panel, 2 * HORIZON, future).forecast, panel)


def test_a_point_loss_has_one_output() -> None:
    panel = wave_panel()
    model = model_of(panel, training={"loss": "mae"})
    assert_equal(portable.predict(exported(model), panel).forecast, predict(model, panel).forecast, panel)


def test_an_ensemble_with_naive_forecasts_is_exported_with_its_shares() -> None:
    panel = holed(wave_panel())
    model = joined([model_of(panel), model_of(panel, model={"score": "general"})], [0.25, 0.75])
    offsets = torch.linspace(-1, 1, 4 * HORIZON * 3).reshape(4, HORIZON, 3).sort(dim=-1).values
    network = model.network.with_naive(torch.tensor([0.1, 0.2, 0.15, 0.05]), offsets).eval()
    network.calibration.full.copy_(
        torch.linspace(-0.2, 0.2, network.calibration.full.numel()).view_as(network.calibration.full)
    )
    network.calibration.short.fill_(0.1)
    model = type(model)(**{**vars(model), "network": network})
    assert_equal(portable.predict(exported(model), panel).forecast, predict(model, panel).forecast, panel)


def test_short_constant_new_and_non_negative_series_are_forecast_alike() -> None:
    trained = wave_panel()
    trained.target[:] = np.rint(trained.target)
    model = model_of(trained, data={"non_negative": True, "integer": True})
    steps = np.arange(40)
    series = [
        np.full(40, 7.0),
        np.array([5.0, 6.0, 4.0]),
        np.maximum(0.0, 3 * np.sin(steps)),
        1e6 + 100 * np.cos(steps),
    ]
    panel = make_panel(series, ids=("constant", "short", "often zero", "s0"))
    found, expected = portable.predict(exported(model), panel, 8), predict(model, panel, 8)
    assert_equal(found.forecast, expected.forecast, panel)
    assert found.notices == expected.notices
    assert (found.forecast.point[0] == 7.0).all()


def test_the_attention_weights_are_an_output_that_is_asked_for() -> None:
    panel = holed(wave_panel())
    model = model_of(panel, model={"segment": 3})
    file = exported(model, with_attention=True)
    padded, ends = pad_panel(panel, HORIZON), observed_ends(panel)
    arrays = panel_arrays(padded, model.scalers, np.arange(3), ends, model.config.data)
    given = arrays.gather(latest_origins(panel), file.context, HORIZON)
    weights = file.session.run(["attention"], {each.name: given[each.name] for each in file.session.get_inputs()})[0]
    expected = np.concatenate([each.weights for each in attention_maps(model, panel).maps])
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_a_student_t_is_refused_in_words() -> None:
    panel = wave_panel()
    model = with_settled_roles(model_of(panel, training={"loss": "student-t"}))
    with pytest.raises(UsageError, match="--loss student-t cannot be exported: ONNX has no operator"):
        export_model(model, record_of(model))


def test_attention_is_refused_for_a_run_without_it() -> None:
    model = with_settled_roles(model_of(wave_panel(), model={"attention": "none"}))
    with pytest.raises(UsageError, match="trained without attention"):
        export_model(model, record_of(model), with_attention=True)
