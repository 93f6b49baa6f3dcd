"""Every combination of networks is made from one forecast of the validation windows by each."""

import copy

import pytest
import torch

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.training import validation
from seqcast.training.fit import fit
from seqcast.training.setup import TrainingSetup
from seqcast.training.validation import validate, validation_batches
from seqcast.training.validation_forecasts import ValidationForecasts
from tests.panels import alone, randomise, small_config, small_setup, wave_panel


@pytest.fixture(scope="module")
def setup() -> TrainingSetup:
    return small_setup(wave_panel(), small_config())


@pytest.fixture(scope="module")
def networks(setup: TrainingSetup) -> list[ForecastNetwork]:
    others = [copy.deepcopy(setup.network), copy.deepcopy(setup.network)]
    for network in others:
        randomise(network)
    return [setup.network, *others]


def test_forecasts_are_bit_for_bit_those_of_the_running_ensembles(
    setup: TrainingSetup, networks: list[ForecastNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "VALIDATION_BATCH", 2)
    several = Ensemble(networks, [0.2, 0.5, 0.3])
    offsets = torch.randn(4, *several.naive.offsets.shape[1:], generator=torch.Generator().manual_seed(0))
    ensembles = [alone(networks[1]), several, several.with_naive(torch.tensor([0.1, 0.2, 0.0, 0.3]), offsets)]
    forecasts = ValidationForecasts.of(setup, networks)

    found = list(forecasts.batches(*ensembles))

    assert len(found) == -(-len(setup.validation_series) // 2) > 1
    for (_, _, batch), (_, outputs) in zip(validation_batches(setup), found, strict=True):
        for ensemble, output in zip(ensembles, outputs, strict=True):
            with torch.no_grad():
                expected = ensemble.eval()(batch)
            assert torch.equal(output.values, expected.values)
            assert torch.equal(output.standardisation.scale, expected.standardisation.scale)
    assert [forecasts.score(each) for each in ensembles] == [validate(setup, each) for each in ensembles]
    assert forecasts.score_alone(networks[2]) == validate(setup, networks[2])


def test_a_finished_training_keeps_the_loss_of_its_start_and_of_its_combination() -> None:
    fitted = fit(small_setup(wave_panel(), small_config(training={"refit": True})))

    assert fitted.networks.validated is not None
    assert fitted.result.start_loss == validate(fitted.setup, fitted.setup.network).loss
    assert fitted.result.validation_loss == validate(fitted.setup, fitted.networks.validated).loss
