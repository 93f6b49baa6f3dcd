"""The share of the networks, from the validation losses of each share."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seqcast.panel.arrays import FloatArray
from seqcast.training import stacking
from seqcast.training.setup import TrainingSetup
from seqcast.training.stacking import EQUAL_WINDOWS, NUM_SHARES, network_share
from seqcast.training.validation import horizon_block
from seqcast.training.validation_forecasts import ValidationForecasts
from tests.panels import HORIZON, randomise, small_config, small_setup, wave_panel

SHARES = np.linspace(0, 1, NUM_SHARES)[:, None]


def judged_by(num_series: int, num_blocks: int) -> TrainingSetup:
    """A setup whose validation windows do not overlap: one for each series and block of time."""
    setup = small_setup(wave_panel(), small_config())
    blocks, series = np.meshgrid(np.arange(num_blocks), np.arange(num_series))
    return replace(setup, validation_series=series.ravel(), validation_origins=blocks.ravel() * HORIZON)


def share_of(
    monkeypatch: pytest.MonkeyPatch, setup: TrainingSetup, losses: Callable[[TrainingSetup], FloatArray]
) -> float:
    """The share of the networks where each share gives each window such a loss, (shares, windows)."""
    monkeypatch.setattr(stacking, "_losses_by_share", lambda *_: losses(setup) + np.zeros(len(setup.validation_series)))
    return network_share(ValidationForecasts(setup, {}), setup.network, [setup.network])


def test_networks_that_are_worse_in_every_block_have_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(monkeypatch, judged_by(6, 6), lambda _: 1 + 10 * SHARES) == 0


def test_networks_that_are_much_better_have_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    share = share_of(monkeypatch, judged_by(10, 10), lambda _: 1 - 0.9 * SHARES)

    # the ratio of the losses is .1, and drawn towards 1 by 5 windows (100 * .1 + 5) / 105
    assert share == round((100 + EQUAL_WINDOWS / (1 + (15 / 105) ** 2)) / (100 + EQUAL_WINDOWS), 2) > 0.95


def test_few_independent_windows_draw_the_share_towards_that_of_independent_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One half for a small gain, more for a large one."""
    large = [share_of(monkeypatch, judged_by(1, count), lambda _: 1 - 0.9 * SHARES) for count in (1, 5, 20)]
    small = [share_of(monkeypatch, judged_by(1, count), lambda _: 1 - 0.1 * SHARES) for count in (1, 5, 20)]

    # (n + 5 / (1 + r^2)) / (n + 5) with the ratio r of the losses, .1 and .9, itself drawn towards 1 by 5 windows
    assert large == [0.65, 0.88, 0.99]
    assert small == [0.59, 0.76, 0.91]


def test_a_share_in_between_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    share = share_of(monkeypatch, judged_by(10, 10), lambda _: 1 + (SHARES - 0.7) ** 2)

    assert share == pytest.approx(0.7, abs=0.02)


def test_a_gain_within_the_noise_gives_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(setup: TrainingSetup) -> FloatArray:
        """One block of time gains much, and the others lose nearly as much."""
        gains = np.where(horizon_block(setup) == 0, 1.0, -0.19)
        return np.asarray(5 - SHARES * gains)

    assert share_of(monkeypatch, judged_by(6, 6), noisy) == 0


def test_a_gain_of_a_few_series_alone_is_believed_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_one(setup: TrainingSetup) -> FloatArray:
        return np.asarray(5 - SHARES * np.where(setup.validation_series == 0, 1.0, 0.02))

    everywhere = share_of(monkeypatch, judged_by(6, 6), lambda _: 5 - 0.2 * SHARES)

    assert 0 < share_of(monkeypatch, judged_by(6, 6), of_one) < 0.6 * everywhere


def test_losses_of_each_share_are_those_of_the_mixed_forecast() -> None:
    setup = small_setup(wave_panel(), small_config())
    other = setup.of_member(1, 6).network
    randomise(other)
    forecasts = ValidationForecasts.of(setup, [setup.network, other])
    assert network_share(forecasts, setup.network, [other]) == 0  # random numbers forecast nothing

    losses = stacking._losses_by_share(forecasts, setup.network, [other])

    alone = stacking._losses_by_share(forecasts, other, [setup.network])
    assert losses.shape == (NUM_SHARES, len(setup.validation_series))
    np.testing.assert_allclose(losses, alone[::-1], rtol=1e-4)


def test_without_networks_there_is_no_share_and_without_a_linear_start_all_of_it() -> None:
    setup = small_setup(wave_panel(), small_config())

    without_start = ValidationForecasts(replace(setup, linear=None), {})
    assert network_share(ValidationForecasts(setup, {}), setup.network, []) == 0
    assert network_share(without_start, setup.network, [setup.network]) == 1
