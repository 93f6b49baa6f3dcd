import numpy as np
import pytest
import torch
from torch import Tensor

from seqcast.attention.faithfulness import BandEffect, judge, verify
from seqcast.attention.replaced_inputs import Effect
from seqcast.errors import DataError, UsageError
from seqcast.model.attention import Memory
from seqcast.panel.panel import Panel
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
from tests.attention.conftest import attention_of
from tests.panels import make_panel, random_model, small_config, waves

NOTHING = Effect(0.1, 0.0, 0.0)


def band(moved: float = 0.5, elsewhere: float = 0.1, worse: float = 0.3) -> BandEffect:
    removed, replaced = Effect(0.5, worse, 1.0), Effect(moved, 0.1, 1.0)
    return BandEffect(7, 7, "1 week", 0.5, removed, NOTHING, replaced, Effect(elsewhere, 0.0, 0.0))


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
            assert each.removed.error_change > 0.1 > each.removed_control.error_change
            assert each.replaced.forecast_change > 2 * each.replaced_control.forecast_change

    @pytest.mark.parametrize("kind", ["uniform", "permuted"])
    def test_one_whose_attention_was_replaced_is_not(self, kind: str, planted: TrainedModel, panel: Panel) -> None:
        replace_attention(planted, kind)
        found = verify(planted, panel, 16)
        assert found.verdict in ("weak", "contradicted"), found.reason

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


class TestVerdict:
    def test_it_is_faithful_when_everything_speaks_for_it(self) -> None:
        verdict, reason = judge((band(),), Effect(1.0, 0.8, 1.0), 1.0, 0.6)
        assert verdict == "faithful"
        assert reason == (
            "attended inputs move the forecast 5.0 times as much as others; the error changes by +30.0 % without their "
            "weights, by +80.0 % with shuffled weights (own are better than 100 % of those); rank "
            "correlation of weight and effect 0.60"
        )

    @pytest.mark.parametrize(
        ("bands", "shuffled", "beaten", "correlation", "verdict"),
        [
            (band(elsewhere=0.6), 0.8, 1.0, 0.6, "contradicted"),  # other inputs matter as much
            (band(), -0.01, 1.0, 0.6, "contradicted"),  # any order of the weights does as well
            (band(), 0.8, 1.0, -0.2, "contradicted"),  # the effect falls where the weight rises
            (band(elsewhere=0.3), 0.8, 1.0, 0.6, "weak"),  # little more than others
            (band(), 0.05, 1.0, 0.6, "weak"),  # shuffling hardly hurts
            (band(), 0.8, 0.95, 0.6, "weak"),  # one shuffle does as well
            (band(), 0.8, 1.0, None, "weak"),  # no rank correlation
            (band(worse=-0.1), 0.8, 1.0, 0.6, "weak"),  # better without
        ],
    )
    def test_it_is_less_when_one_thing_speaks_against_it(
        self, bands: BandEffect, shuffled: float, beaten: float, correlation: float | None, verdict: str
    ) -> None:
        assert judge((bands,), Effect(1.0, shuffled, 1.0), beaten, correlation)[0] == verdict

    def test_equal_weights_cannot_be_verified(self) -> None:
        assert judge((), NOTHING, 0.0, None) == (
            "weak",
            "no lag stands out of equal weights, so there is none to verify",
        )
