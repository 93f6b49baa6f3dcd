"""Training on shares of the series plans, scales and sees what training on the whole table does."""

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from seqcast.config import Config
from seqcast.distributed import World
from seqcast.errors import DataError, SeqcastError
from seqcast.reading.options import ReadOptions
from seqcast.reading.shares import SeriesShare, find_share
from seqcast.run.shared_source import read_own_share, whole_source
from seqcast.run.source import Source, read_source, resolve_roles
from seqcast.tensors.scaling import ROLES
from seqcast.training.plan import make_plan
from seqcast.training.setup import TrainingSetup, gather, gather_part, prepare
from seqcast.training.validation import _seasonal_naive
from tests.in_threads import in_threads
from tests.panels import CPU, small_config

CONFIG = small_config(
    data={"known": ("price", "kind"), "static": ("size", "region"), "validation_size": None},
    model={"horizon": None, "context": None, "location": None},
    training={"max_steps": None, "batch_size": None, "validate_every": None},
)


def write_shop(path: Path) -> str:
    """Daily sales of shops of unlike lengths, with gaps and covariates, whose categories no share has all of."""
    random = np.random.default_rng(0)
    frames = []
    for number, length in enumerate((61, 90, 9, 75, 83, 64)):
        frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=length) + pd.Timedelta(days=number)})
        frame["y"] = np.round(50 + 10 * np.sin(2 * np.pi * np.arange(length) / 7) + random.normal(size=length), 3)
        frame["price"], frame["kind"] = random.normal(3, 2, length), random.choice(["a", "b", f"only {number}"], length)
        frame["size"], frame["region"] = float(number), f"region {number % 4}"
        frame.loc[[4, 6], "y"] = np.nan
        frames.append(frame.drop(index=2).assign(unique_id=f"shop {number}"))
    pd.concat(frames).to_parquet(path, index=False, row_group_size=100)
    return str(path)


def shared(data: str, world: World, config: Config = CONFIG) -> Source:
    share = find_share(data, config.data, ReadOptions(), world.rank, world.size)
    assert isinstance(share, SeriesShare)
    return whole_source(read_own_share(share, config.data), share, world.gathered)


def setup_of(source: Source, world: World, config: Config = CONFIG) -> TrainingSetup:
    plan = make_plan(source.panel, resolve_roles(config, source.panel))
    return prepare(source.panel, plan, replace(CPU, world=world))


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Source, TrainingSetup]:
    """The table, and what one process makes of it."""
    data = write_shop(tmp_path_factory.mktemp("shares") / "shop.parquet")
    source = read_source(data, CONFIG.data)
    return data, source, setup_of(source, World())


@pytest.fixture(scope="module")
def shares(whole: tuple[str, Source, TrainingSetup]) -> list[TrainingSetup]:
    """What each of two processes makes of it."""
    return in_threads(2, lambda world: setup_of(shared(whole[0], world), world))


