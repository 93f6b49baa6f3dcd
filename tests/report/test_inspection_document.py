"""Whatever `inspect` prints, its JSON document holds: every column of every table, and every number in a sentence."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqcast.attention.inspection import Inspection, Question, inspect
from seqcast.cli.inspect import inspection_view
from seqcast.model.ensemble import Ensemble
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Covariates, Panel
from seqcast.run.load import TrainedModel
from tests.panels import make_panel, random_model, small_config, waves
from tests.report.printed import PrintedTable, numbers_of, sentences_of, shows, tables_of

TOP = 4
Row = dict[str, Any]
Columns = dict[str, str | Callable[[Row], object]]
"""The key in a row of the document, or how its value follows from the row, for each heading."""


def _lags_of_band(row: Row) -> str:
    first, last = row["first_lag"], row["last_lag"]
    return str(first) if first == last else f"{first}-{last}"


def _nothing(row: Row) -> None:
    """A bar, which repeats a number."""


TABLES: dict[str, tuple[Callable[[Row], list[Row]], Columns]] = {
    "cumulative": (
        lambda document: document["lags"],
        {"lag": "lag", "duration": "duration", "weight": _nothing, "share": "share", "cumulative": "cumulative"}
        | {"lift": "lift", "spread": "spread", "moves": "moves", "states": "states"},
    ),
    "peak": (
        lambda document: document["bands"],
        {"lags": _lags_of_band, "peak": "peak_lag", "duration": "peak_duration", "share": "share", "lift": "lift"},
    ),
    "linear fit": (
        lambda document: document["parts_compared"]["lags"],
        {"lag": "lag", "duration": "duration", "network": "network", "linear fit": "start"},
    ),
    "at others": (
        lambda document: document["align"]["rows"],
        {"attended": "label", "at occurrences": "at_occurrences", "at others": "at_others"}
        | {"equal weights": "equal_weights"},
    ),
    "attention-implied": (
        lambda document: document["attention_implied"]["steps"],
        {"time": lambda row: row["ds"].replace("T", " ")[:16], "attention-implied": "attention_implied"}
        | {"seqcast": "seqcast", "seasonal naive": "seasonal_naive"},
    ),
    "other run": (
        lambda document: document["compare"]["lags"],
        {"lag": "lag", "duration": "duration", "this run": "share", "other run": "other_share"}
        | {"difference": "difference"},
    ),
    "weight on it": (
        lambda document: document["suggest"]["rows"],
        {"context": "context", "": _nothing, "duration": "duration", "weight on it": "share", "error": "error"}
        | {"change": "error_change"},
    ),
    "origins": (
        lambda document: document["errors"],
        {"origins": "label", "windows": "num_windows", "error": "mean_error", "from": "lowest_error"}
        | {"to": "highest_error", "effective lags": "effective_lags"},
    ),
}
"""Plain tables, by a heading that only they have."""


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Hourly series of two kinds, with a flag that is mostly 0."""
    series = waves((151, 149, 139), period=24)
    num_rows = sum(map(len, series))
    flags = (np.random.default_rng(5).random((num_rows, 1)) < 0.1).astype(float)
    known = Covariates(("flag",), flags, (), (), np.empty((num_rows, 0), np.int32))
    kinds = np.array([[0], [1], [0]], np.int32)
    static = Covariates((), np.empty((3, 0)), ("kind",), (("a", "b"),), kinds)
    return make_panel(series, frequency=parse_frequency("h"), known=known, static=static)


@pytest.fixture(scope="module")
def model(panel: Panel) -> TrainedModel:
    """A network of random weights that has three quarters of the forecast, and another one as its linear start."""
    config = small_config(model={"horizon": 5, "context": 23})
    network, start = (random_model(panel, config, seed) for seed in (0, 1))
    networks = [*start.network.networks, *network.network.networks]
    return replace(network, network=Ensemble(networks, [0.25, 0.75]).eval(), linear_share=0.25)


