import re

import numpy as np
import pytest
from numpy.typing import NDArray

from seqcast.attention.lag_report import Relative, lag_report
from seqcast.report.heatmap import GREYS, Heatmap
from tests.forecasts import make_map
from tests.report.rendering import ColorSystem, shown, shown_in_colour


def make_heatmap(weights: NDArray[np.float64], relative: Relative = "origin") -> Heatmap:
    return Heatmap(lag_report([make_map(weights[None])], relative))


def one_hot(horizon: int, context: int, lags: list[int]) -> NDArray[np.float64]:
    """Step t puts all its weight `lags[t]` before the start of the forecast."""
    weights = np.zeros((horizon, context))
    weights[np.arange(horizon), context - np.array(lags)] = 1
    return weights


def rows_of(text: str) -> dict[str, str]:
    """Label and cells of every row of the picture."""
    found = re.findall(rf"^ *(\d+(?:-\d+)?) ([{GREYS}·]+)$", text, flags=re.MULTILINE)
    return dict(found)


def test_a_cell_stands_at_its_step_and_lag() -> None:
    rows = rows_of(shown(make_heatmap(one_hot(3, 5, [1, 4, 5])), 9))
    assert rows == {"1": "█    ", "2": "   █ ", "3": "    █"}


def test_before_the_target_a_diagonal_becomes_a_stripe() -> None:
    rows = rows_of(shown(make_heatmap(one_hot(3, 5, [5, 4, 3]), "target"), 11))
    assert rows == {"1": "    █··", "2": "·   █ ·", "3": "··  █  "}


def test_a_column_is_the_sum_of_its_lags() -> None:
    weights = np.array([[0.1, 0.15, 0.15, 0.1, 0.5]])  # from lag 5 to lag 1
    text = shown(make_heatmap(weights), 7)
    assert rows_of(text) == {"1": "█▓▒"}
    assert "acolumnisthesumof2lags" in "".join(text.split())


def test_a_row_is_the_mean_of_its_steps() -> None:
    lags = [1] * 24 + [1] + [2] * 23
    text = shown(make_heatmap(one_hot(48, 3, lags)), 40)
    rows = rows_of(text)
    assert len(rows) == 24
    assert rows["23-24"] == "████" + " " * 8
    assert rows["25-26"] == "▓▓▓▓▓▓▓▓    "
    assert rows["47-48"] == "    ████    "
    assert "a row is the mean of 2 steps" in " ".join(text.split())


@pytest.mark.parametrize(("weights", "row"), [([0.64, 0.26, 0.11, 0.02, 0.0], " ░▒▓█"), ([0.0, 0, 0, 0, 0], " " * 5)])
def test_shades_follow_the_root_of_the_weight(weights: list[float], row: str) -> None:
    assert rows_of(shown(make_heatmap(np.array([weights])), 9)) == {"1": row}


def test_the_legend_says_what_the_darkest_shade_is() -> None:
    text = " ".join(shown(make_heatmap(np.array([[0.4, 0.3, 0.2, 0.1, 0.0]]))).split())
    assert "█ from 30.6 %, ▓ from 15.6 %, ▒ from 5.6 %, ░ from 0.6 % of a step's weight" in text


def test_the_axis_names_lags() -> None:
    text = shown(make_heatmap(one_hot(2, 11, [1, 2])), 60)
    assert "   1   2   3   4   5   6   7   8   9   10  11" in text


def test_the_axis_names_the_lags_that_share_a_column() -> None:
    axis = shown(make_heatmap(one_hot(2, 100, [1, 100])), 50).splitlines()[-4:]
    line = next(line for line in axis if line.strip().startswith("1-3"))
    starts = {match.group(): match.start() - 3 for match in re.finditer(r"\d+-\d+", line)}
    assert starts["1-3"] == 0
    for label, column in starts.items():
        assert label == f"{3 * column + 1}-{3 * column + 3}"


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("relative", ["target", "origin"])
def test_it_fits_any_width(width: int, relative: Relative) -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(97), size=53)
    rows = rows_of(shown(make_heatmap(weights, relative), width))
    assert len(rows) == 18
    assert len({len(row) for row in rows.values()}) == 1


def test_colours_take_the_place_of_shades() -> None:
    text = shown_in_colour(make_heatmap(one_hot(2, 3, [1, 3])))
    assert "\x1b[48;2;253;231;37m" in text
    assert "\x1b[48;2;68;1;84m" in text
    assert not set("░▒▓█") & set(text)
    legend = re.sub(r"\x1b\[[0-9;]*m *", "", text.splitlines()[-1])
    assert legend == "0 % 25.0 % 100.0 % of a step's weight; · out of reach"


@pytest.mark.parametrize(
    ("system", "no_color", "shaded"),
    [("256", False, False), ("standard", False, True), (None, False, True), ("truecolor", True, True)],
)
def test_a_terminal_with_few_colours_or_none_gets_shades(system: ColorSystem, no_color: bool, shaded: bool) -> None:
    text = shown_in_colour(make_heatmap(one_hot(2, 3, [1, 3])), 40, system, no_color=no_color)
    assert ("█" in text) is shaded
    assert ("\x1b[48;" in text) is not shaded
