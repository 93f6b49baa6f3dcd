from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len

from seqcast.report.plots import MIN_HEIGHT, MIN_WIDTH, SeriesPlot, draw_plot

NUM_PAST, HORIZON = 61, 17
MARKS = set("▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")


def make_plot(size: float = 1.0) -> SeriesPlot:
    wave = size * np.sin(np.arange(NUM_PAST + HORIZON) / 5)
    forecast = wave[NUM_PAST:]
    return SeriesPlot(
        title="OT",
        times=np.datetime64("2024-01-01T05", "us") + np.arange(NUM_PAST + HORIZON).astype("timedelta64[h]"),
        history=wave[:NUM_PAST],
        forecast=forecast,
        low=forecast - 0.3 * size,
        high=forecast + 0.3 * size,
    )


def inside(drawn: str) -> list[str]:
    """What stands between the axes."""
    lines = drawn.splitlines()[2:-2]
    return [line[line.index("┤" if "┤" in line else "│") + 1 : -1] for line in lines]


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((80, 18), (80, 18)),
        ((200, 40), (200, 40)),
        ((0, 0), (MIN_WIDTH, MIN_HEIGHT)),
        ((5, 100), (MIN_WIDTH, 100)),
        ((100, 2), (100, MIN_HEIGHT)),
    ],
)
def test_it_has_the_size_asked_for_or_the_smallest_one(asked: tuple[int, int], drawn: tuple[int, int]) -> None:
    lines = draw_plot(make_plot(), *asked, color=False).rstrip("\n").split("\n")
    assert ({cell_len(line) for line in lines}, len(lines)) == ({drawn[0]}, drawn[1])


def test_with_colour_the_lines_differ_and_the_background_is_left_alone() -> None:
    drawn = draw_plot(make_plot(), 80, 18, color=True)
    assert "\x1b[38;5;31m" in drawn
    assert "\x1b[38;5;130m" in drawn
    assert "\x1b[48" not in drawn


def test_the_colour_of_one_plot_does_not_stay_for_the_next() -> None:
    plot = make_plot()
    before = draw_plot(plot, 80, 18, color=False)
    draw_plot(make_plot(7.0), 100, 30, color=True)
    assert draw_plot(plot, 80, 18, color=False) == before
    assert "\x1b" not in before


def test_times_and_values_are_written_at_the_axes() -> None:
    drawn = draw_plot(make_plot(), 80, 18, color=False)
    assert "2024-01-01 05:00" in drawn.splitlines()[-1]
    assert drawn.splitlines()[2].lstrip().startswith("1.")
    assert drawn.splitlines()[-3].lstrip().startswith("-1.")


def test_a_line_parts_the_history_from_the_forecast_and_its_interval() -> None:
    plot = make_plot()
    rows = inside(draw_plot(plot, 80, 18, color=False))
    (split,) = {row.index("┊") for row in rows if "┊" in row}
    assert split / len(rows[0]) == pytest.approx((NUM_PAST - 0.5) / (NUM_PAST + HORIZON), abs=0.03)
    assert not any("·" in row[:split] for row in rows)
    assert any("·" in row[split:] for row in rows)
    nothing = np.full(HORIZON, np.nan)
    assert "·" not in draw_plot(replace(plot, low=nothing, high=nothing), 80, 18, color=False)


def test_missing_history_leaves_a_gap() -> None:
    plot = make_plot()
    history = plot.history.copy()
    history[20:40] = np.nan
    rows = inside(draw_plot(replace(plot, history=history), 80, 18, color=False))
    width = len(rows[0])
    marked = {column for row in rows for column, character in enumerate(row) if character in MARKS}
    first, last = int(21 / (NUM_PAST + HORIZON) * width), int(38 / (NUM_PAST + HORIZON) * width)
    assert not marked & set(range(first, last))
    assert marked & set(range(first))


@pytest.mark.parametrize("value", [0.0, 5.0, -3e-9, 1e12])
def test_a_constant_series_is_a_line_in_the_middle(value: float) -> None:
    nothing = np.full(HORIZON, np.nan)
    constant = np.full(NUM_PAST, value)
    plot = replace(make_plot(), history=constant, forecast=constant[:HORIZON], low=nothing, high=nothing)
    rows = inside(draw_plot(plot, 80, 15, color=False))
    assert [index for index, row in enumerate(rows) if MARKS & set(row)] == [len(rows) // 2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, -1.7e308])
def test_no_value_ends_the_process(value: float) -> None:
    plot = make_plot()
    history = plot.history.copy()
    history[7] = value
    for part in (replace(plot, history=history), replace(plot, history=np.full(NUM_PAST, value))):
        assert "2024-01-01" in draw_plot(part, 60, 12, color=False)


def test_nothing_to_draw_is_an_empty_plot() -> None:
    nothing = np.full(HORIZON, np.nan)
    plot = replace(make_plot(), history=np.full(NUM_PAST, np.nan), forecast=nothing, low=nothing, high=nothing)
    assert not MARKS & set(draw_plot(plot, 60, 12, color=False))


def test_one_value_and_one_step_can_be_drawn() -> None:
    plot = make_plot()
    short = SeriesPlot("x", plot.times[:2], plot.history[:1], plot.forecast[:1], plot.low[:1], plot.high[:1])
    assert MARKS & set(draw_plot(short, 60, 12, color=False))


def test_the_title_is_data() -> None:
    drawn = draw_plot(replace(make_plot(), title="[b]x\x1b[31m" + "y" * 500), 80, 18, color=False)
    assert "[b]x\\x1b[31myyy" in drawn.splitlines()[0]
