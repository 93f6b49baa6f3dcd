"""Frames of other libraries than pandas: taken as they are, and answered in kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from seqcast import Config, Forecaster
from seqcast.errors import DataError, UsageError
from seqcast.reading.data_frames import read_frame
from tests.running import CONTEXT, HORIZON, write_future, write_panel

LENGTHS = {"b": 131, "a": 113}
SETTINGS = Config().override(
    data={"known": ("promo",), "static": ("region",)},
    model={"hidden": 7, "location": "last"},
    training={"max_steps": 3},
)
LIBRARIES: list[tuple[Callable[[pd.DataFrame], Any], type]] = [
    (pl.from_pandas, pl.DataFrame),
    (lambda frame: pa.Table.from_pandas(frame, preserve_index=False), pa.Table),
]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("frames")
    files: tuple[Path, Path] = (
        write_panel(folder / "p.csv", LENGTHS),
        write_future(folder / "f.csv", LENGTHS, 2 * HORIZON),
    )
    panel, future = (pd.read_csv(file, parse_dates=["ds"]) for file in files)
    return panel, future


@pytest.fixture(scope="module")
def fitted(frames: tuple[pd.DataFrame, pd.DataFrame]) -> Forecaster:
    return Forecaster(HORIZON, CONTEXT, config=SETTINGS).fit(frames[0])


def as_pandas(answer: Any) -> pd.DataFrame:
    found: pd.DataFrame = answer.to_pandas()
    return found


@pytest.mark.parametrize(("made", "kind"), LIBRARIES)
def test_every_answer_is_of_the_kind_that_fit_was_given_and_holds_the_same(
    made: Callable[[pd.DataFrame], Any], kind: type, frames: tuple[pd.DataFrame, pd.DataFrame], fitted: Forecaster
) -> None:
    panel, future = frames
    other = Forecaster(HORIZON, CONTEXT, config=SETTINGS).fit(made(panel))
    ahead = made(future)

    pairs = [
        (other.predict(future=ahead), fitted.predict(future=future)),
        (other.samples(3, future=ahead), fitted.samples(3, future=future)),
        (other.anomalies(level=60), fitted.anomalies(level=60)),
        (other.attention(), fitted.attention().astype({"unique_id": "str"})),
    ]

    for answer, expected in pairs:
        assert isinstance(answer, kind)
        assert len(answer) > 0
        pd.testing.assert_frame_equal(as_pandas(answer), expected, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(("made", "kind"), LIBRARIES)
def test_a_frame_that_a_method_is_given_decides_the_kind_of_its_answer(
    made: Callable[[pd.DataFrame], Any], kind: type, frames: tuple[pd.DataFrame, pd.DataFrame], fitted: Forecaster
) -> None:
    panel, future = frames
    expected = fitted.predict(frame=panel, future=future)
    assert isinstance(fitted.predict(frame=panel, future=made(future)), pd.DataFrame)
    for answer in (fitted.predict(frame=made(panel), future=future), fitted.predict(future=made(future))):
        assert isinstance(answer, kind)
        pd.testing.assert_frame_equal(as_pandas(answer), expected, check_exact=True, check_dtype=False)


def test_answers_join_the_frame_they_come_from(frames: tuple[pd.DataFrame, pd.DataFrame], fitted: Forecaster) -> None:
    panel = pl.from_pandas(frames[0]).with_columns(pl.col("ds").cast(pl.Datetime("us")))
    found = fitted.anomalies(panel, level=60)
    joined = panel.join(found, on=["unique_id", "ds"])
    assert joined["y"].to_list() == joined["y_right"].to_list()
    assert len(joined) == len(found)


def test_a_zone_is_kept(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    one = pl.from_pandas(frames[0]).filter(pl.col("unique_id") == "b").select("ds", "y")
    zoned = one.with_columns(pl.col("ds").dt.replace_time_zone("Europe/Berlin"))
    settings = Config().override(model={"hidden": 7, "location": "last"}, training={"max_steps": 2})
    answer = Forecaster(HORIZON, CONTEXT, config=settings).fit(zoned).predict()
    assert answer["ds"].dtype == pl.Datetime("us", "Europe/Berlin")
    assert answer["ds"][0] - zoned["ds"][-1] == pd.Timedelta(hours=1)


def test_static_covariates_may_come_in_a_frame_of_another_library(frames: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    static = pa.table({"unique_id": ["a", "b"], "size": [2.0, 3.0]})
    settings = SETTINGS.override(data={"known": (), "static": ("size",)})
    plain = pl.from_pandas(frames[0]).select("unique_id", "ds", "y")
    forecaster = Forecaster(HORIZON, CONTEXT, config=settings).fit(plain, static=static)
    assert isinstance(forecaster.predict(), pl.DataFrame)


def test_tables_of_each_library_have_one_content() -> None:
    frame = pd.DataFrame(
        {"ds": pd.date_range("2024-01-01", periods=3, unit="us"), "y": [1.0, None, 3.0], "p": list("aba")}
    )
    prints = {read_frame(made(frame)).fingerprint for made, _ in [*LIBRARIES, (lambda each: each, pd.DataFrame)]}
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("frame", "error", "told"),
    [
        (pl.LazyFrame({"y": [1]}), UsageError, r"DataFrame: a lazy frame has no rows yet\. Collect it first\."),
        (pl.Series([1]), UsageError, r"a table of pandas, polars or pyarrow is needed, not Series\."),
        (pl.DataFrame({"ds": [], "y": []}), DataError, "the table has no rows"),
        (
            pl.DataFrame({"y": [object()]}),
            DataError,
            r"column 'y': its values are Python objects, .* Cast the column\.",
        ),
        (pa.table([[1], [2]], names=["y", "y"]), DataError, r"DataFrame: several columns have the same name\."),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(frame: object, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        read_frame(frame)
