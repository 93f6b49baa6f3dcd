"""How wide intervals must be when little of a context was observed, learned from windows that are cut short.

Windows of the training part are forecast again as if their series had begun 1, 2, 4, ... steps ago:
once in the scale of their series, and once in the one that would be guessed if the series was new.

Which part of a season a short history shows decides how wrong its forecast is. So intervals are as wide as all these
windows together ask for, and wide enough to hold, in each part of the season, all but twice as many truths as they
should miss.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.tensors.series_scale import PanelScale, rows_for_scale
from seqcast.tensors.windows import WindowBatch
from seqcast.training.residuals import Residuals, clusters, residual_quantiles, window_batches, window_residuals
from seqcast.training.setup import TrainingSetup

MOST_WINDOWS, FEWEST_WINDOWS = 384, 128
"""Windows that are cut short."""
MOST_PAIRS = 6_000_000
"""Pairs of a context and a forecast step in all windows of one size, as long as that leaves the fewest windows."""
MOST_PHASES = 12
"""Parts of a season."""
TOLERATED = 2.0
"""Factor by which the truths outside of an interval may be more in one part of the season."""


def learn_short_windows(setup: TrainingSetup, network: Ensemble) -> None:
    """Fill in the corrections of short windows; they are no narrower than those of full windows."""
    calibration, shape = network.calibration, network.shape
    at_most = min(MOST_WINDOWS, max(FEWEST_WINDOWS, MOST_PAIRS // (shape.context * shape.horizon)))
    series, origins = setup.train_windows.spread(at_most)
    cluster, phase = clusters(setup, series, origins), _phases(setup, series, origins)
    widest = _outer(network, calibration.full.amin(dim=0), calibration.full.amax(dim=0))
    usual = _UsualScales.of(setup)
    for number, size in enumerate(calibration.sizes):
        for kind, in_scale in enumerate((lambda batch, _: batch, usual.as_new)):
            values = _cut_residuals(setup, network, (series, origins), size, in_scale)
            has_truth = np.flatnonzero(np.isfinite(values).any(axis=(1, 2)))
            own = _wide_correction(network, Residuals(values, cluster)[has_truth], phase[has_truth])
            calibration.short[kind, number] = _outer(network, torch.minimum(own, widest), torch.maximum(own, widest))


def _cut_residuals(
    setup: TrainingSetup,
    network: Ensemble,
    windows: tuple[IntArray, IntArray],
    size: int,
    in_scale: Callable[[WindowBatch, IntArray], WindowBatch],
) -> FloatArray:
    """(windows, horizon, L) residuals of windows that show `size` steps; NaN where they have fewer."""
    parts = []
    for rows, batch in window_batches(setup, *windows):
        short = in_scale(_cut(batch, size), windows[0][rows])
        is_whole = (short.context_observed.sum(dim=1) == size).cpu().numpy()
        parts.append(np.where(is_whole[:, None, None], window_residuals(network, short)[0], np.nan))
    return np.concatenate(parts)


def _cut(batch: WindowBatch, size: int) -> WindowBatch:
    """The windows as if their series began with the newest `size` observed steps."""
    seen = batch.context_observed
    kept = seen & (seen.flip(1).cumsum(dim=1).flip(1) <= size)
    steps = torch.arange(batch.known_features.shape[1], device=seen.device)
    first = kept.int().argmax(dim=1, keepdim=True)
    rows, step = torch.arange(len(seen), device=seen.device)[:, None], torch.maximum(steps, first)
    past = step[:, : seen.shape[1]]
    return replace(
        batch,
        context_observed=kept,
        context_target=batch.context_target * kept,
        past_features=batch.past_features[rows, past],
        past_codes=batch.past_codes[rows, past],
        known_features=batch.known_features[rows, step],
        known_codes=batch.known_codes[rows, step],
    )


def _phases(setup: TrainingSetup, series: IntArray, origins: IntArray) -> IntArray:
    """(windows,) part of the season in which each window ends."""
    starts = setup.panel.starts
    ahead, _ = setup.panel.frequency.locate(np.full(len(starts), starts.min()), starts)
    phase: IntArray = (ahead[series] + origins) % setup.season
    return phase * MOST_PHASES // setup.season if setup.season > MOST_PHASES else phase


def _wide_correction(network: Ensemble, residuals: Residuals, phase: IntArray) -> Tensor:
    """(horizon, L) corrections that hold over all windows, and nearly so in each part of the season.

    They are at least as wide at each step as at most steps, because few windows show little of a single one.
    """
    levels = network.layout.levels
    together = residual_quantiles(residuals, levels)
    if not np.isfinite(together).any():
        return torch.zeros_like(network.calibration.flat)
    found = [together, np.broadcast_to(np.nanmedian(together, axis=0), together.shape)]
    found += [residual_quantiles(residuals[phase == each], levels, TOLERATED) for each in np.unique(phase)]
    lowest, highest = (torch.from_numpy(extreme(found, axis=0)) for extreme in (np.nanmin, np.nanmax))
    return _outer(network, lowest, highest).to(network.calibration.flat)


def _outer(network: Ensemble, lower: Tensor, upper: Tensor) -> Tensor:
    """`lower` at the levels below the median, `upper` above it, and zero at the median."""
    levels = torch.tensor(network.layout.levels, device=lower.device)
    return torch.where(levels < 0.5, lower, upper) * (levels != 0.5)


@dataclass(frozen=True)
class _UsualScales:
    """How the scale of a series of the panel would be guessed if it was new."""

    setup: TrainingSetup
    follows_level: bool
    others: FloatArray
    """(series,) usual scale of the other series, at the level of this one."""

    @classmethod
    def of(cls, setup: TrainingSetup) -> Self:
        panel = PanelScale.of(setup.scalers.target, rows_for_scale(setup.season))
        return cls(setup, panel.is_relative, panel.without(setup.tensors.scale, setup.tensors.mean))

    def as_new(self, batch: WindowBatch, series: IntArray) -> WindowBatch:
        """The windows in the scale of a series that has no rows but those observed in them."""
        seen = batch.context_observed.cpu().numpy()
        values = batch.context_target.double().cpu().numpy()
        count = seen.sum(axis=1)
        mean = values.sum(axis=1) / np.maximum(count, 1)
        variance = (np.square(values - mean[:, None]) * seen).sum(axis=1) / np.maximum(count, 1)
        scale, level = self.setup.tensors.scale[series], self.setup.tensors.mean[series]
        usual = self.others[series] / scale
        if self.follows_level:
            ratio = np.abs(level + mean * scale) / np.where(level == 0, 1.0, np.abs(level))
            usual = np.where(ratio > 0, usual * ratio, usual)
        missing = np.clip(1 - count / rows_for_scale(self.setup.season), 0, 1)
        guessed = np.sqrt((1 - missing) * variance + missing * np.square(usual))
        factor = torch.from_numpy(np.where(guessed > 0, guessed, 1.0))[:, None].to(batch.context_target)
        return replace(
            batch,
            context_target=batch.context_target / factor,
            future_target=batch.future_target / factor,
            least=batch.least / factor,
        )
