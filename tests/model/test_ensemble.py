from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from seqcast.config import ModelConfig
from seqcast.model.ensemble import EncodedByEach, Ensemble, build_networks
from seqcast.model.network import Encoded, ForecastNetwork, NetworkOutput
from tests.panels import CONTEXT, FULL_SHAPE, HIDDEN, HORIZON, random_batch, randomise, small_config

SHARES = (0.5, 0.2, 0.3)


def make_networks(**model: Any) -> list[ForecastNetwork]:
    """One network per share, all different."""
    networks = []
    for seed in range(len(SHARES)):
        config = ModelConfig(
            **{"segment": 1, "location": "mean", "hidden": HIDDEN, "quantiles": (0.1, 0.5, 0.9), **model}
        )
        network = ForecastNetwork(config, "quantile", FULL_SHAPE)
        randomise(network, seed)
        networks.append(network.eval())
    return networks


def weights_of(output: NetworkOutput) -> torch.Tensor:
    assert output.weights is not None
    return output.weights


def shared(parts: list[torch.Tensor]) -> torch.Tensor:
    """The mean by shares."""
    return sum((share * part for share, part in zip(SHARES, parts, strict=True)), torch.zeros(()))


@pytest.mark.parametrize("decoding", ["direct", "autoregressive"])
def test_forecast_and_attention_are_means_by_shares(decoding: str) -> None:
    networks, batch = make_networks(decoding=decoding), random_batch()
    with torch.no_grad():
        outputs = [network(batch) for network in networks]
        found = Ensemble(networks, SHARES)(batch)

    torch.testing.assert_close(found.values, shared([output.values for output in outputs]))
    torch.testing.assert_close(weights_of(found), shared([weights_of(output) for output in outputs]))
    torch.testing.assert_close(weights_of(found).sum(dim=-1), torch.ones(3, HORIZON))
    torch.testing.assert_close(found.standardisation.scale, outputs[0].standardisation.scale)


@pytest.mark.parametrize(
    "model", [{}, {"decoding": "autoregressive"}, {"attention": "none", "copy_gate": False, "lag_bias": False}]
)
def test_one_member_is_the_network_itself_bit_for_bit(model: dict[str, Any]) -> None:
    network, batch = make_networks(**model)[0], random_batch()
    with torch.no_grad():
        expected, found = network(batch), Ensemble([network], [1.0])(batch)

    assert torch.equal(found.values, expected.values)
    assert found.weights is expected.weights is None or torch.equal(weights_of(found), weights_of(expected))


Change = Callable[[Encoded | EncodedByEach], Any]
CHANGES: dict[str, Change] = {
    "keeping": lambda encoded: encoded.keeping(torch.ones(HORIZON, CONTEXT).tril(-3).flip(1).bool()),
    "reordered": lambda encoded: encoded.reordered(torch.arange(CONTEXT).roll(4).expand(HORIZON, -1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_encoding_is_changed_for_every_member(change: str) -> None:
    networks, batch, ensemble = make_networks(), random_batch(), Ensemble(make_networks(), SHARES)
    with torch.no_grad():
        outputs = [network.decode(batch, CHANGES[change](network.encode(batch))) for network in networks]
        found = ensemble.decode(batch, CHANGES[change](ensemble.encode(batch)))
        unchanged = ensemble(batch)

    torch.testing.assert_close(found.values, shared([output.values for output in outputs]))
    torch.testing.assert_close(weights_of(found), shared([weights_of(output) for output in outputs]))
    assert not torch.allclose(found.values, unchanged.values)


def test_a_changed_batch_is_read_in_the_given_units_by_every_member() -> None:
    networks, batch = make_networks(), random_batch()
    ensemble = Ensemble(networks, SHARES)
    units = ensemble.encode(batch).standardisation
    other = replace(batch, context_target=batch.context_target * 3)
    with torch.no_grad():
        found = ensemble.decode(other, ensemble.encode(other, units))
        outputs = [network.decode(other, network.encode(other, units)) for network in networks]

    torch.testing.assert_close(found.values, shared([output.values for output in outputs]))
    assert found.standardisation is units


def test_without_attention_there_is_none_to_average() -> None:
    without = Ensemble(make_networks(attention="none", copy_gate=False, lag_bias=False), SHARES)

    assert not without.attends
    assert without(random_batch()).weights is None
    assert Ensemble(make_networks(), SHARES).attends


@pytest.mark.parametrize(("refit", "num_members"), [(True, 1), (True, 3), (False, 2)])
def test_the_networks_of_a_run_are_built_as_they_were_trained(refit: bool, num_members: int) -> None:
    config = small_config(model={"segment": 3, "location": "last"}, training={"refit": refit})
    networks = build_networks(config, FULL_SHAPE, num_members)

    assert len(networks.final.networks) == num_members
    assert (networks.validated is not None) == refit
    assert networks.final.shape == FULL_SHAPE
    assert float(networks.final.shares.sum()) == pytest.approx(1)