class TestTwoShares:
    def test_the_record_tells_of_the_whole_table(self, whole: tuple[str, Source, TrainingSetup]) -> None:
        data, source, _ = whole
        for each in in_threads(2, lambda world: shared(data, world)):
            assert each.record() == source.record()
            assert each.panel.series_ids == source.panel.series_ids
            assert len(each.panel.target) < 0.7 * len(source.panel.target)

    def test_everything_that_training_starts_from_is_the_same(
        self, whole: tuple[str, Source, TrainingSetup], shares: list[TrainingSetup]
    ) -> None:
        setup = whole[2]
        for own in shares:
            assert own.config == setup.config
            assert own.plan.choices == setup.plan.choices
            assert own.identity == setup.identity
            assert own.network.shape == setup.network.shape
            for name in ("count", "mean", "variance", "scale"):
                np.testing.assert_array_equal(getattr(own.scalers.target, name), getattr(setup.scalers.target, name))
            for role in ROLES:
                found, expected = getattr(own.scalers, role), getattr(setup.scalers, role)
                np.testing.assert_allclose(found.numeric.mean, expected.numeric.mean, rtol=1e-12)
                np.testing.assert_allclose(found.numeric.scale, expected.numeric.scale, rtol=1e-12)
                assert [each.tolist() for each in found.categories] == [each.tolist() for each in expected.categories]
            assert own.linear is not None
            assert setup.linear is not None
            np.testing.assert_allclose(own.linear.weights, setup.linear.weights, atol=1e-6)

    def test_every_process_sees_the_same_windows_and_computes_a_part(
        self, whole: tuple[str, Source, TrainingSetup], shares: list[TrainingSetup]
    ) -> None:
        setup = whole[2]
        windows = setup.train_windows.draw(np.random.default_rng(0), 7)

        def seen(world: World) -> Any:
            own = shares[world.rank]
            return gather(own, *windows), gather_part(own, *windows), _seasonal_naive(own, *windows)

        batch, naive = gather(setup, *windows), _seasonal_naive(setup, *windows)
        for rank, (all_windows, part, own_naive) in enumerate(in_threads(2, seen)):
            for each in fields(batch):
                found, expected = (getattr(each_batch, each.name).double() for each_batch in (all_windows, batch))
                np.testing.assert_allclose(found, expected, atol=1e-6)
            assert same(part, all_windows.take(np.arange(rank, 7, 2)))
            assert all(torch.equal(one, other) for one, other in zip(own_naive, naive, strict=True))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"ds": pd.date_range("2024-01-01", periods=40, freq="W")},
            "share 1 of its series has the frequency 'W-SUN', and share 2 has 'D'",
        ),
        ({"price": "word"}, "column 'price' holds numbers in one share of its series and categories in another"),
    ],
)
def test_shares_that_do_not_fit_together_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    base = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=40), "y": np.arange(40.0), "price": "1"})
    parts = [base.assign(unique_id="shop 0"), base.assign(unique_id="shop 4", **columns)]
    data = str(tmp_path / "d.parquet")
    pd.concat(parts).to_parquet(data, index=False)
    config = small_config(data={"known": ("price",)})

    def refused(world: World) -> str:
        with pytest.raises(DataError) as error:
            shared(data, world, config)
        return error.value.message

    for text in in_threads(2, refused):
        assert re.search(message, text), text


def with_format(source: Source, text: str | None) -> Source:
    return replace(source, table=replace(source.table, options=ReadOptions(found_format=text)))


def with_target(source: Source, name: str) -> Source:
    return replace(source, panel=replace(source.panel, schema=replace(source.panel.schema, target=(name,))))


def with_ids(source: Source, *ids: str) -> Source:
    return replace(source, panel=replace(source.panel, series_ids=ids))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            lambda own, rank: with_format(own, "%d/%m/%Y" if rank else "ISO 8601"),
            "share 1 .* as ISO 8601, and .* as %d/",
        ),
        (lambda own, rank: with_target(own, f"y{rank}"), "the columns have other roles in share 2 of its series"),
        (
            lambda own, _: with_ids(own, *(f"same {n}" for n in range(own.panel.num_series))),
            "some ids are not the same",
        ),
        (lambda own, rank: replace(own, panel=own.panel.take_series(np.arange(1))), "some ids are not the same"),
    ],
)
def test_shares_that_were_read_unlike_each_other_are_refused(
    whole: tuple[str, Source, TrainingSetup], changed: Callable[[Source, int], Source], message: str
) -> None:
    def joined(world: World) -> None:
        share = find_share(whole[0], CONFIG.data, ReadOptions(), world.rank, world.size)
        assert isinstance(share, SeriesShare)
        own = changed(read_own_share(share, CONFIG.data), world.rank)
        with pytest.raises(DataError, match=message):
            whole_source(own, share, world.gathered)

    in_threads(2, joined)


@pytest.mark.parametrize(
    ("sections", "target", "message"),
    [
        ({"data": {"integer": True}}, [1.0, 2.5], "training values are not whole numbers, such as 2.5"),
        ({}, [np.nan, 1.0], ""),
    ],
)
def test_what_one_share_holds_decides_for_all(
    tmp_path: Path, sections: dict[str, Any], target: list[float], message: str
) -> None:
    steps = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60)})
    parts = [
        steps.assign(unique_id=f"shop {4 * n}", y=np.where(steps.index % 2, value, 3.0))
        for n, value in enumerate(target)
    ]
    data, config = str(tmp_path / "d.parquet"), small_config(**sections)
    pd.concat(parts).to_parquet(data, index=False)

    def planned(world: World) -> str:
        try:
            return "\n".join(each.line for each in setup_of(shared(data, world, config), world, config).plan.choices)
        except SeqcastError as error:
            return error.message

    one = setup_of(read_source(data, config.data), World(), config).plan.choices if not message else ()
    expected = "\n".join(each.line for each in one)
    for text in in_threads(2, planned):
        assert message in text
        assert message or text == expected
