import numpy as np
import pytest

from seqcast.tensors.scaling import Moments, grouped_moments
from seqcast.tensors.shared_scaling import moments_of_columns

SHARES = [[3.0, 5.5, -2.0], [], [100.25], [7.0, 7.0]]


def moments(*columns: list[float]) -> Moments:
    return grouped_moments(np.concatenate([np.array(each) for each in columns]), np.array([len(c) for c in columns]))


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e200, 1e306])
def test_moments_of_shares_are_those_of_all_values(unit: float) -> None:
    shares = [[value * unit for value in share] for share in SHARES]
    found, whole = (
        moments_of_columns([moments(each) for each in shares]),
        moments([value for share in shares for value in share]),
    )
    for name in ("count", "mean", "variance", "scale"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)


def test_a_value_that_never_changes_has_no_variance_in_any_share() -> None:
    found = moments_of_columns([moments([0.1] * 3, [1e9]), moments([0.1] * 7, []), moments([0.1], [1e9, 1e9])])
    assert found.mean.tolist() == [0.1, 1e9]
    assert found.variance.tolist() == [0, 0]
    assert found.scale.tolist() == [1, 1]


def test_a_column_without_values_is_left_as_it_is() -> None:
    found = moments_of_columns([moments([], [2.0]), moments([], [4.0])])
    assert found.count.tolist() == [0, 2]
    assert (found.mean[0], found.variance[0], found.scale[0]) == (0, 0, 1)
    assert (found.mean[1], found.variance[1], found.scale[1]) == (3, 1, 1)
