"""The part of a forecast that goes through the level of its window."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.attention.inspection import inspect
from seqcast.attention.level import level_response, level_share
from seqcast.forecasting import Forecasting
from seqcast.panel.panel import Panel
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON


@torch.inference_mode()
def test_it_is_what_the_copied_values_leave_over(planted: TrainedModel, panel: Panel) -> None:
    """The linear start copies sum_s g a_s z_s, so a shift of all values reaches it by 1 - sum_s g a_s elsewhere."""
    forecasting = Forecasting(planted, panel, panel.lengths)
    origins = known_origins(panel, HORIZON, CONTEXT, 2)
    ((_, batch),) = forecasting.batches(origins, 100)
    network = planted.network.networks[0]
    units = network.standardise(batch)
    values = units.apply(batch.context_target, batch.context_observed)
    point = network.layout.point_index
    base = network(batch).values[..., point]
    raised = replace(batch, context_target=units.location + units.scale * (values + 0.1))
    copied = (network.decode(raised, network.encode(raised, units)).values[..., point] - base) / 0.1
    found = level_response(planted.network, batch)
    torch.testing.assert_close(found, 1 - copied.double(), atol=1e-2, rtol=0)
    level = float(found.abs().mean())
    assert level_share(forecasting, origins).share == pytest.approx(level / (level + abs(1 - level)), abs=1e-6)


def test_the_document_names_it(planted: TrainedModel, panel: Panel) -> None:
    level = inspect(planted, panel).as_dict(3)["level"]
    assert level["location"] == planted.config.model.location
    assert 0 <= level["share"] <= 1
    assert inspect(planted, panel.take_series(np.array([0]), np.array([40]))).as_dict(3)["level"] is None
