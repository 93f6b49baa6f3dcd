"""Networks without memory of their own."""

import torch

from seqcast.model.network import ForecastNetwork
from seqcast.model.skeleton import without_memory
from tests.panels import FULL_SHAPE, small_config


def test_it_has_the_weights_of_a_network_in_name_shape_and_type() -> None:
    config = small_config(model={"segment": 3, "location": "last"})
    real = ForecastNetwork(config.model, "quantile", FULL_SHAPE)
    with without_memory():
        network = ForecastNetwork(config.model, "quantile", FULL_SHAPE)

    found, expected = (
        {name: (value.shape, value.dtype) for name, value in each.state_dict().items()} for each in (network, real)
    )
    assert found == expected
    assert all(value.is_meta for value in network.state_dict().values())
    assert not torch.zeros(1).is_meta  # outside of it nothing has changed
