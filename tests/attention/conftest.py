import pytest

from seqcast.model.attention import LagAttention
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from tests.panels import make_panel, planted_series, small_config, small_setup, untrained_model

LAGS = (7, 11)
HORIZON, CONTEXT = 5, 23


def attention_of(model: TrainedModel) -> LagAttention:
    """The attention of the only network of a model."""
    (network,) = model.network.networks
    return network.decoder.attention


@pytest.fixture(scope="session")
def panel() -> Panel:
    """Daily series in which every value follows from those 7 and 11 days before."""
    return make_panel(planted_series(7, 211, LAGS))


@pytest.fixture
def planted(panel: Panel) -> TrainedModel:
    """Looks at the planted lags, as its warm start makes it."""
    return untrained_model(small_setup(panel, small_config(model={"horizon": HORIZON, "context": CONTEXT})))
