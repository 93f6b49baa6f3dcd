"""What training keeps, seen from the part of the data that it must not see."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from seqcast.attention.usual_attention import usual_attention
from seqcast.evaluation.backtest import BacktestPlan, backtest
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Covariates, Panel
from seqcast.run.scaler_tensors import scaler_tensors
from seqcast.training.fit import Fit, fit
from seqcast.training.setup import TrainingSetup
from tests.panels import HORIZON, full_panel, make_panel, small_config, small_setup
from tests.training.improvement import without_clock

TEST = 8
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "one network": {},
    "refitted ensemble": {"training": {"refit": True, "ensemble": 2, "max_steps": 12}},
    "autoregressive": {"model": {"decoding": "autoregressive"}, "training": {"refit": True}},
    "no closed-form start": {"model": {"lag_bias": False}, "training": {"refit": True, "max_steps": 12}},
}


def with_other_test_part(panel: Panel) -> Panel:
    """Wild targets, covariates and categories in the last steps of every series."""
    rows = np.concatenate([np.arange(end - TEST, end) for end in panel.offsets[1:]])

    def spoilt(covariates: Covariates) -> Covariates:
        numeric, codes = covariates.numeric.copy(), covariates.codes.copy()
        numeric[rows] = 1e6
        codes[rows] = 2
        return replace(covariates, numeric=numeric, codes=codes)

    target: FloatArray = panel.target.copy()
    target[rows] = 1e6 * np.arange(len(rows))
    return replace(panel, target=target, known=spoilt(panel.known), past=spoilt(panel.past))


def kept(panel: Panel, kind: dict[str, dict[str, Any]]) -> tuple[TrainingSetup, Fit]:
    config = small_config(data={"validation_size": 12, "test_size": TEST}, model={"location": None}).override(**kind)
    setup = small_setup(panel, config)
    return setup, fit(setup)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_is_kept_knows_the_test_part(kind: str) -> None:
    panel = full_panel()
    (first, found), (second, expected) = (kept(each, KINDS[kind]) for each in (with_other_test_part(panel), panel))

    tensors, others = scaler_tensors(first.scalers), scaler_tensors(second.scalers)
    assert all(torch.equal(value, others[name]) for name, value in tensors.items())
    assert found.history == expected.history
    assert without_clock(found.result) == without_clock(expected.result)
    for one, two in (
        (found.networks.final, expected.networks.final),
        (found.networks.validated, expected.networks.validated),
    ):
        assert (one is None) == (two is None)
        if one is not None and two is not None:  # weights, shares and calibration
            state = two.state_dict()
            assert all(torch.equal(value, state[name]) for name, value in one.state_dict().items())
    assert usual_attention(first, found.networks.final) == usual_attention(second, expected.networks.final)


def test_the_refit_does_learn_from_the_newest_rows_before_it() -> None:
    """Without this the test above could be blind."""
    panel = full_panel()
    newest = panel.offsets[1:] - TEST - 1
    changed = replace(panel, target=panel.target.copy())
    changed.target[newest] += 30
    config = KINDS["one network"] | {"training": {"refit": True}}

    before, after = (kept(each, config)[1].networks.final.state_dict() for each in (panel, changed))

    assert any(not torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "heavy-tailed"])
def test_intervals_cover_their_share_of_windows_that_were_held_out(heavy: bool) -> None:
    random = np.random.default_rng(7)
    wave = 5 * np.sin(2 * np.pi * np.arange(260) / 7)
    noise = random.standard_t(3, (24, 260)) if heavy else random.normal(0, 1, (24, 260))
    panel = make_panel([float(10**i) * (wave + row) for i, row in zip(np.linspace(0, 3, 24), noise, strict=True)])
    # Without the closed-form start six steps teach no quantiles: calibration has to.
    config = small_config(
        data={"validation_size": 60, "test_size": 80},
        model={"context": 21, "quantiles": (0.025, 0.1, 0.5, 0.9, 0.975), "lag_bias": False},
    )
    setup = small_setup(panel, config)

    done = backtest(fit(setup).model, panel, BacktestPlan("test", stride=HORIZON))

    shares = done.scores.of("seqcast").overall.coverage
    assert shares["80"] == pytest.approx(0.8, abs=0.03)
    assert shares["95"] == pytest.approx(0.95, abs=0.03)
