import numpy as np
import pytest

from seqcast.pages.figures import axis_times, compact, label_text, new_figure
from seqcast.pages.palette import DARK
from seqcast.panel.frequency import parse_frequency


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.5, np.nan],
        [1e9, 1e9 + 1, 1e9 + 2],
        [1e300, -1e300],
        [np.nan],
        [5e-324, 0.0],
        [1e-300, 0.0],
        [0.0, 0.0],
        [5.0],
    ],
)
def test_packed_values_differ_by_no_more_than_can_be_seen(values: list[float]) -> None:
    given = np.array(values)
    packed = compact(given).astype(np.float64)
    reach = np.nanmax(given) / 2 - np.nanmin(given) / 2 if np.isfinite(given).any() else 0.0
    np.testing.assert_array_equal(np.isnan(packed), np.isnan(given))
    assert np.nanmax(np.abs(packed - given), initial=0.0) <= 1e-3 * reach


def test_ordinary_values_take_half_the_space() -> None:
    assert compact(np.linspace(10, 20, 50)).dtype == np.float32


def test_times_are_those_of_the_clock_and_steps_are_numbers() -> None:
    hours = np.array(["2024-01-01T05:00"], "datetime64[us]")
    assert axis_times(hours, parse_frequency("h")) == ["2024-01-01T05:00:00.000000"]
    assert axis_times(np.array([7, 8]), parse_frequency("1")) == [7, 8]


@pytest.mark.parametrize("name", ["<b>bold</b>", "<a href='javascript:alert(1)'>x</a>", "a\u202eb", "x\x1b[31m"])
def test_names_are_plain_text_in_a_figure(name: str) -> None:
    shown = label_text(name)
    assert "<" not in shown
    assert shown.isprintable()


def test_every_colour_of_a_figure_has_a_dark_counterpart() -> None:
    text = new_figure(x_title="x").to_json()
    used = {part[:7] for part in text.split('"') if part.startswith("#")}
    assert used
    assert used <= DARK.keys()
