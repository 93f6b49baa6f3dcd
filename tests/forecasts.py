"""Models, future tables and comparisons for tests of forecasts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from seqcast.panel.panel import Panel
from seqcast.reading.table import Table
from seqcast.reading.tabular import table_from_frame
from seqcast.results.forecast import Forecast
from seqcast.run.load import TrainedModel
from tests.panels import full_panel, random_model, small_config, wave_panel


def model_of(panel: Panel, **sections: dict[str, Any]) -> TrainedModel:
    return random_model(panel, small_config(**sections))


@cache
def wave_model() -> TrainedModel:
    return model_of(wave_panel())


@cache
def full_model() -> TrainedModel:
    return model_of(full_panel())


def changed(panel: Panel, rows: Any, amount: float = 3.0) -> Panel:
    target = panel.target.copy()
    target[rows] = np.nan_to_num(target[rows]) + amount
    return replace(panel, target=target)


def future_table(panel: Panel, num_steps: int) -> Table:
    """Known covariates of the steps after the end of every series."""
    steps = np.arange(num_steps)
    frames = []
    for number in range(panel.num_series):
        times = panel.times(np.full(num_steps, number), panel.lengths[number] + steps)
        price = 3 + np.sin(steps + number)
        kind = [("a", "b", "c")[step % 3] for step in steps]
        frames.append(
            pd.DataFrame({"unique_id": panel.series_ids[number], "ds": times, "price": price, "price kind": kind})
        )
    return table_from_frame(pd.concat(frames))


def assert_same(found: Forecast, expected: Forecast) -> None:
    np.testing.assert_array_equal(found.point, expected.point)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    np.testing.assert_array_equal(found.cutoffs, expected.cutoffs)
    assert found.series_ids == expected.series_ids
