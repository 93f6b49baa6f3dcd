"""What forecasts lose without the value of a single lag."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.attention import replaced_inputs
from seqcast.attention.replaced_inputs import replace_inputs, sampling
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON
from tests.panels import make_panel, planted_series

NUM_LAGS = CONTEXT + HORIZON - 1


@pytest.mark.parametrize(
    ("context", "horizon", "stride", "num_windows"),
    [(64, 24, 1, 62), (336, 48, 1, 11), (1000, 48, 6, 8), (1000, 1, 1, 4), (1000, 8, 2, 4), (5000, 48, 12, 4)],
)
def test_a_long_context_is_sampled(context: int, horizon: int, stride: int, num_windows: int) -> None:
    assert sampling(context, horizon) == (stride, num_windows)


@pytest.mark.parametrize("stride", [1, 3])
def test_each_value_is_replaced_alone_and_its_effect_counted_by_lag(
    stride: int, planted: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel(planted_series(2, 101, (7, 11)))
    panel.target[[90, 99, 150]] = np.nan
    monkeypatch.setattr(replaced_inputs, "sampling", lambda context, horizon: (stride, 6))
    monkeypatch.setattr(replaced_inputs, "_REPLACED_AT_ONCE", 7)
    origins = known_origins(panel, HORIZON, CONTEXT, 3)
    forecasting = Forecasting(planted, panel, panel.lengths)
    found = replace_inputs(forecasting, origins)
    counts, moved, worse = plain_effects(forecasting, panel, stride)
    assert np.array_equal(found.windows, counts)
    assert np.allclose(found.moved, moved, atol=1e-4)
    assert np.allclose(found.worse, worse, atol=1e-4)


@torch.inference_mode()
def plain_effects(forecasting: Forecasting, panel: Panel, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same one value at a time."""
    network = forecasting.model.network
    ((_, batch),) = forecasting.batches(known_origins(panel, HORIZON, CONTEXT, 3), 100)
    units = network.encode(batch).standardisation
    base = network(batch).values[..., network.layout.point_index]
    truth = units.apply(batch.future_target, batch.future_observed)
    error = (base - truth).abs() * batch.future_observed
    counts, moved, worse = np.zeros((3, NUM_LAGS))
    for window in range(6):
        for position in range(window % stride, CONTEXT, stride):
            if not batch.context_observed[window, position]:
                continue
            target = batch.context_target.clone()
            target[window, position] = units.location[window, 0]
            changed_batch = replace(batch, context_target=target)
            changed = network.decode(batch, network.encode(changed_batch, units)).values[
                window, :, network.layout.point_index
            ]
            after = (changed - truth[window]).abs() * batch.future_observed[window]
            for step in range(HORIZON):
                lag = CONTEXT - position + step
                counts[lag - 1] += 1
                moved[lag - 1] += float((changed - base[window])[step].abs())
                worse[lag - 1] += float(after[step] - error[window, step])
    return counts, moved, worse
