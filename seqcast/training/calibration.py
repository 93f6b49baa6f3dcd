"""Learning the numbers of `model.calibration` from past windows.

Full windows get a split-conformal correction on the validation part (Romano, Patterson and Candes 2019, one-sided). For
each forecast step and quantile level it is the quantile, at that level, of truth minus forecast over these windows, in
window-standardised units. Where independent windows are many, noisy windows and regular ones are corrected apart
(Mondrian conformal prediction; Vovk, Gammerman and Shafer 2005). The median stays: the point is not moved.
"""

import numpy as np
import torch

from seqcast.model.calibration import NUM_MOVES, NUM_NOISES, Calibration, WindowTraits
from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray
from seqcast.results.dependence import StepDependence
from seqcast.results.normal_scores import is_two_sided, scores_of
from seqcast.training.dependence import learn_dependence
from seqcast.training.residuals import FEWEST_WINDOWS, Residuals, clusters, correction, output_residuals, window_batches
from seqcast.training.setup import TrainingSetup, gather
from seqcast.training.short_histories import learn_short_windows
from seqcast.training.validation_forecasts import ValidationForecasts

GROUP_WINDOWS = 50
"""Fewest independent windows of each group of noise."""
SHARED_WINDOWS = 30
"""Weight, in independent windows, of the correction of all windows against that of a group."""
FLAT_WINDOWS = 4096
"""Windows that are searched for flat ones."""


@torch.no_grad()
def calibrate(forecasts: ValidationForecasts, network: Ensemble) -> StepDependence | None:
    """Learn the calibration of a trained network; nothing after the validation part is looked at.

    Returns how the errors of the steps of a forecast hang together; None for a network without intervals.

    Args:
        forecasts: Those of its members.
        network: The network; its calibration is replaced.
    """
    setup = forecasts.setup
    network.calibration = Calibration(network.shape, network.layout.levels).to(setup.runtime.device)
    _learn_flat_windows(setup, network)
    if not network.layout.levels:
        return None
    residuals, traits = _validation_residuals(forecasts, network)
    is_flat = traits.is_flat.cpu().numpy()
    usual = ~is_flat & ~network.calibration.is_short(traits).cpu().numpy()
    known, known_among_usual = (np.isfinite(residuals.values[each]).any(axis=0) for each in (~is_flat, usual))
    if usual.sum() < FEWEST_WINDOWS or (known & ~known_among_usual).any():
        usual = ~is_flat
    _learn_full_windows(network, residuals[usual], traits.noise.double().cpu().numpy()[usual])
    network.calibration.flat.copy_(correction(network, residuals[is_flat]))
    learn_short_windows(setup, network)
    return _learn_dependence(setup, network, residuals, traits)


def _learn_dependence(
    setup: TrainingSetup, network: Ensemble, residuals: Residuals, traits: WindowTraits
) -> StepDependence | None:
    """How the steps hang together in windows whose quantiles are calibrated; flat ones have no errors to learn from."""
    levels = network.layout.levels
    if not is_two_sided(levels):
        return None
    moves = ~traits.is_flat.cpu().numpy()
    residuals, traits = residuals[moves], traits[torch.from_numpy(moves)]
    num_series = len(np.unique(setup.validation_series[moves]))
    errors = torch.from_numpy(-residuals.values).to(network.calibration.flat)
    distances = network.layout.uncrossed(network.calibration(errors, traits)).double().cpu().numpy()
    truth = np.where(np.isfinite(distances).all(axis=-1), 0.0, np.nan)
    scores = scores_of(truth, levels, distances)
    return learn_dependence(scores, residuals.num_independent, num_series, setup.season)


def _validation_residuals(forecasts: ValidationForecasts, network: Ensemble) -> tuple[Residuals, WindowTraits]:
    setup = forecasts.setup
    series, origins = setup.validation_series, setup.validation_origins
    values, traits = [], []
    for batch, (output,) in forecasts.batches(network):
        own, found = output_residuals(network, batch, output)
        values.append(own)
        traits.append(found)
    everyone = [torch.cat([getattr(each, name) for each in traits]) for name in WindowTraits.__annotations__]
    return Residuals(np.concatenate(values), clusters(setup, series, origins)), WindowTraits(*everyone)


def _learn_full_windows(network: Ensemble, residuals: Residuals, noise: FloatArray) -> None:
    """Corrections shared by all windows, and of each group of noise where there is enough to learn them from."""
    calibration = network.calibration
    shared = correction(network, residuals)
    calibration.full.copy_(shared)
    if residuals.num_independent < NUM_NOISES * GROUP_WINDOWS:
        return
    bounds = np.quantile(noise, np.arange(1, NUM_NOISES) / NUM_NOISES)
    calibration.noise_bounds.copy_(torch.from_numpy(bounds))
    group = np.searchsorted(calibration.noise_bounds.double().cpu().numpy(), noise)
    for number in range(NUM_NOISES):
        own = residuals[group == number]
        trust = own.num_independent / (own.num_independent + SHARED_WINDOWS)
        calibration.full[number] = torch.lerp(shared, correction(network, own), trust)


def _learn_flat_windows(setup: TrainingSetup, network: Ensemble) -> None:
    """How often a constant ends, how far series move then, and whether the networks know better than the constant."""
    calibration = network.calibration
    windows = [setup.train_windows.spread(FLAT_WINDOWS), (setup.validation_series, setup.validation_origins)]
    series, origins = (np.concatenate(column) for column in zip(*windows, strict=True))
    moves, known, rows, errors = [], [], [], np.zeros(2)
    for part, batch in window_batches(setup, series, origins):
        units = network.networks[0].standardise(batch)
        is_flat = network.traits(batch, units).is_flat.cpu().numpy()
        if not is_flat.any():
            continue
        flat = gather(setup, series[part][is_flat], origins[part][is_flat])
        output = network(flat)
        units = output.standardisation
        truth = units.apply(flat.future_target, flat.future_observed)
        constant, point = network.traits(flat, units).constant, output.values[..., network.layout.point_index].float()
        errors += [float(((truth - each).abs() * flat.future_observed).sum()) for each in (constant, point)]
        moves.append(((truth - constant) * units.scale).double().cpu().numpy())
        known.append(flat.future_observed.cpu().numpy())
        rows.append(part.start + np.flatnonzero(is_flat))
    if not moves:
        return
    is_known, distance = np.concatenate(known), np.concatenate(moves)
    has_ended = is_known & (distance != 0)
    calibration.flat_stays.fill_(float(errors[0] <= errors[1]))
    calibration.flat_windows.fill_(len(np.unique(clusters(setup, series, origins)[np.concatenate(rows)])))
    calibration.flat_ends.copy_(torch.from_numpy(has_ended.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)))
    if has_ended.any():
        quantiles = np.quantile(distance[has_ended], np.linspace(0, 1, NUM_MOVES))
        calibration.flat_moves.copy_(torch.from_numpy(quantiles))