@pytest.fixture(scope="module")
def everything(model: TrainedModel, panel: Panel) -> Inspection:
    asked = {"verify": True, "suggest": True, "parts": True, "explain": True, "align": "flag", "other": model}
    return inspect(model, panel, Question(windows=3, group_by="kind", top=TOP, **asked))


@pytest.fixture(scope="module")
def by_error(model: TrainedModel, panel: Panel) -> Inspection:
    return inspect(model, panel, Question(windows=12, group_by="error", top=TOP))


def printed(found: Inspection, model: TrainedModel, *, top: int = TOP) -> tuple[list[PrintedTable], str, Any]:
    """The tables, the sentences and the document of an inspection."""
    view = inspection_view(found, model, top, single=True)
    return tables_of(view), sentences_of(view), json.loads(json.dumps(found.as_dict(top)))


def differences(table: PrintedTable, document: Row) -> Iterator[str]:
    """The cells of a plain table that do not show what the document has."""
    (kind,) = set(table.headings) & set(TABLES)
    rows_of, columns = TABLES[kind]
    rows = rows_of(document)
    assert len(rows) >= len(table.rows) > 0
    for cells, row in zip(table.rows, rows, strict=False):
        for heading, cell in zip(table.headings, cells, strict=True):
            key = columns[heading]
            value = row[key] if isinstance(key, str) else key(row)
            if key is not _nothing and not shows(cell, value):
                yield f"{kind}, {heading}: {cell!r} is not {value!r}"


def is_plain(table: PrintedTable) -> bool:
    return bool(set(table.headings) & set(TABLES))


