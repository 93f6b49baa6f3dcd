"""The parts of a forecast: trained networks and linear start."""

from dataclasses import replace

import pytest
import torch

from seqcast.errors import UsageError
from seqcast.forecasting import attention_maps
from seqcast.model.ensemble import Ensemble
from seqcast.run.load import TrainedModel
from tests.panels import random_model, wave_panel


def mixed(linear_share: float) -> TrainedModel:
    """The start and two networks."""
    panel = wave_panel()
    networks = [random_model(panel, seed=seed).network.networks[0] for seed in range(3)]
    shares = [linear_share, *[(1 - linear_share) / 2] * 2]
    return replace(random_model(panel), network=Ensemble(networks, shares).eval(), linear_share=linear_share)


def test_the_weights_of_the_forecast_are_the_shared_weights_of_its_parts() -> None:
    model, panel = mixed(0.25), wave_panel()
    assert model.parts == ("network", "start")
    whole, network, start = (
        next(attention_maps(each, panel).maps).weights for each in (model, *map(model.part, model.parts))
    )
    torch.testing.assert_close(whole, 0.75 * network + 0.25 * start, rtol=1e-4, atol=1e-6)


def test_a_part_says_whose_lags_it_shows() -> None:
    model = mixed(0.25)
    assert model.judged_lags == "2 trained networks and the linear fit (25 %)"
    assert model.part("network").judged_lags == "2 trained networks"
    assert model.part("start").judged_lags == "the linear fit"
    assert len(model.part("start").network.networks) == 1


def test_a_part_without_a_share_is_refused() -> None:
    alone = random_model(wave_panel())
    assert alone.parts == ("network",)
    with pytest.raises(UsageError, match="--part start: the linear start has no share in the forecast of this run"):
        alone.part("start")
    with pytest.raises(UsageError, match="--part network: the trained networks have no share"):
        replace(alone, linear_share=1.0).part("network")
