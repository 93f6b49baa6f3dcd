from __future__ import annotations

import numpy as np
import pytest
import torch

from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import (
    CLEAR_GAIN,
    GREAT_GAIN,
    LARGE_GAIN,
    ValidationScore,
    beats_start,
    horizon_block,
    num_independent,
)
from tests.panels import HORIZON, make_panel, small_config, small_setup, waves


def setup_of(num_series: int, validation_size: int = 31, **model: object) -> TrainingSetup:
    panel = make_panel(waves([101] * num_series))
    return small_setup(panel, small_config(data={"validation_size": validation_size}, model=model))


def believed(setup: TrainingSetup, gains: np.ndarray, start: float = 1.0) -> bool:
    """Whether training is believed that gained so much on each validation window."""
    losses = torch.full((len(setup.validation_series),), start, dtype=torch.float64)
    found = losses - torch.from_numpy(gains)
    return beats_start(setup, losses, ValidationScore(float(found.mean()), None, found))


def everywhere(setup: TrainingSetup, gain: float) -> np.ndarray:
    return np.full(len(setup.validation_series), gain)


def test_windows_are_independent_that_begin_in_stretches_of_one_horizon() -> None:
    setup = setup_of(3)

    origins = setup.validation_origins[setup.validation_series == 0]
    assert origins.tolist() == [*range(70, 97)]
    assert horizon_block(setup)[: len(origins)].tolist() == [origin // HORIZON for origin in origins]
    assert num_independent(setup) == 3 * 6


@pytest.mark.parametrize(("validation_size", "num_windows", "least"), [(20, 4, GREAT_GAIN), (25, 5, LARGE_GAIN)])
def test_a_handful_of_windows_proves_only_a_great_gain(validation_size: int, num_windows: int, least: float) -> None:
    setup = setup_of(1, validation_size)

    assert num_independent(setup) == num_windows
    assert not believed(setup, everywhere(setup, least - 0.01))
    assert believed(setup, everywhere(setup, least + 0.01))


@pytest.mark.parametrize("model", [{"lag_bias": False}, {"copy_gate": False}, {"attention": "none"}])
def test_any_gain_over_a_start_that_is_no_linear_forecast_is_believed(model: dict[str, object]) -> None:
    setup = setup_of(1, 10, **model)

    assert believed(setup, everywhere(setup, 0.001))
    assert not believed(setup, everywhere(setup, 0.0))


@pytest.mark.parametrize("gain", [0.0, -0.1])
def test_without_a_gain_there_is_nothing_to_believe(gain: float) -> None:
    setup = setup_of(7)

    assert not believed(setup, everywhere(setup, gain))


@pytest.mark.parametrize(("gain", "is_believed"), [(LARGE_GAIN - 0.01, False), (LARGE_GAIN + 0.01, True)])
def test_over_few_series_a_gain_must_be_large(gain: float, is_believed: bool) -> None:
    setup = setup_of(3)

    assert believed(setup, everywhere(setup, gain)) == is_believed


def test_over_many_series_and_times_a_small_gain_that_all_have_is_believed() -> None:
    setup = setup_of(7)

    assert believed(setup, everywhere(setup, 0.01))


@pytest.mark.parametrize("cluster", ["series", "time"])
def test_a_gain_of_one_series_or_one_time_alone_is_not_believed(cluster: str) -> None:
    setup = setup_of(7)
    group = setup.validation_series if cluster == "series" else horizon_block(setup)

    assert not believed(setup, np.where(group == group[0], 0.9, 0.0))


def test_a_very_large_gain_needs_no_standard_error() -> None:
    setup = setup_of(7)
    gains = np.where(setup.validation_series == 0, 0.95 * 7 * CLEAR_GAIN, 0.0)

    assert not believed(setup, gains)
    assert believed(setup, gains / 0.94)


def test_the_loss_of_a_density_may_be_negative() -> None:
    setup = setup_of(7)
    one_series = np.where(setup.validation_series == 0, 0.5, 0.0)

    assert not believed(setup, one_series, start=-1.0)
    assert believed(setup, everywhere(setup, 0.3), start=-1.0)
