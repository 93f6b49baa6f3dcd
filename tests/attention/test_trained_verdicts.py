"""Verdicts on trained networks: attention that content decides is faithful, and foreign weights are contradicted."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcast.attention.faithfulness import verify
from seqcast.attention.inspection import Question, inspect
from seqcast.model.attention import LagAttention
from seqcast.panel.panel import Covariates, Panel
from seqcast.run.load import TrainedModel
from seqcast.training.fit import train_model
from seqcast.training.plan import make_plan
from tests.panels import CPU, make_panel, one_thread, small_config

NUM_SERIES, LENGTH, BURN = 6, 131, 60
LAGS = (7, 11)
SEEDS = (0, 1, 2)


def regime_panel(seed: int) -> Panel:
    """Series in which a known switch says at every step whether it follows from the value 7 or 11 steps before."""
    random, rows = np.random.default_rng(seed), np.arange(NUM_SERIES)
    y = random.normal(size=(NUM_SERIES, LENGTH + BURN))
    switch = random.integers(0, 2, y.shape)
    for step in range(max(LAGS), y.shape[1]):
        lag = np.where(switch[:, step] == 0, *LAGS)
        y[:, step] = 0.95 * y[rows, step - lag] + 0.3 * random.normal(size=NUM_SERIES)
    numbers = switch[:, BURN:].reshape(-1, 1).astype(float)
    known = Covariates(("switch",), numbers, (), (), np.empty((len(numbers), 0), np.int32))
    return make_panel(list(y[:, BURN:]), known=known)


@pytest.fixture(scope="module", params=SEEDS)
def trained(request: pytest.FixtureRequest) -> tuple[TrainedModel, Panel]:
    """A network that has learned in a second to follow the switch."""
    panel = regime_panel(request.param)
    config = small_config(
        data={"validation_size": 21, "calendar": ()},
        model={"horizon": 5, "context": 23, "hidden": 16, "segment": 5},
        training={"max_steps": 30, "batch_size": 32, "validate_every": 7, "learning_rate": 1e-2, "seed": request.param},
    )
    with one_thread():
        return train_model(panel, make_plan(panel, config), CPU).model, panel


def permuted(attention: LagAttention) -> Callable[..., Tensor]:
    """The weights that were learned, on other steps than those that they were learned for."""
    learned = attention.weights
    order = torch.randperm(attention.segments.context, generator=torch.Generator().manual_seed(3))
    return lambda *arguments: learned(*arguments)[..., order]


def test_attention_that_content_decides_is_faithful(trained: tuple[TrainedModel, Panel]) -> None:
    found = verify(*trained, 8)
    assert found.verdict == "faithful", found.reason
    assert found.judged.startswith("1 trained network and the linear fit")
    assert sorted(band.first_lag for band in found.bands) == list(LAGS)
    assert "times as much as others; the error grows by" in found.reason
    assert "own weights beat 100 % of those" in found.reason
    assert found.interchangeable == ()


def test_content_decides_most_of_its_weight_and_each_value_of_the_switch_has_its_lag(
    trained: tuple[TrainedModel, Panel],
) -> None:
    found = inspect(*trained, Question(windows=4, group_by="switch"))
    assert found.content is not None
    assert 0.6 < found.content.decided < 0.95
    strongest = {group.label: group.rows(1)[0] for group in found.report.groups}
    assert [strongest[label].lag for label in ("0", "1")] == list(LAGS)
    assert min(row.share for row in strongest.values()) > 0.75


def test_weights_on_other_steps_are_contradicted(
    trained: tuple[TrainedModel, Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, panel = trained
    for network in model.network.networks:
        attention = network.decoder.attention
        assert attention is not None
        monkeypatch.setattr(attention, "weights", permuted(attention))
    found = verify(model, panel, 8)
    assert found.verdict == "contradicted", found.reason
    assert re.match("the forecast is (no better|worse) than the mean of the context", found.reason)
