"""How much of the attention content decides."""

import numpy as np
import pytest

from seqcast.attention.content import content_movement, moving_weights
from seqcast.attention.inspection import Question, inspect
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import make_panel, random_model, small_config

EVERYWHERE = np.ones((20, 7), bool)


def on(*positions: int) -> np.ndarray:
    """Weights (windows, 1, 7) of windows that each look at one position."""
    return np.eye(7)[np.array(positions)][:, None, :]


def test_the_same_position_in_every_window_does_not_move() -> None:
    assert moving_weights(on(*[3] * 20), EVERYWHERE).sum() == 0


def test_two_regimes_move_all_of_the_weight() -> None:
    moving = moving_weights(on(*[3, 5] * 10), EVERYWHERE)
    assert moving[0].tolist() == [0, 0, 0, 0.5, 0, 0.5, 0]


def test_a_fixed_half_stays_and_a_rare_window_moves_little() -> None:
    half = (on(*[0] * 20) + on(*[3, 5] * 10)) / 2
    assert moving_weights(half, EVERYWHERE).sum() == pytest.approx(0.5)
    rare = on(*[3] * 19, 5)
    assert moving_weights(rare, EVERYWHERE)[0] == pytest.approx([0, 0, 0, 0, 0, 0.05, 0])


def test_a_missing_value_moves_nothing() -> None:
    weights, observed = on(*[3] * 20), EVERYWHERE.copy()
    weights[:8], observed[:8, 3] = 0.0, False
    observed[:, 0] = False
    assert moving_weights(weights, observed).sum() == 0


def test_the_linear_fit_looks_at_the_same_lags_in_every_window(planted: TrainedModel, panel: Panel) -> None:
    found = content_movement(planted, panel)
    assert found.num_windows == 64
    assert found.decided < 0.01


def test_the_moving_part_is_counted_by_lag_and_adds_up(panel: Panel) -> None:
    model = random_model(panel, small_config(model={"horizon": 5, "context": 23}))
    found = content_movement(model, panel)
    assert 0 < found.decided < 1
    for relative, num_lags in (("target", 27), ("origin", 23)):
        by_lag = found.by_lag(relative)
        assert len(by_lag) == num_lags
        assert by_lag.sum() == pytest.approx(found.decided)
    document = inspect(model, panel, Question(windows=2)).as_dict(3)
    shares = {"decided": found.decided, "same": 1 - found.decided, "states": found.states.share}
    assert document["content"] == {**shares, "num_windows": 64}
    lag = document["lags"][0]
    assert lag["moves"] == pytest.approx(found.by_lag("target")[lag["lag"] - 1])
    assert lag["moves"] <= lag["share"] + 0.1


def test_too_few_past_windows_are_not_compared(planted: TrainedModel) -> None:
    panel = make_panel([np.arange(40.0)])
    assert content_movement(planted, panel) is None
    assert inspect(planted, panel).as_dict(3)["content"] is None
    assert content_movement(planted, make_panel([np.arange(3.0)])) is None
