from typing import get_args

import numpy as np
import pytest
import torch
from scipy import stats

from seqcast.config import Loss
from seqcast.training.losses import (
    RELATIVE_WEIGHT,
    SMALLEST_NAIVE_ERROR,
    loss_sums,
    pinball,
    step_weights,
    student_t_log_density,
)

BATCH, HORIZON = 2, 5
LEVELS = (0.1, 0.5, 0.9)
WIDTHS = {"quantile": 3, "student-t": 3, "mae": 1, "mse": 1, "huber": 1}


def random(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 2


def mean_loss(
    loss: Loss, values: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, *weights: torch.Tensor
) -> torch.Tensor:
    sums, counts = loss_sums(loss, values, target, observed, torch.tensor(LEVELS), *weights)
    return sums.sum() / counts.sum().clamp(min=1e-6)


def expected_of_each(loss: Loss, values: np.ndarray, target: np.ndarray) -> np.ndarray:
    error = target - values[..., 0]
    match loss:
        case "mae":
            return np.abs(error)
        case "mse":
            return error**2
        case "huber":
            return np.where(np.abs(error) <= 1, error**2 / 2, np.abs(error) - 0.5)
        case "quantile":
            each = [
                np.where(
                    target >= values[..., i], level * (target - values[..., i]), (1 - level) * (values[..., i] - target)
                )
                for i, level in enumerate(LEVELS)
            ]
            return 2 * np.mean(each, axis=0)
        case _:
            scale = np.logaddexp(0, values[..., 1]) + 1e-4
            freedom = 2 + np.logaddexp(0, values[..., 2] + 2)
            return -stats.t.logpdf(target, freedom, values[..., 0], scale)


@pytest.mark.parametrize("loss", get_args(Loss))
def test_each_loss_is_its_formula_averaged_over_the_observed_steps(loss: Loss) -> None:
    values, target = random(BATCH, HORIZON, WIDTHS[loss]), random(BATCH, HORIZON, seed=1)
    observed = torch.ones(BATCH, HORIZON, dtype=torch.bool)
    observed[0, 2] = observed[1, 0] = False

    found = mean_loss(loss, values, target, observed)

    each = expected_of_each(loss, values.double().numpy(), target.double().numpy())
    assert float(found) == pytest.approx(each[observed.numpy()].mean(), rel=1e-5)


@pytest.mark.parametrize("loss", get_args(Loss))
def test_missing_targets_count_nothing_and_give_no_gradient(loss: Loss) -> None:
    values, target = random(BATCH, HORIZON, WIDTHS[loss]).requires_grad_(), random(BATCH, HORIZON, seed=1)
    observed = torch.ones(BATCH, HORIZON, dtype=torch.bool)
    observed[1, 3] = False
    other = target.clone()
    other[1, 3] = 1e6

    first = mean_loss(loss, values, target, observed)
    second = mean_loss(loss, values, other, observed)
    second.backward()

    assert float(first.detach()) == float(second.detach())
    assert values.grad is not None
    assert (values.grad[1, 3] == 0).all()
    assert (values.grad[0, 0] != 0).any()


@pytest.mark.parametrize("loss", get_args(Loss))
def test_windows_count_by_their_weight(loss: Loss) -> None:
    values, target = random(BATCH, HORIZON, WIDTHS[loss]), random(BATCH, HORIZON, seed=1)
    observed = torch.ones(BATCH, HORIZON, dtype=torch.bool)
    observed[0, 2] = False

    found = mean_loss(loss, values, target, observed, torch.tensor([[3.0], [0.5]]))

    each = expected_of_each(loss, values.double().numpy(), target.double().numpy())
    counted = np.array([[3.0], [0.5]]) * observed.numpy()
    assert float(found) == pytest.approx((each * counted).sum() / counted.sum(), rel=1e-5)


SCALE = torch.tensor([[0.5], [3.0]])
NO_ZERO = torch.tensor([[-torch.inf], [-torch.inf]])


@pytest.mark.parametrize(("season", "lag"), [(3, 3), (1, 1), (7, 1), (40, 1)])
def test_a_window_weighs_the_inverse_of_its_seasonal_naive_error(season: int, lag: int) -> None:
    values = random(BATCH, 7)
    observed = torch.ones(BATCH, 7, dtype=torch.bool)
    observed[0, [0, 5]] = False

    found = step_weights(values * observed, observed, SCALE, season, NO_ZERO, HORIZON)

    assert (found == found[:, :1]).all()

    for b in range(BATCH):
        seen = [s for s in range(lag, 7) if observed[b, s] and observed[b, s - lag]]
        naive_error = np.mean([abs(float(values[b, s] - values[b, s - lag])) for s in seen])
        floor = SMALLEST_NAIVE_ERROR / float(SCALE[b, 0])
        assert float(found[b, 0]) == pytest.approx(1 / (naive_error + floor), rel=1e-5)


def test_a_flat_window_does_not_outweigh_the_others() -> None:
    observed = torch.ones(2, 7, dtype=torch.bool)
    noise = torch.tensor([0.1, -0.2, 0.15, 0.0, -0.1, 0.05, 0.0]).expand(2, 7)

    flat, usual = step_weights(noise, observed, torch.tensor([[0.05], [1.0]]), 1, NO_ZERO, 1)[:, 0].tolist()

    assert flat < 0.2 * usual


def test_steps_that_are_expected_near_zero_weigh_more_where_values_are_not_negative() -> None:
    values = random(BATCH, 7) - 1.0
    observed = torch.ones(BATCH, 7, dtype=torch.bool)
    observed[0, [0, 5]] = False
    zero = torch.tensor([[-9.0], [-40.0]])

    by_change = step_weights(values * observed, observed, SCALE, 3, NO_ZERO, HORIZON)
    found = step_weights(values * observed, observed, SCALE, 3, zero, HORIZON)

    for b in range(BATCH):
        mean = np.mean([float(values[b, s]) for s in range(7) if observed[b, s]])
        for t in range(HORIZON):
            newest = 4 + t % 3
            expected = float(values[b, newest]) if observed[b, newest] else mean
            relative = RELATIVE_WEIGHT / (expected - float(zero[b, 0]) + 1 / float(by_change[b, t]))
            assert float(found[b, t] - by_change[b, t]) == pytest.approx(relative, rel=1e-4)


def test_a_window_of_nothing_weighs_a_finite_number() -> None:
    nothing = torch.zeros(1, 7, dtype=torch.bool)

    assert float(step_weights(torch.zeros(1, 7), nothing, torch.ones(1, 1), 3, NO_ZERO[:1], 1)) == pytest.approx(
        1 / SMALLEST_NAIVE_ERROR
    )


def test_a_context_of_one_step_weighs_a_finite_number() -> None:
    one = torch.ones(2, 1, dtype=torch.bool)

    found = step_weights(torch.ones(2, 1), one, SCALE, 3, NO_ZERO, 1)[:, 0].tolist()

    assert found == pytest.approx([0.5 / SMALLEST_NAIVE_ERROR, 3 / SMALLEST_NAIVE_ERROR])


def test_the_loss_of_nothing_is_zero() -> None:
    nothing = torch.zeros(BATCH, HORIZON, dtype=torch.bool)

    assert float(mean_loss("mae", random(BATCH, HORIZON, 1), random(BATCH, HORIZON), nothing)) == 0


def test_the_pinball_loss_of_the_median_is_the_absolute_error() -> None:
    forecast, target = random(7), random(7, seed=1)

    torch.testing.assert_close(pinball(forecast, target, torch.tensor(0.5)), (target - forecast).abs())


def test_the_student_t_density_is_the_one_of_scipy() -> None:
    values, target = random(BATCH, HORIZON, 3), random(BATCH, HORIZON, seed=1) * 5

    found = student_t_log_density(values, target)

    expected = -expected_of_each("student-t", values.double().numpy(), target.double().numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)
