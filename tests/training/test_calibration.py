from typing import Any

import numpy as np
import pytest
import torch

from seqcast.panel.panel import Panel
from seqcast.training import combination
from seqcast.training.combination import LEARNED_WINDOWS, POOLED_WINDOWS
from seqcast.training.fit import fit
from seqcast.training.setup import TrainingSetup
from tests.panels import HORIZON, alone, make_panel, randomise, small_config, small_setup, wave_panel, waves

LEVELS = (0.1, 0.5, 0.9)


def setup_of(panel: Panel, validation_size: int = 20, **sections: dict[str, Any]) -> TrainingSetup:
    config = small_config(data={"validation_size": validation_size}, **sections)
    setup = small_setup(panel, config)
    randomise(setup.network)
    return setup


def conformal_correction(setup: TrainingSetup) -> torch.Tensor:
    """That of the network of a training about to start."""
    return combination.conformal_correction(setup, alone(setup.network))


def residuals_of(setup: TrainingSetup, correction: torch.Tensor | None = None) -> np.ndarray:
    """(windows, horizon, Q) truth minus corrected forecast, NaN where there is nothing to judge."""
    network = alone(setup.network)
    if correction is not None:
        network.calibration.copy_(correction)
    series, origins = torch.from_numpy(setup.validation_series), torch.from_numpy(setup.validation_origins)
    batch = setup.tensors.gather(series, origins, setup.network.shape.context, HORIZON)
    with torch.no_grad():
        output = network(batch)
    truth = output.standardisation.apply(batch.future_target, batch.future_observed)
    judged = (batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)).numpy()
    return np.where(judged[..., None], (truth[..., None] - output.values).numpy(), np.nan)


def holey_panel() -> Panel:
    panel = wave_panel((61, 59, 67))
    panel.target[[50, 51, 115, 120]] = np.nan
    panel.target[panel.offsets[1] + 30 : panel.offsets[1] + 42] = np.nan  # a whole context
    return panel


def test_corrections_are_quantiles_of_the_residuals_drawn_towards_those_of_all_steps() -> None:
    setup = setup_of(holey_panel())

    found = conformal_correction(setup).numpy()

    residuals = residuals_of(setup)
    assert len(residuals) == 3 * (20 - HORIZON + 1)
    independent = len(
        {(s, o // HORIZON) for s, o in zip(setup.validation_series, setup.validation_origins, strict=True)}
    )
    assert independent == 12
    cautious = min(0.9 * 13 / 12, 0.95)
    for column, level in ((0, 1 - cautious), (2, cautious)):
        by_step = [np.nanquantile(residuals[:, step, column], level) for step in range(HORIZON)]
        own, learned = independent / (independent + POOLED_WINDOWS), independent / (independent + LEARNED_WINDOWS)
        expected = learned * (own * np.array(by_step) + (1 - own) * np.median(by_step))
        np.testing.assert_allclose(found[:, column], expected, atol=1e-5)


def test_the_median_is_not_moved() -> None:
    assert (conformal_correction(setup_of(wave_panel()))[:, 1] == 0).all()


def test_few_windows_correct_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup_of(wave_panel(), validation_size=7)
    assert len(setup.validation_series) == 9

    assert (conformal_correction(setup) == 0).all()
    monkeypatch.setattr(combination, "FEWEST_WINDOWS", 9)
    assert (conformal_correction(setup)[:, [0, 2]] != 0).all()


def test_a_step_without_any_truth_is_not_corrected() -> None:
    setup = setup_of(wave_panel(), model={"context": 19})
    first_steps = torch.from_numpy(setup.validation_origins) + setup.tensors.offsets[setup.validation_series]
    setup.tensors.observed[first_steps] = False

    correction = conformal_correction(setup)

    assert (correction[0] == 0).all()
    assert (correction[-1, [0, 2]] != 0).all()


def test_a_validation_part_without_any_truth_corrects_nothing() -> None:
    setup = setup_of(wave_panel())
    setup.tensors.observed[:] = False

    assert (conformal_correction(setup) == 0).all()


def test_calibrated_intervals_hold_their_share_of_the_validation_windows() -> None:
    setup = setup_of(make_panel(waves((211, 223, 227))), validation_size=100, model={"location": None})
    with torch.no_grad():
        setup.network.decoder.head.step_bias.zero_()  # all quantiles much alike: intervals far too narrow
        setup.network.decoder.head.linear.weight.zero_()
    before = (residuals_of(setup) < 0).mean(axis=(0, 1))

    below = (residuals_of(setup, conformal_correction(setup)) < 0).mean(axis=(0, 1))
    assert abs(before[0] - 0.1) > 0.15
    assert below[0] == pytest.approx(0.1, abs=0.05)
    assert below[2] == pytest.approx(0.9, abs=0.05)


def test_fitting_keeps_the_corrections_with_the_weights_and_moves_no_point() -> None:
    config = small_config(data={"validation_size": 20})
    setup = small_setup(wave_panel(), config)

    network = fit(setup).networks.final

    found = network.calibration.clone()
    network.calibration.zero_()
    torch.testing.assert_close(found, combination.conformal_correction(setup, network))
    assert (found[:, [0, 2]] != 0).all()
    assert (found[:, 1] == 0).all()


def test_a_point_loss_is_not_calibrated() -> None:
    config = small_config(data={"validation_size": 20}, training={"loss": "mae"})

    network = fit(small_setup(wave_panel(), config)).networks.final

    assert (network.calibration == 0).all()


@pytest.mark.parametrize(
    ("level", "count", "expected"),
    [(0.9, 30, 0.93), (0.1, 30, 0.07), (0.8, 4, 0.9), (0.2, 4, 0.1), (0.9, 10**6, 0.9), (0.975, 5, 0.9875)],
)
def test_levels_are_taken_farther_out_the_fewer_windows_there_are(level: float, count: int, expected: float) -> None:
    assert combination._cautious(level, count) == pytest.approx(expected, abs=1e-5)


def test_only_the_windows_of_the_validation_part_are_looked_at() -> None:
    def correction(shift_training: float, shift_validation: float) -> torch.Tensor:
        setup = setup_of(make_panel(waves((61, 59, 67))))
        for end in setup.tensors.offsets[1:].tolist():
            setup.tensors.target[end - 20 : end] += shift_validation
        for begin, end in zip(setup.tensors.offsets[:-1].tolist(), setup.tensors.offsets[1:].tolist(), strict=True):
            setup.tensors.target[begin : end - 20 - setup.network.shape.context] += shift_training
        return conformal_correction(setup)

    assert torch.equal(correction(0, 0), correction(1e3, 0))
    assert not torch.equal(correction(0, 0), correction(0, 1))
