from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.model.calibration import NUM_MOVES, Calibration, WindowTraits
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation, steps_for_scale
from seqcast.tensors.windows import WindowBatch
from tests.model.test_ensemble import SHARES, make_networks
from tests.panels import CONTEXT, FULL_SHAPE, HORIZON, random_batch

LEVELS = (0.1, 0.5, 0.9)
SEASON = FULL_SHAPE.season


def traits_of(batch: WindowBatch) -> WindowTraits:
    return WindowTraits.of(batch, Standardisation.of(batch, "last", SEASON), SEASON)


def batch_with(num_seen: list[int], flat: list[bool] | None = None) -> WindowBatch:
    """Windows of which the newest steps were observed."""
    batch = random_batch(num_windows=len(num_seen))
    observed = torch.arange(CONTEXT) >= CONTEXT - torch.tensor(num_seen)[:, None]
    values = torch.randn(len(num_seen), CONTEXT, generator=torch.Generator().manual_seed(3)).double()
    if flat is not None:
        values = torch.where(torch.tensor(flat)[:, None], torch.tensor(0.37, dtype=torch.float64), values)
    return replace(batch, context_observed=observed, context_target=values * observed)


def marked() -> Calibration:
    """A calibration whose corrections tell which of them was used."""
    calibration = Calibration(FULL_SHAPE, LEVELS)
    calibration.full.copy_(torch.arange(1, 4)[:, None, None].expand_as(calibration.full))
    calibration.noise_bounds.copy_(torch.tensor([0.5, 1.0]))
    sizes = torch.arange(len(calibration.sizes))
    calibration.short.copy_((10 * torch.tensor([1, 2])[:, None] + sizes)[:, :, None, None].expand_as(calibration.short))
    calibration.flat.fill_(90)
    return calibration


def used(calibration: Calibration, traits: WindowTraits) -> list[float]:
    nothing = torch.zeros(len(traits.num_seen), HORIZON, len(LEVELS))
    return calibration(nothing, traits)[:, 0, 0].tolist()


def test_full_windows_are_corrected_by_their_noise() -> None:
    traits = replace(traits_of(batch_with([11] * 4)), noise=torch.tensor([0.1, 0.5, 0.7, 3.0]))

    assert used(marked(), traits) == [1, 1, 2, 3]


def test_short_windows_are_corrected_by_their_observed_steps_and_by_what_is_known_of_their_scale() -> None:
    traits = traits_of(batch_with([1, 2, 3, 4, 1, 4]))
    known = replace(traits, scale_known=torch.tensor([True] * 4 + [False] * 2))

    assert marked().sizes == (1, 2, 4)
    assert used(marked(), known) == [10, 11, 11, 12, 20, 22]


def test_noise_is_the_smaller_mean_change_over_a_step_and_over_a_season() -> None:
    batch = batch_with([CONTEXT] * 3)
    units = Standardisation.of(batch, "last", SEASON)

    found = WindowTraits.of(batch, units, SEASON).noise.numpy()

    values = units.apply(batch.context_target, batch.context_observed).numpy()
    changes = [np.abs(values[:, lag:] - values[:, :-lag]).mean(axis=1) for lag in (1, SEASON)]
    np.testing.assert_allclose(found, np.minimum(*changes), rtol=1e-5)


def test_a_window_is_flat_when_enough_values_are_equal_whatever_the_missing_ones_are() -> None:
    enough = steps_for_scale(SEASON, CONTEXT)
    batch = batch_with([CONTEXT, CONTEXT, enough, enough - 1, 0], [True, False, True, True, True])

    assert traits_of(batch).is_flat.tolist() == [True, False, True, False, False]


def mixture_quantiles(ended: float, moves: np.ndarray, seed: int = 0) -> np.ndarray:
    """Quantiles of draws: zero, or with probability `ended` one of the moves."""
    random = np.random.default_rng(seed)
    draws = np.where(random.random(400_000) < ended, random.choice(moves, 400_000), 0.0)
    return np.quantile(draws, LEVELS)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9])
def test_intervals_of_a_flat_window_are_those_of_a_constant_that_may_end(share: float) -> None:
    calibration, windows = Calibration(FULL_SHAPE, LEVELS), 1000
    moves = np.sort(np.random.default_rng(2).normal(1.0, 2.0, NUM_MOVES))
    calibration.flat_moves.copy_(torch.from_numpy(moves))
    calibration.flat_ends.fill_(share)
    calibration.flat_windows.fill_(windows)
    traits = traits_of(batch_with([CONTEXT], [True]))

    found = calibration(torch.full((1, HORIZON, 3), 8.0), traits)[0].double().numpy()

    for step in range(HORIZON):
        ended = (share * windows + 1) / (windows + CONTEXT / (step + 1) + 2)
        expected = mixture_quantiles(ended, np.interp(np.linspace(0, 1, 9999), np.linspace(0, 1, NUM_MOVES), moves))
        low, point, high = found[step] - float(traits.constant[0])
        assert point == 0
        np.testing.assert_allclose(
            np.array([low, high]) * float(traits.scale[0]),
            [min(expected[0], 0), max(expected[2], 0)],
            atol=0.12,
        )


def test_a_constant_that_has_held_longer_gets_a_narrower_interval() -> None:
    calibration = Calibration(FULL_SHAPE, (0.025, 0.5, 0.975))
    traits = traits_of(batch_with([5, 7, CONTEXT], [True] * 3))

    quantiles = calibration(torch.zeros(3, HORIZON, 3), traits)
    widths = ((quantiles[..., 2] - quantiles[..., 0]) * traits.scale)[:, 0]

    assert (widths.diff() < 0).all()
    assert (widths > 0).all()


def test_networks_forecast_flat_windows_where_they_know_better() -> None:
    calibration = marked()
    traits = traits_of(batch_with([CONTEXT], [True]))

    calibration.flat_stays.zero_()

    assert used(calibration, traits) == [90]


def test_calibrated_quantiles_never_cross_and_the_median_stays() -> None:
    ensemble, batch = Ensemble(make_networks(), SHARES), random_batch()
    with torch.no_grad():
        output = ensemble(batch)
        ensemble.calibration.full.copy_(torch.tensor([9.0, 0.0, -9.0]).expand_as(ensemble.calibration.full))
        values = ensemble.quantiles(batch, output)

    assert (values.diff(dim=-1) >= 0).all()
    assert torch.equal(values[..., 1], output.values[..., 1])


def test_no_value_is_below_the_smallest_possible_one() -> None:
    ensemble, batch = Ensemble(make_networks(), SHARES), random_batch()
    with torch.no_grad():
        free = ensemble(batch)
        units = free.standardisation
        least = (free.values * units.scale[..., None] + units.location[..., None]).amax(dim=(1, 2))[:, None] - 0.1
        bounded = replace(batch, least=least)
        output = ensemble(bounded)
        calibrated = ensemble.quantiles(bounded, output)

    bound = ((least - units.location) / units.scale)[..., None]
    torch.testing.assert_close(output.values[..., 1].double(), free.values[..., 1].double().maximum(bound[..., 0]))
    assert (calibrated.double() >= bound - 1e-6).all()
