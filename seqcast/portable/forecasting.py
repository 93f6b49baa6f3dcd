"""Forecasts of an exported model on a panel, without torch."""

import numpy as np

from seqcast.engines.engine import SINGLE_PROCESS, Engine
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.panel import Panel
from seqcast.panel_forecasts import PanelForecasts, Prediction, SeriesFacts, predict_panel, require_possible
from seqcast.portable.onnx_file import OnnxModel
from seqcast.portable.windows import PanelArrays, panel_arrays
from seqcast.reading.table import Table
from seqcast.results.origins import Origins

BATCH_STEPS = 40_000
"""Window steps (windows x (context + horizon)) of one run of the graph."""


def predict(
    model: OnnxModel,
    panel: Panel,
    horizon: int | None = None,
    future: Table | None = None,
    engine: Engine = SINGLE_PROCESS,
) -> Prediction:
    """Forecast every series from right after its last observation; see `panel_forecasts.predict_panel`."""
    return predict_panel(OnnxForecasts, model, panel, horizon, future, engine)


class OnnxForecasts(PanelForecasts[PanelArrays]):
    """An exported model and a panel; arguments as `PanelForecasts`."""

    def __init__(self, model: OnnxModel, panel: Panel, known_ends: IntArray) -> None:
        super().__init__(model, panel, known_ends)
        self.model = model
        self.arrays = panel_arrays(panel, model.scalers, self.series_map, known_ends, model.config.data)

    @property
    def batch_size(self) -> int:
        return max(1, BATCH_STEPS // (self.model.context + self.model.horizon))

    @property
    def series_facts(self) -> SeriesFacts:
        scales = self.arrays.scales
        return SeriesFacts(scales.scale, scales.is_known, scales.has_moved)

    def windows(self, *, for_writing: bool) -> PanelArrays:
        return self.arrays.writable() if for_writing else self.arrays

    def quantiles(self, windows: PanelArrays, origins: Origins, steps: IntArray | None = None) -> FloatArray:
        context, horizon = self.model.context, self.model.horizon
        blocks = []
        for part in origins.batches(self.batch_size):
            chosen = None if steps is None else steps[part]
            blocks.append(self.model.quantiles(windows.gather(origins[part], context, horizon, chosen)))
        numbers: FloatArray = np.concatenate(blocks)
        require_possible(numbers)
        return numbers

    def clock(self, windows: PanelArrays, origins: Origins) -> IntArray | None:
        return windows.clock_of(origins.series, origins.positions[:, None] + np.arange(self.model.horizon))

    def append(self, windows: PanelArrays, origins: Origins, point: FloatArray) -> None:
        windows.append(origins, point)
