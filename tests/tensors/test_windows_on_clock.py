"""Tests of windows over which clocks change: the context keeps to the clock, and no later value is seen."""

import numpy as np
import pandas as pd
import pytest
import torch

from seqcast.config import DataConfig
from seqcast.panel.panel import Panel
from seqcast.reading.assemble import build_panel
from seqcast.reading.data_frames import table_from_frame
from seqcast.tensors.scaling import fit_scalers
from seqcast.tensors.windows import PanelTensors, WindowBatch, panel_to_tensors

CONTEXT, HORIZON = 53, 29
CHANGES = {"spring": "2024-03-31 01:00", "autumn": "2024-10-27 01:00"}  # in UTC


def hourly_panel(season: str, step: str = "h") -> Panel:
    """Two series a week around a change of Berlin's clocks; values are hours of the clock, past covariates rows."""
    change = pd.Timestamp(CHANGES[season], tz="UTC")
    frames = []
    for name, shift in (("a", 0), ("b", 30)):
        times = pd.date_range(change - pd.Timedelta(days=4, hours=shift), change + pd.Timedelta(days=4), freq=step)
        local = times.tz_convert("Europe/Berlin")
        clock = local.hour + local.minute / 60
        frames.append(pd.DataFrame({"unique_id": name, "ds": local, "y": clock, "past": np.arange(len(times))}))
    config = DataConfig(past=("past",), target=("y",))
    return build_panel(table_from_frame(pd.concat(frames)), config).panel


def tensors_of(panel: Panel) -> PanelTensors:
    scalers = fit_scalers(panel, panel.lengths)
    data = DataConfig(calendar=("day",), non_negative=False)
    return panel_to_tensors(panel, scalers, np.arange(panel.num_series), panel.lengths, data)


def window(panel: Panel, series: int, after: pd.Timedelta, season: str, step: int | None = None) -> WindowBatch:
    """The window whose first forecast step is that long after the change."""
    origin = pd.Timestamp(CHANGES[season]) + after
    start = pd.Timestamp(panel.starts[series])
    position = (origin - start) // pd.Timedelta(panel.frequency.multiple, "us")
    chosen = None if step is None else torch.tensor([step])
    return tensors_of(panel).gather(torch.tensor([series]), torch.tensor([position]), CONTEXT, HORIZON, chosen)


def clock_values(panel: Panel, batch: WindowBatch, series: int) -> np.ndarray:
    tensors = tensors_of(panel)
    return batch.context_target[0].numpy() * tensors.scale[series] + tensors.mean[series]


@pytest.mark.parametrize("season", ["spring", "autumn"])
@pytest.mark.parametrize("series", [0, 1])
@pytest.mark.parametrize("step", ["h", "30min"])
def test_a_context_over_a_change_of_the_clocks_keeps_to_the_clock(season: str, series: int, step: str) -> None:
    panel = hourly_panel(season, step)
    steps_a_day = 24 if step == "h" else 48
    after = pd.Timedelta(hours=7)
    batch = window(panel, series, after, season)
    first = (pd.Timestamp(CHANGES[season], tz="UTC") + after).tz_convert("Europe/Berlin")
    lags = np.arange(CONTEXT, 0, -1) * 24 / steps_a_day
    expected = (first.hour - lags) % 24
    seen = batch.context_observed[0].numpy()
    np.testing.assert_allclose(clock_values(panel, batch, series)[seen], expected[seen], atol=1e-5)
    skipped = {("spring", "h"): [2.0], ("spring", "30min"): [2.0, 2.5]}.get((season, step), [])
    assert expected[~seen].tolist() == skipped
    cosine = batch.known_features[0, :CONTEXT, 1].numpy()[seen]
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * expected[seen] / 24), atol=1e-6)


@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_windows_beside_the_change_are_as_without_a_zone(season: str) -> None:
    panel = hourly_panel(season)
    for hours in (-30, 60):
        batch = window(panel, 0, pd.Timedelta(hours=hours), season)
        assert batch.context_observed.all()
        assert np.diff(clock_values(panel, batch, 0)) % 24 == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_steps_after_a_change_see_a_context_of_their_own_clock_and_no_later_value(season: str) -> None:
    panel = hourly_panel(season)
    before = pd.Timedelta(hours=-9)
    batch = window(panel, 0, before, season, step=20)
    shift = 1 if season == "spring" else -1
    first = (pd.Timestamp(CHANGES[season], tz="UTC") + before).tz_convert("Europe/Berlin")
    expected = (first.hour + shift - np.arange(CONTEXT, 0, -1)) % 24
    seen = batch.context_observed[0].numpy()
    assert seen.tolist() == [True] * (CONTEXT - 1) + [season == "autumn"]
    np.testing.assert_allclose(clock_values(panel, batch, 0)[seen], expected[seen], atol=1e-5)
    newest = window(panel, 0, before, season).past_features[0, -1, 0]
    assert batch.past_features[0, :, 0].max() <= newest


def test_panels_without_changes_of_clocks_have_no_clock() -> None:
    times = pd.date_range("2024-01-01", periods=200, freq="h", tz="Europe/Berlin")
    panel = build_panel(table_from_frame(pd.DataFrame({"ds": times, "y": 1.0 * np.arange(200)})), DataConfig()).panel
    assert tensors_of(panel).clock is None