class TestTables:
    def test_each_column_of_each_plain_table_is_in_the_document(
        self, everything: Inspection, by_error: Inspection, model: TrainedModel
    ) -> None:
        seen = set()
        for found in (everything, by_error):
            tables, _, document = printed(found, model)
            for table in filter(is_plain, tables):
                seen |= set(table.headings) & set(TABLES)
                assert list(differences(table, document)) == []
        assert seen == set(TABLES)

    def test_no_other_table_is_printed_than_those_that_are_compared(
        self, everything: Inspection, by_error: Inspection, model: TrainedModel
    ) -> None:
        other = [
            table.headings
            for found in (everything, by_error)
            for table in printed(found, model)[0]
            if not is_plain(table)
        ]
        steps = ("steps 1-2", "step 3", "step 4", "step 5")
        assert other == [
            ("kind", "effective lags", "first lag", "second", "third"),
            ("input", "", "forecast", "±", "alone", "accuracy", "±"),
            ("input", *steps),
            ("band", "duration", "share", "test", "change", "others", "error", "others"),
            ("lag", "duration", "worst tenth", "the rest", "best tenth"),
        ]

    @pytest.mark.parametrize("top", [1, TOP])
    def test_the_lags_of_each_group(self, top: int, everything: Inspection, model: TrainedModel) -> None:
        tables, _, document = printed(everything, model, top=top)
        (table,) = [table for table in tables if "first lag" in table.headings]
        for (label, effective, *lags), group in zip(table.rows, document["groups"], strict=True):
            assert shows(label, group["label"])
            assert shows(effective, group["effective_lags"])
            for cell, row in zip(lags, group["lags"], strict=False):
                lag, share = cell.split(maxsplit=1)
                assert shows(lag, row["lag"])
                assert shows(share, row["share"])

    def test_the_parts_of_each_input(self, everything: Inspection, model: TrainedModel) -> None:
        tables, _, document = printed(everything, model)
        overall, by_step = [table for table in tables if table.headings[0] == "input"]
        inputs = document["explain"]["inputs"]
        for (name, _, *cells), each in zip(overall.rows, inputs, strict=True):
            keys = ("forecast", "forecast_error", "alone", "accuracy", "accuracy_error")
            assert shows(name, each["name"])
            assert all(shows(cell, each["overall"][key]) for cell, key in zip(cells, keys, strict=True))
        for (_, *cells), each in zip(by_step.rows, inputs, strict=True):
            assert all(shows(cell, part["forecast"]) for cell, part in zip(cells, each["by_horizon"], strict=True))
        assert by_step.headings[1:] == tuple(part["label"] for part in inputs[0]["by_horizon"])

    def test_the_effects_of_each_test(self, everything: Inspection, model: TrainedModel) -> None:
        tables, _, document = printed(everything, model)
        (table,) = [table for table in tables if "test" in table.headings]
        found = document["verify"]
        rows = [(test, band[test]) for band in found["bands"][:3] for test in ("removed", "moved", "replaced")]
        rows += [("removed", found["together"]), ("shuffled", found["shuffled"]), ("without", found["without"])]
        assert len(table.rows) == len(rows)
        for number, (cells, (test, effect)) in enumerate(zip(table.rows, rows, strict=True)):
            band, _, share, printed_test, change, others, error, other_error = cells
            assert printed_test == test
            assert shows(change, effect["forecast_change"])
            assert shows(error, effect["error_change"])
            if test == "replaced":
                control = found["bands"][number // 3]["replaced_control"]
                assert shows(others, control["forecast_change"])
                assert shows(other_error, control["error_change"])
            if share:
                assert shows(share, found["bands"][number // 3]["share"])
                assert _lags_of_band(found["bands"][number // 3]) in band

    def test_the_shares_of_the_groups_by_error(self, by_error: Inspection, model: TrainedModel) -> None:
        tables, _, document = printed(by_error, model)
        (table,) = [table for table in tables if table.headings[0] == "lag" and "worst tenth" in table.headings]
        for number, (lag, _, *shares) in enumerate(table.rows):
            for cell, group in zip(shares, document["errors"], strict=True):
                assert shows(lag, group["lags"][number]["lag"])
                assert shows(cell, group["lags"][number]["share"])


def scalars(value: object) -> Iterator[object]:
    """All numbers and texts of a document."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from scalars(each)
    else:
        yield value


def results(value: Row) -> Row:
    """The document without its long lists of lags, in which any number could be found."""
    return {name: each for name, each in value.items() if name not in ("lags", "bands", "groups", "errors", "parts")}


DEFINITIONS = (
    "lag_origin 1",
    "50 % of itself",
    "nine of ten",
    "at most 2.0 %",
    "carry 2 times",
    "below 0 % or above 100 %",
)
"""Numbers of sentences that define something and are the same for every run."""


def test_each_number_in_a_sentence_is_in_the_document(
    everything: Inspection, by_error: Inspection, model: TrainedModel, panel: Panel
) -> None:
    one = inspect(model, panel.take_series(np.array([0])), Question(windows=1))
    for found in (everything, by_error, one):
        _, text, document = printed(found, model)
        known = [value for value in scalars(results(document)) if value is not None]
        words = " ".join(value for value in known if isinstance(value, str)).replace("T", " ")
        numbers = [value for value in known if isinstance(value, int | float)]
        for told in (*DEFINITIONS, found.report.overall.label):
            text = text.replace(told, "")
        missing = [
            number
            for number in numbers_of(text)
            if number not in words and not any(shows(number, value) for value in numbers)
        ]
        assert missing == []


def test_a_single_window_has_times_and_a_cutoff(model: TrainedModel, panel: Panel) -> None:
    found = inspect(model, panel.take_series(np.array([0])), Question(windows=1, top=TOP))
    tables, text, document = printed(found, model)
    (table,) = [table for table in tables if "attended time" in table.headings]
    place = table.headings.index("attended time")
    for cells, row in zip(table.rows, document["lags"], strict=True):
        assert cells[place].split()[-1] == row["attended_time"][11:16]
    assert f"ahead of {document['cutoff'].replace('T', ' ')[:16]}" in text
