"""Models made and exported in memory, for tests of what an exported file forecasts."""

from dataclasses import replace

import numpy as np

from seqcast.model.ensemble import Ensemble
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.portable.export import export_model
from seqcast.portable.onnx_file import OnnxModel
from seqcast.results.forecast import Forecast
from seqcast.run.load import TrainedModel
from seqcast.run.record import RunRecord
from tests.run.making_records import FINISHED

FILE = "model.onnx"


def with_settled_roles(model: TrainedModel) -> TrainedModel:
    """The model with the columns and the frequency in its configuration, as a run has them."""
    columns = model.schema
    roles = {"target": columns.target, "time": columns.time, "known": columns.known, "past": columns.past}
    config = model.config.override(data=roles | {"freq": model.frequency.alias})
    return replace(model, config=config)


def record_of(model: TrainedModel) -> RunRecord:
    """The record of the run that a model could come from."""
    assert FINISHED.result is not None
    num_members = len(model.network.networks)
    own = model.config.training
    texts = tuple(
        name for part in ("known", "past", "static") for name in getattr(model.schema, part) if "kind" in name
    )
    data = FINISHED.data.model_copy(update={"read_options": replace(FINISHED.data.read_options, text=texts)})
    assert num_members <= own.ensemble
    return FINISHED.model_copy(
        update={
            "data": data,
            "frequency": model.frequency.alias,
            "columns": model.schema,
            "series_ids": model.series_ids,
            "shape": model.network.shape,
            "result": FINISHED.result.model_copy(update={"num_members": num_members, "linear_share": 0.0}),
        }
    )


def exported(model: TrainedModel, *, with_attention: bool = False) -> OnnxModel:
    """The model as it is read back from an exported file."""
    model = with_settled_roles(model)
    return OnnxModel.from_bytes(export_model(model, record_of(model), with_attention=with_attention), FILE)


def joined(models: list[TrainedModel], shares: list[float]) -> TrainedModel:
    """One model whose forecast is the average of those of several."""
    ensemble = Ensemble([model.network.networks[0] for model in models], shares)
    config = models[0].config.override(training={"ensemble": len(models)})
    return replace(models[0], config=config, network=ensemble.eval())


def assert_equal(found: Forecast, expected: Forecast, panel: Panel) -> None:
    """Compare forecasts, relative to the spread of each series."""
    spread = dict(zip(panel.series_ids, _spreads(panel), strict=True))
    scale = np.array([spread[name] for name in expected.series_ids])
    assert found.series_ids == expected.series_ids
    assert found.quantile_levels == expected.quantile_levels
    np.testing.assert_array_equal(found.times(), expected.times())
    np.testing.assert_allclose(found.point / scale[:, None], expected.point / scale[:, None], rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        found.quantiles / scale[:, None, None], expected.quantiles / scale[:, None, None], rtol=0, atol=1e-4
    )


def _spreads(panel: Panel) -> FloatArray:
    """(series,) standard deviation of each series, 1 for a constant one."""
    series = [panel.target[a:b] for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)]
    return np.array([np.nanstd(each) or 1.0 for each in series])
