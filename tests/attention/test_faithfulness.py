from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcast.attention.faithfulness import rank_lags, verify
from seqcast.errors import DataError, UsageError
from seqcast.model.attention import Memory
from seqcast.panel.panel import Panel
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import attention_of
from tests.panels import make_panel, random_model, small_config, small_setup, untrained_model, waves


def replace_attention(model: TrainedModel, kind: str) -> None:
    """Weights that have nothing to do with what the model learned."""
    attention = attention_of(model)
    learned, look = attention.weights, attention.look
    order = torch.randperm(model.context, generator=torch.Generator().manual_seed(3))

    def changed(states: Tensor, memory: Memory, first: int = 0, previous: Tensor | None = None) -> Tensor:
        weights = learned(states, memory, first, previous)
        if kind == "permuted":
            return weights[..., order]
        return torch.full_like(weights, 1 / weights.shape[-1])

    attention.weights = changed  # type: ignore[method-assign]  # the point of the test
    attention.look = lambda *args, write_out: look(*args, write_out=True)  # type: ignore[method-assign,assignment,misc]


class TestVerify:
    def test_a_model_that_looks_where_the_data_come_from_is_faithful(self, planted: TrainedModel, panel: Panel) -> None:
        found = verify(planted, panel, 16)
        assert found.verdict == "faithful", found.reason
        assert {band.first_lag for band in found.bands} >= {7, 11}
        assert found.num_windows == 7 * 16
        for each in found.bands[:2]:
            assert each.removed.error_change > 0.1
            assert each.moved.error_change > 0.1
            assert each.moved.p_value < 0.01
            assert each.replaced.forecast_change > 2 * each.replaced_control.forecast_change

    @pytest.mark.parametrize("kind", ["uniform", "permuted"])
    def test_one_whose_attention_was_replaced_is_not(self, kind: str, planted: TrainedModel, panel: Panel) -> None:
        replace_attention(planted, kind)
        found = verify(planted, panel, 16)
        expected = {"uniform": "weak", "permuted": "contradicted"}
        assert found.verdict == expected[kind], found.reason

    def test_it_says_whose_lags_were_judged(self, planted: TrainedModel, panel: Panel) -> None:
        assert verify(planted, panel, 2).judged == "1 trained network"
        assert verify(replace(planted, linear_share=1.0), panel, 2).judged == "the linear fit"
        assert (
            verify(replace(planted, linear_share=0.25), panel, 2).judged
            == "0 trained networks and the linear fit (25 %)"
        )

    def test_the_panel_and_the_network_stay_as_they_are(self, planted: TrainedModel, panel: Panel) -> None:
        before = {name: value.clone() for name, value in planted.network.state_dict().items()}
        target = panel.target.copy()
        verify(planted, panel, 2)
        assert np.array_equal(panel.target, target)
        assert all(torch.equal(before[name], value) for name, value in planted.network.state_dict().items())

    def test_without_attention_there_is_nothing_to_verify(self) -> None:
        panel = make_panel(waves())
        model = random_model(panel, small_config(model={"attention": "none", "copy_gate": False, "lag_bias": False}))
        with pytest.raises(UsageError, match="trained with --attention none, so there is nothing to verify"):
            verify(model, panel, 1)


def start_of(series: list[np.ndarray]) -> tuple[TrainedModel, Panel]:
    """The linear fit of a table, as training begins."""
    panel = make_panel(series)
    sizes = {"model": {"horizon": 7, "context": 28}, "data": {"validation_size": 35}}
    return untrained_model(small_setup(panel, small_config(**sizes))), panel


class TestVerdictsOnKnownData:
    """The right verdict follows from how the data were made."""

    @pytest.mark.parametrize("seed", [21, 22, 23])
    def test_white_noise_has_nothing_to_attend(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        found = verify(*start_of([random.normal(size=301) for _ in range(5)]), 16)
        assert found.verdict == "nothing to attend", found.reason
        assert "removing everything costs nothing" in found.reason

    @pytest.mark.parametrize("seed", [21, 22, 23])
    def test_a_random_walk_is_its_last_value(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        found = verify(*start_of([random.normal(size=301).cumsum() for _ in range(5)]), 16)
        assert found.verdict == "the last value", found.reason
        assert "lag 1 by origin" in found.reason

    @pytest.mark.parametrize("seed", [21, 22, 23])
    def test_an_exact_season_is_faithful_and_its_multiples_are_interchangeable(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        found = verify(*start_of([np.tile(random.normal(size=7), 43) for _ in range(3)]), 16)
        assert found.verdict == "faithful", found.reason
        assert found.bands[0].first_lag == 7
        assert 14 in found.bands[0].equivalent
        assert "lag 7 is interchangeable with 14" in found.reason
        assert 0.5 < found.together.error_change < 3  # in parts of the forecast, not of an error of zero

    @pytest.mark.parametrize("seed", range(21, 31))
    def test_a_weekly_profile_in_noise_is_faithful_with_every_seed(self, seed: int) -> None:
        random, profile = np.random.default_rng(seed), np.array([0, 5, 10, 15, 20, -10, -20.0])
        days = np.arange(151) % 7
        found = verify(*start_of([100 + 10 * i + profile[days] + random.normal(0, 2, 151) for i in range(3)]), 16)
        assert found.verdict == "faithful", found.reason

    def test_a_handful_of_windows_cannot_be_told_from_chance(self, planted: TrainedModel, panel: Panel) -> None:
        found = verify(planted, panel.take_series(np.array([0])), 2)
        assert found.verdict == "weak"
        assert found.reason == "2 windows of so few series and times cannot be told from chance"


class TestRanking:
    def test_weights_too_small_to_rank_are_left_out(self) -> None:
        lift = np.array([9.0, 8.0, 7.0, *np.linspace(0.01, 0.4, 18)])
        assert rank_lags(lift, np.array([3.0, 2.0, 1.0, *np.linspace(0.4, 0.01, 18)])) is None

    def test_enough_lags_are_ranked_with_their_p_value(self) -> None:
        lift = np.linspace(0.6, 3.0, 11)
        found = rank_lags(lift, np.append(lift[:-1] ** 2, np.nan))
        assert (found.correlation, found.num_lags) == (pytest.approx(1), 10)
        assert found.p_value < 1e-6
        assert rank_lags(lift, np.ones(11)) is None


class TestKnownOrigins:
    def test_their_whole_horizon_was_observed(self, planted: TrainedModel) -> None:
        panel = make_panel([np.arange(61.0), np.arange(53.0)])
        panel.target[-3:] = np.nan
        origins = known_origins(panel, 5, 23, 2)
        assert origins.series.tolist() == [0, 0, 1, 1]
        assert origins.positions.tolist() == [51, 56, 40, 45]

    def test_series_shorter_than_the_horizon_have_none(self, planted: TrainedModel) -> None:
        with pytest.raises(DataError, match="no series has 5 observed steps behind an origin"):
            known_origins(make_panel([np.arange(4.0)]), 5, 23, 1)
