import math

import numpy as np
import pytest
import torch

from seqcast.model.heads import CopyGate, OutputHead, OutputLayout, student_t_parameters
from seqcast.model.segments import Segments
from tests.panels import randomise

SEGMENTS, NOTHING_KNOWN = Segments(1, 11, 5), torch.empty(2, 5, 0)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def test_the_quantile_head_has_a_number_per_level_and_points_at_the_median() -> None:
    assert OutputLayout.of("quantile", QUANTILES) == OutputLayout(5, 5, 2, increasing=True, levels=QUANTILES)


def test_the_student_t_head_has_three_numbers_of_which_the_first_is_the_point() -> None:
    assert OutputLayout.of("student-t", QUANTILES) == OutputLayout(3, 1, 0, levels=QUANTILES)


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_a_point_loss_has_one_number(loss: str) -> None:
    assert OutputLayout.of(loss, QUANTILES) == OutputLayout(1, 1, 0)  # type: ignore[arg-type]  # parametrised


def test_the_copy_gate_is_a_softplus_of_the_state_and_the_step() -> None:
    gate = CopyGate(hidden=3, segments=SEGMENTS)
    randomise(gate)
    attentional = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))

    opened = gate(attentional, 1, NOTHING_KNOWN).detach()

    weight, bias = gate.weight.weight.detach().numpy()[0], gate.step_bias.detach().numpy()
    for b in range(2):
        for t in range(3):
            expected = math.log1p(math.exp(weight @ attentional[b, t].numpy() + bias[t + 1]))
            assert float(opened[b, t]) == pytest.approx(expected, abs=1e-6)


def test_an_untrained_head_says_zero_and_an_untrained_gate_is_partly_open() -> None:
    attentional = torch.randn(2, 5, 3)

    assert (OutputHead(3, SEGMENTS, 7)(attentional, 0) == 0).all()
    opened = CopyGate(3, SEGMENTS)(attentional, 0, NOTHING_KNOWN).detach()
    torch.testing.assert_close(opened, torch.full((2, 5), math.log(2)))


def test_the_head_adds_the_offset_of_the_steps_it_is_given() -> None:
    head = OutputHead(hidden=3, segments=SEGMENTS, width=2)
    randomise(head)
    attentional = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(1))

    output = head(attentional, first=2)

    expected = attentional.numpy() @ head.linear.weight.detach().numpy().T + head.step_bias.detach().numpy()[2:4]
    np.testing.assert_allclose(output.detach().numpy(), expected, atol=1e-6)


def test_student_t_parameters_are_a_positive_scale_and_more_than_two_degrees_of_freedom() -> None:
    location, scale, freedom = student_t_parameters(torch.tensor([[1.5, -200.0, -200.0], [1.5, 2.0, 1.0]]))

    assert location.tolist() == [1.5, 1.5]
    assert float(scale[0]) == pytest.approx(1e-4)
    assert float(scale[1]) == pytest.approx(math.log1p(math.exp(2.0)) + 1e-4)
    assert freedom.tolist() == pytest.approx([2.0, 2 + math.log1p(math.exp(3.0))])
