import pytest

from seqcast.panel.arrays import evenly_spread


@pytest.mark.parametrize(
    ("length", "at_most", "indices"),
    [(5, 5, [0, 1, 2, 3, 4]), (5, 9, [0, 1, 2, 3, 4]), (11, 3, [0, 5, 10]), (100, 1, [0]), (1, 3, [0]), (0, 3, [])],
)
def test_indices_are_spread_from_the_first_to_the_last(length: int, at_most: int, indices: list[int]) -> None:
    assert evenly_spread(length, at_most).tolist() == indices
