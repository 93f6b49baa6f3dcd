from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.model.calibration import NUM_NOISES, Calibration
from seqcast.model.ensemble import Ensemble
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Panel
from seqcast.training import calibration as learning
from seqcast.training import residuals as shared
from seqcast.training.calibration import calibrate
from seqcast.training.fit import fit
from seqcast.training.residuals import LEARNED_WINDOWS, POOLED_WINDOWS
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation_forecasts import ValidationForecasts
from tests.panels import HORIZON, alone, make_panel, randomise, small_config, small_setup, wave_panel, waves

LEVELS = (0.1, 0.5, 0.9)


def setup_of(panel: Panel, validation_size: int = 20, test_size: int = 0, **sections: dict[str, Any]) -> TrainingSetup:
    config = small_config(data={"validation_size": validation_size, "test_size": test_size}, **sections)
    setup = small_setup(panel, config)
    randomise(setup.network)
    return setup


def calibrated(setup: TrainingSetup) -> Ensemble:
    """The network of a training about to start, calibrated."""
    network = alone(setup.network)
    calibrate(ValidationForecasts.of(setup, network.networks), network)
    return network


def correction_of(setup: TrainingSetup) -> torch.Tensor:
    """(horizon, Q) for windows that are full and not flat."""
    return calibrated(setup).calibration.full[0]


def residuals_of(setup: TrainingSetup, network: Ensemble | None = None) -> np.ndarray:
    """(windows, horizon, Q) truth minus corrected forecast, NaN where there is nothing to judge."""
    network = network or alone(setup.network)
    series, origins = torch.from_numpy(setup.validation_series), torch.from_numpy(setup.validation_origins)
    batch = setup.tensors.gather(series, origins, setup.network.shape.context, HORIZON)
    with torch.no_grad():
        output = network(batch)
        quantiles = network.quantiles(batch, output)
    truth = output.standardisation.apply(batch.future_target, batch.future_observed)
    judged = (batch.future_observed & batch.context_observed.any(dim=1, keepdim=True)).numpy()
    return np.where(judged[..., None], (truth[..., None] - quantiles).numpy(), np.nan)


def holey_panel() -> Panel:
    panel = wave_panel((61, 59, 67))
    panel.target[[50, 51, 115, 120]] = np.nan
    return panel


def test_corrections_are_quantiles_of_the_residuals_drawn_towards_those_of_all_steps() -> None:
    setup = setup_of(holey_panel())

    found = correction_of(setup).numpy()

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
    learned = calibrated(setup_of(wave_panel())).calibration

    for corrections in (learned.full, learned.short, learned.flat):
        assert (corrections[..., 1] == 0).all()


def test_few_windows_correct_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = setup_of(wave_panel(), validation_size=7)
    assert len(setup.validation_series) == 9

    assert (correction_of(setup) == 0).all()
    monkeypatch.setattr(shared, "FEWEST_WINDOWS", 9)
    assert (correction_of(setup)[:, [0, 2]] != 0).all()


def test_a_step_without_any_truth_is_not_corrected() -> None:
    setup = setup_of(wave_panel(), model={"context": 19})
    first_steps = torch.from_numpy(setup.validation_origins) + setup.tensors.offsets[setup.validation_series]
    setup.tensors.observed[first_steps] = False

    correction = correction_of(setup)

    assert (correction[0] == 0).all()
    assert (correction[-1, [0, 2]] != 0).all()


def test_a_validation_part_without_any_truth_corrects_nothing() -> None:
    setup = setup_of(wave_panel())
    setup.tensors.observed[:] = False

    assert (correction_of(setup) == 0).all()


def narrow_setup() -> TrainingSetup:
    """A network whose quantiles are much alike, so that its intervals are far too narrow."""
    setup = setup_of(make_panel(waves((211, 223, 227))), validation_size=100, model={"location": None})
    with torch.no_grad():
        setup.network.decoder.head.step_bias.zero_()
        setup.network.decoder.head.linear.weight.zero_()
    return setup


def test_calibrated_intervals_hold_their_share_of_the_validation_windows() -> None:
    setup = narrow_setup()
    before = (residuals_of(setup) < 0).mean(axis=(0, 1))

    below = (residuals_of(setup, calibrated(setup)) < 0).mean(axis=(0, 1))
    assert abs(before[0] - 0.1) > 0.15
    assert below[0] == pytest.approx(0.1, abs=0.05)
    assert below[2] == pytest.approx(0.9, abs=0.05)


def mixed_setup(num_flat: int = 0) -> TrainingSetup:
    """Half of the series are regular and half are noisy; `num_flat` more never change."""
    random = np.random.default_rng(0)
    season = 10 * np.sin(2 * np.pi * np.arange(203) / 7)
    regular = [season + random.normal(0, 0.5, 203) for _ in range(8)]
    noisy = [0.3 * season + random.normal(0, 5, 203) for _ in range(8)]
    return setup_of(make_panel([*regular, *noisy, *[np.full(203, 3.0)] * num_flat]), validation_size=70)


@pytest.mark.parametrize("num_flat", [0, 40])
def test_regular_and_flat_series_do_not_pay_for_noisy_ones(num_flat: int) -> None:
    setup = mixed_setup(num_flat)
    with torch.no_grad():  # quantiles that do not tell regular series from noisy ones
        setup.network.decoder.head.linear.weight.zero_()
    network = calibrated(setup)

    residuals = residuals_of(setup, network)

    inside = (residuals[..., 0] >= 0) & (residuals[..., 2] <= 0)
    for series in (range(8), range(8, 16)):
        own = inside[np.isin(setup.validation_series, list(series))]
        assert own.mean() == pytest.approx(0.8, abs=0.07)
    assert inside[setup.validation_series >= 16].all()


