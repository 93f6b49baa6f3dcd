import numpy as np
import pytest
import torch

from seqcast.model.ensemble import least_value
from seqcast.panel.arrays import FloatArray
from seqcast.training import validation
from seqcast.training.losses import loss_sums, step_weights
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import validate
from tests.panels import make_panel, randomise, small_config, small_setup, wave_panel


def judged_by_hand(setup: TrainingSetup) -> tuple[float, float]:
    """Loss and relative error of all validation windows in one batch, with the naive forecast in a loop."""
    series, origins = setup.validation_series, setup.validation_origins
    shape, tensors = setup.network.shape, setup.tensors
    batch = tensors.gather(torch.from_numpy(series), torch.from_numpy(origins), shape.context, shape.horizon)
    with torch.no_grad():
        output = setup.network.eval()(batch)
    units = output.standardisation
    judged = batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)
    sums, counts = loss_sums(
        "quantile",
        output.values,
        units.apply(batch.future_target, batch.future_observed),
        judged,
        torch.tensor([0.1, 0.5, 0.9]),
        step_weights(
            units.apply(batch.context_target, batch.context_observed),
            batch.context_observed,
            units.scale,
            setup.season,
            least_value(batch, units),
            shape.horizon,
        ),
    )
    point = (output.values[..., 1] * units.scale + units.location).numpy()
    errors, naive_errors = [], []
    for b, (one, origin) in enumerate(zip(series.tolist(), origins.tolist(), strict=True)):
        values = scaled_series(setup, one)
        for t in range(shape.horizon):
            back = origin + t
            while back >= origin:
                back -= setup.season
            if np.isfinite(values[origin + t]) and back >= 0 and np.isfinite(values[back]):
                errors.append(abs(point[b, t] - values[origin + t]))
                naive_errors.append(abs(values[back] - values[origin + t]))
    return float(sums.sum() / counts.sum()), float(np.sum(errors) / np.sum(naive_errors))


def scaled_series(setup: TrainingSetup, number: int) -> FloatArray:
    first, last = setup.tensors.offsets[number : number + 2].tolist()
    values = setup.tensors.target[first:last].double().numpy()
    values[~setup.tensors.observed[first:last].numpy()] = np.nan
    return np.asarray(values)


@pytest.mark.parametrize("chunk", [2, 512])
def test_validation_judges_every_window_once(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "VALIDATION_BATCH", chunk)
    panel = wave_panel()
    panel.target[[56, 57, 110, 115]] = np.nan  # in validation parts
    panel.target[panel.offsets[1] + 35 : panel.offsets[1] + 46] = np.nan  # a whole context
    setup = small_setup(panel, small_config())
    randomise(setup.network)

    score = validate(setup, setup.network)

    expected = judged_by_hand(setup)
    assert score.loss == pytest.approx(expected[0], rel=1e-5)
    assert score.relative_mae == pytest.approx(expected[1], rel=1e-5)


def test_there_is_no_relative_error_where_the_naive_forecast_has_none() -> None:
    panel = make_panel([np.tile(np.arange(7.0), 9)])

    setup = small_setup(panel, small_config())

    assert validate(setup, setup.network).relative_mae is None
