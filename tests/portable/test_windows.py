import numpy as np
import pytest
import torch

from seqcast.config import DataConfig
from seqcast.portable.windows import panel_arrays
from seqcast.results.origins import rolling_origins
from seqcast.tensors.scaling import fit_scalers
from seqcast.tensors.windows import panel_to_tensors
from tests.tensors.test_windows_on_clock import CONTEXT, HORIZON, hourly_panel


@pytest.mark.parametrize("season", ["spring", "autumn"])
@pytest.mark.parametrize("step", [None, 20])
def test_windows_over_a_change_of_the_clocks_are_those_of_the_network(season: str, step: int | None) -> None:
    panel = hourly_panel(season)
    scalers, data = fit_scalers(panel, panel.lengths), DataConfig(calendar=("day",), non_negative=False)
    series_map = np.arange(panel.num_series)
    last = panel.lengths - HORIZON
    origins = rolling_origins(np.ones_like(last), last, 1)
    steps = None if step is None else np.full(len(origins), step)
    found = panel_arrays(panel, scalers, series_map, panel.lengths, data).gather(origins, CONTEXT, HORIZON, steps)
    tensors = panel_to_tensors(panel, scalers, series_map, panel.lengths, data)
    series, positions = torch.from_numpy(origins.series), torch.from_numpy(origins.positions)
    chosen = None if steps is None else torch.from_numpy(steps)
    batch = tensors.gather(series, positions, CONTEXT, HORIZON, chosen)
    observed = batch.context_observed.numpy()
    assert not observed.all()
    np.testing.assert_array_equal(found["observed"], observed)
    scaled = (found["target"] - found["mean"][:, None]) / found["scale"][:, None]
    np.testing.assert_allclose(scaled * observed, batch.context_target.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found["calendar"], batch.known_features.numpy())
    past = (found["past"] - scalers.past.numeric.mean) / scalers.past.numeric.scale
    np.testing.assert_allclose(past, batch.past_features.numpy(), rtol=1e-5)