def test_few_windows_share_one_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = mixed_setup()
    apart = calibrated(setup).calibration.full
    assert not torch.equal(apart[0], apart[-1])

    monkeypatch.setattr(learning, "GROUP_WINDOWS", 10**6)
    together = calibrated(setup).calibration.full
    assert all(torch.equal(together[0], together[number]) for number in range(NUM_NOISES))


def test_short_histories_get_intervals_that_hold_their_truths_and_no_narrower_ones() -> None:
    setup = narrow_setup()
    network = calibrated(setup)
    learned, series = network.calibration, torch.from_numpy(setup.validation_series)
    origins = torch.from_numpy(setup.validation_origins)
    batch = setup.tensors.gather(series, origins, setup.network.shape.context, HORIZON)

    assert learned.sizes == (1, 2, 4)
    for size in (1, 2, 3, 4):
        kept = torch.arange(setup.network.shape.context) >= setup.network.shape.context - size
        short = replace(
            batch, context_observed=batch.context_observed & kept, context_target=batch.context_target * kept
        )
        for known in (True, False):
            short = replace(short, scale_known=torch.full_like(batch.scale_known, known))
            with torch.no_grad():
                output = network(short)
                low, _, high = network.quantiles(short, output).unbind(-1)
            truth = output.standardisation.apply(batch.future_target, batch.future_observed)
            assert ((low <= truth) & (truth <= high)).float().mean() > 0.77
    assert (learned.short[..., 0] <= learned.full[0, :, 0]).all()
    assert (learned.short[..., 2] >= learned.full[0, :, 2]).all()


def test_how_often_constants_end_and_how_far_series_move_then_are_counted() -> None:
    random, length = np.random.default_rng(1), 120
    values = [np.zeros(length) for _ in range(20)] + waves((length, length))
    for number, each in enumerate(values[:20]):
        if number % 2:
            each[60:] = 7.0  # moves once
    setup = setup_of(make_panel([*values, random.normal(0, 1, length)]))

    learned = calibrated(setup).calibration

    assert learned.flat_stays == 1
    assert learned.flat_windows > 20
    # Of the origins of a series, those in the 5 steps before the move see it; the later in the horizon the more.
    assert (learned.flat_ends.diff() > 0).all()
    assert 0 < learned.flat_ends[-1] < 0.1
    scale = setup.tensors.scale[1]
    np.testing.assert_allclose(learned.flat_moves.numpy() * scale, 7.0, rtol=1e-4)


def test_fitting_keeps_the_corrections_with_the_weights_and_moves_no_point() -> None:
    setup = small_setup(wave_panel(), small_config(data={"validation_size": 20}))

    network = fit(setup).networks.final

    found = {name: value.clone() for name, value in network.calibration.state_dict().items()}
    calibrate(ValidationForecasts.of(setup, network.networks), network)
    torch.testing.assert_close(found, dict(network.calibration.state_dict()))
    assert (found["full"][..., [0, 2]] != 0).all()
    assert (found["full"][..., 1] == 0).all()


def test_a_point_loss_has_no_corrections() -> None:
    config = small_config(data={"validation_size": 20}, training={"loss": "mae"})

    network = fit(small_setup(wave_panel(), config)).networks.final

    assert network.calibration.full.numel() == 0


@pytest.mark.parametrize(
    ("level", "count", "expected"),
    [(0.9, 30, 0.93), (0.1, 30, 0.07), (0.8, 4, 0.9), (0.2, 4, 0.1), (0.9, 10**6, 0.9), (0.975, 5, 0.9875)],
)
def test_levels_are_taken_farther_out_the_fewer_windows_there_are(level: float, count: int, expected: float) -> None:
    assert shared._cautious(level, count) == pytest.approx(expected, abs=1e-5)


def test_full_windows_are_corrected_by_the_validation_part_alone() -> None:
    def correction(shift_training: float, shift_validation: float) -> torch.Tensor:
        setup = setup_of(make_panel(waves((61, 59, 67))))
        for end in setup.tensors.offsets[1:].tolist():
            setup.tensors.target[end - 20 : end] += shift_validation
        for begin, end in zip(setup.tensors.offsets[:-1].tolist(), setup.tensors.offsets[1:].tolist(), strict=True):
            setup.tensors.target[begin : end - 20 - setup.network.shape.context] += shift_training
        return correction_of(setup)

    assert torch.equal(correction(0, 0), correction(1e3, 0))
    assert not torch.equal(correction(0, 0), correction(0, 1))


def test_nothing_after_the_validation_part_is_looked_at() -> None:
    panel = make_panel(waves((81, 79, 87)))
    later = replace(panel, target=panel.target.copy())
    for end in panel.offsets[1:]:
        later.target[end - 20 : end] = 1e6

    first, second = (calibrated(setup_of(each, test_size=20)) for each in (panel, later))

    for name, value in first.calibration.state_dict().items():
        assert torch.equal(value, second.calibration.state_dict()[name]), name


def test_a_new_calibration_changes_nothing() -> None:
    setup = setup_of(wave_panel())
    network = alone(setup.network)
    batch = setup.tensors.gather(torch.tensor([0, 1]), torch.tensor([30, 31]), setup.network.shape.context, HORIZON)
    with torch.no_grad():
        output = network(batch)
        assert torch.equal(network.quantiles(batch, output), output.values.cummax(dim=-1).values)
    assert isinstance(network.calibration, Calibration)


def test_series_on_different_grids_are_calibrated() -> None:
    starts = np.array(["2024-01-01", "2024-01-04"], "datetime64[us]")
    panel = make_panel(waves((90, 90), period=13), frequency=parse_frequency("W"), starts=starts)

    corrections = calibrated(setup_of(panel)).calibration.short

    assert (corrections[..., [0, 2]] != 0).all()
