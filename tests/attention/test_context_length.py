"""A trained model that looks at another number of past steps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.attention.context_length import context_notices, with_context
from seqcast.attention.inspection import Question, inspect
from seqcast.errors import UsageError
from seqcast.forecasting import attention_maps, predict
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.attention.conftest import CONTEXT, HORIZON, attention_of
from tests.panels import random_model, randomise, small_config

SHORTER, LONGER = 17, 41
ANY_LENGTH: dict[str, dict[str, Any]] = {
    **{score: {"score": score} for score in ("dot", "general", "concat", "cosine", "additive", "hybrid")},
    "local-m": {"attention": "local-m"},
    "no bias": {"lag_bias": False},
    "none": {"attention": "none"},
    "reversed, bidirectional": {"reverse_input": True, "bidirectional": True},
    "input feeding": {"input_feeding": True},
}
POSITIONAL: dict[str, dict[str, Any]] = {"location": {"score": "location"}, "local-p": {"attention": "local-p"}}


def model_of(panel: Panel, mechanism: dict[str, Any], segment: int) -> TrainedModel:
    sizes = {"horizon": HORIZON, "context": CONTEXT, "segment": segment}
    return random_model(panel, small_config(model=sizes | mechanism))


def without_history_before(panel: Panel, steps: int) -> Panel:
    """The panel with other values before the newest `steps` of each series."""
    target = panel.target.copy()
    for start, end in zip(panel.offsets[:-1], panel.offsets[1:], strict=True):
        target[start : end - steps] += 5
    return replace(panel, target=target)


def points(model: TrainedModel, panel: Panel) -> np.ndarray:
    return predict(model, panel).forecast.point


@pytest.mark.parametrize("segment", [1, 3])
@pytest.mark.parametrize("mechanism", [*ANY_LENGTH.values(), *POSITIONAL.values()], ids=[*ANY_LENGTH, *POSITIONAL])
def test_a_shorter_context_sees_its_own_steps_and_no_others(
    mechanism: dict[str, Any], segment: int, panel: Panel
) -> None:
    model = model_of(panel, mechanism, segment)
    shorter = with_context(model, SHORTER)
    assert (shorter.context, shorter.network.shape.context, model.context) == (SHORTER, SHORTER, CONTEXT)
    forecast = points(shorter, panel)
    assert np.allclose(forecast, points(shorter, without_history_before(panel, SHORTER)), atol=1e-4)
    assert not np.allclose(forecast, points(shorter, without_history_before(panel, SHORTER - 1)), atol=1e-4)


@pytest.mark.parametrize("segment", [1, 3])
@pytest.mark.parametrize("mechanism", ANY_LENGTH.values(), ids=ANY_LENGTH.keys())
def test_a_longer_context_sees_further_back(mechanism: dict[str, Any], segment: int, panel: Panel) -> None:
    model = model_of(panel, mechanism, segment)
    longer = with_context(model, LONGER)
    forecast = points(longer, panel)
    assert np.isfinite(forecast).all()
    assert np.allclose(forecast, points(longer, without_history_before(panel, LONGER)), atol=1e-4)
    assert not np.allclose(forecast, points(longer, without_history_before(panel, LONGER - 1)), atol=1e-4)
    if model.config.model.attention != "none":
        (attention,) = attention_maps(longer, panel).maps
        assert attention.weights.shape == (7, HORIZON, LONGER)
        assert np.allclose(attention.weights.sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("segment", [1, 3])
@pytest.mark.parametrize("mechanism", POSITIONAL.values(), ids=POSITIONAL.keys())
def test_what_knows_positions_cannot_look_further_back(mechanism: dict[str, Any], segment: int, panel: Panel) -> None:
    with pytest.raises(UsageError, match=r"--context 41: (location scores know|local-p knows) the 23 positions"):
        with_context(model_of(panel, mechanism, segment), LONGER)


@pytest.mark.parametrize("segment", [1, 3])
@pytest.mark.parametrize("mechanism", [*POSITIONAL.values(), {"lag_bias": False}], ids=[*POSITIONAL, "content"])
def test_a_position_keeps_its_lag_when_the_context_is_shortened(
    mechanism: dict[str, Any], segment: int, panel: Panel
) -> None:
    model = model_of(panel, {"hidden": 7} | mechanism, segment)
    randomise(model.network, spread=0.1)
    asking = torch.randn(2, -(-HORIZON // segment), 7)
    ratios = []
    for each in (model, with_context(model, SHORTER)):
        attention = attention_of(each)
        values, states = torch.zeros(2, each.context), torch.zeros(2, attention.segments.num_past, 7)
        known = each.network.shape.num_known
        steps, future = torch.zeros(2, each.context, 2 + known), torch.zeros(2, HORIZON, known)
        memory = attention.remember(states, values, torch.ones_like(values, dtype=torch.bool), steps, future)
        weights = attention.weights(asking, memory)
        ratios.append(weights[..., -SHORTER:] / weights[..., -1:])
    assert torch.allclose(*ratios, rtol=1e-4)


def test_lags_that_were_never_learned_get_the_lowest_lag_bias(planted: TrainedModel) -> None:
    attention, learned = attention_of(with_context(planted, LONGER)), attention_of(planted)
    assert torch.equal(attention.lag_bias[:, -CONTEXT:], learned.lag_bias)
    lowest = learned.lag_bias.amin(dim=1, keepdim=True).expand(-1, LONGER - CONTEXT)
    assert torch.equal(attention.lag_bias[:, :-CONTEXT], lowest)


def test_the_planted_lags_are_still_found(planted: TrainedModel, panel: Panel) -> None:
    for context in (SHORTER, LONGER):
        report = inspect(with_context(planted, context), panel).report
        assert {row.lag for row in report.overall.rows(2)} == {7, 11}


def test_the_suggested_errors_are_those_of_the_model_with_that_context(planted: TrainedModel, panel: Panel) -> None:
    whole = inspect(planted, panel, Question(suggest=True)).context
    shorter = inspect(with_context(planted, 11), panel, Question(suggest=True)).context
    assert whole.rows[1].context == 11
    # Origins of the shorter model may begin earlier; both have the newest ones.
    assert whole.rows[1].error == pytest.approx(shorter.rows[0].error, rel=1e-4)


def test_the_network_before_refitting_looks_at_as_much(planted: TrainedModel) -> None:
    assert with_context(planted, SHORTER).validated is None
    validated = with_context(replace(planted, validated=planted.network), SHORTER).validated
    assert validated.shape.context == SHORTER


def test_the_trained_context_is_the_model_itself(planted: TrainedModel) -> None:
    assert with_context(planted, CONTEXT) is planted


@pytest.mark.parametrize("context", [0, -3, 100_001])
def test_a_context_that_makes_no_sense_is_refused(planted: TrainedModel, context: int) -> None:
    with pytest.raises(UsageError, match=f"--context {context}: the number of past steps must be 1 to 100,000"):
        with_context(planted, context)


def test_a_longer_context_is_a_warning_and_a_shorter_one_is_told() -> None:
    (longer,) = context_notices(23, 41)
    assert longer.line == (
        "repair: the context of 41 is longer than the 23 steps the run was trained on; what lies before lag 23 was"
        " never learned from"
    )
    (shorter,) = context_notices(23, 17)
    assert shorter.line == "decision: context: the newest 17 of the 23 steps the run was trained on"
    assert context_notices(23, 23) == ()
