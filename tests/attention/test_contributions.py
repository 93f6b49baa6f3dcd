"""Where the forecast comes from: covariates, calendar, level, spread and lags."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seqcast.attention.contributions import Contributions, contributions
from seqcast.attention.inspection import Question, inspect
from seqcast.attention.replaced_windows import WindowPair, inputs_of
from seqcast.errors import DataError
from seqcast.model.network import Standardisation
from seqcast.panel.panel import Panel
from seqcast.run.load import TrainedModel
from seqcast.tensors.windows import WindowBatch
from tests.panels import FULL_SHAPE, full_panel, make_panel, random_batch, random_model


@pytest.fixture(scope="module")
def full_model() -> TrainedModel:
    return random_model(full_panel((211, 199, 197)))


def forecast_of(model: TrainedModel, batch: WindowBatch) -> torch.Tensor:
    output = model.network(batch)
    units, point = output.standardisation, output.values[..., model.network.layout.point_index]
    return point * units.scale + units.location


@pytest.fixture(scope="module")
def batches(full_model: TrainedModel) -> tuple[WindowBatch, WindowBatch]:
    shape = full_model.network.shape
    assert shape.num_known > FULL_SHAPE.num_known - 3
    return random_batch(shape, 7, 0), random_batch(shape, 7, 1)


class TestReplacing:
    @torch.inference_mode()
    def test_nothing_and_everything_are_the_two_windows_themselves(
        self, full_model: TrainedModel, batches: tuple[WindowBatch, WindowBatch]
    ) -> None:
        own, other = batches
        pair, inputs = WindowPair.of(full_model.network, own, other), inputs_of(full_model, full_panel())
        torch.testing.assert_close(
            pair.forecast(()).float(), forecast_of(full_model, own).float(), atol=1e-4, rtol=1e-4
        )
        expected = forecast_of(full_model, other).float()
        torch.testing.assert_close(pair.forecast(inputs).float(), expected, atol=1e-4, rtol=1e-4)

    @torch.inference_mode()
    def test_the_level_moves_the_forecast_by_as_much_as_the_means_differ(
        self, full_model: TrainedModel, batches: tuple[WindowBatch, WindowBatch]
    ) -> None:
        own, other = batches
        pair = WindowPair.of(full_model.network, own, other)
        (level,) = [each for each in inputs_of(full_model, full_panel()) if each.kind == "level"]
        difference = Standardisation.of(other, "mean").location - Standardisation.of(own, "mean").location
        moved = pair.forecast((level,)) - pair.forecast(())
        torch.testing.assert_close(moved, difference.double().expand_as(moved), atol=1e-4, rtol=1e-4)

    @torch.inference_mode()
    @pytest.mark.parametrize(
        ("name", "field", "column"),
        [
            ("price", "known_features", 0),
            ("price kind", "known_codes", 0),
            ("visits", "past_features", 0),
            ("size kind", "static_codes", 0),
        ],
    )
    def test_a_covariate_is_taken_from_the_other_window_alone(
        self, name: str, field: str, column: int, full_model: TrainedModel, batches: tuple[WindowBatch, WindowBatch]
    ) -> None:
        own, other = batches
        (each,) = [each for each in inputs_of(full_model, full_panel()) if each.name == name]
        assert (each.field, each.columns) == (field, (column,))
        values = getattr(own, field).clone()
        values[..., column] = getattr(other, field)[..., column]
        expected = forecast_of(full_model, replace(own, **{field: values}))
        found = WindowPair.of(full_model.network, own, other).forecast((each,))
        torch.testing.assert_close(found.float(), expected.float(), atol=1e-4, rtol=1e-4)

    def test_a_calendar_cycle_has_two_columns_behind_the_known_numbers(self, full_model: TrainedModel) -> None:
        cycles = [each for each in inputs_of(full_model, full_panel()) if each.kind == "calendar"]
        assert cycles[0].name.startswith("calendar: ")
        assert cycles[0].columns == (1, 2)
        assert 1 + 2 * len(cycles) == full_model.network.shape.num_known

    def test_static_covariates_of_a_single_series_cannot_differ(self, full_model: TrainedModel) -> None:
        one = full_panel().take_series(np.array([0]))
        assert "static" not in {each.kind for each in inputs_of(full_model, one)}


class TestContributions:
    def test_the_parts_of_a_sum_are_those_of_its_variance(self, planted: TrainedModel, panel: Panel) -> None:
        """A linear forecast is level + spread x shape, so the level has its part alone and with others alike."""
        found = contributions(planted, panel)
        parts = {each.kind: each.overall for each in found.inputs}
        assert set(parts) >= {"level", "lags", "spread"}
        assert parts["level"].forecast == pytest.approx(parts["level"].alone, abs=0.25)
        assert parts["lags"].forecast > 0.6
        assert parts["lags"].accuracy > 0.5
        assert parts["lags"].forecast_error < 0.2
        assert found.num_windows == 192

    def test_what_the_network_does_not_read_has_no_part(self, planted: TrainedModel, panel: Panel) -> None:
        found = contributions(planted, panel)
        for each in found.inputs:
            if each.kind == "calendar":
                assert each.overall.forecast == pytest.approx(0, abs=0.05)

    def test_parts_are_sorted_and_given_by_group_of_steps(self, full_model: TrainedModel) -> None:
        found = contributions(full_model, full_panel((211, 199, 197)))
        forecasts = [each.overall.forecast for each in found.inputs]
        assert forecasts == sorted(forecasts, reverse=True)
        assert [group.label for group in found.inputs[0].by_horizon] == ["steps 1-2", "step 3", "step 4", "step 5"]
        alone = sum(each.overall.alone for each in found.inputs)
        assert found.interactions == pytest.approx(1 - alone)

    def test_too_few_past_origins_are_told(self, planted: TrainedModel) -> None:
        with pytest.raises(DataError, match="past origins are too few to tell the inputs apart; 16 are needed"):
            contributions(planted, make_panel([np.arange(61.0)]))

    def test_the_document_has_the_printed_numbers(self, planted: TrainedModel, panel: Panel) -> None:
        found = inspect(planted, panel, Question(explain=True))
        assert isinstance(found.contributions, Contributions)
        document = found.as_dict(3)["explain"]
        assert document["inputs"][0]["overall"]["forecast"] == found.contributions.inputs[0].overall.forecast
        assert document["interactions"] == found.contributions.interactions
