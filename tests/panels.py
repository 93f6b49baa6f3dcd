"""Small panels, configurations, networks and models for tests that start after a table has been read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from seqcast.config import Config
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import ForecastNetwork
from seqcast.model.shape import NetworkShape
from seqcast.panel.arrays import FloatArray
from seqcast.panel.frequency import Frequency, TimeArray, parse_frequency
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.schema import Schema
from seqcast.run.load import TrainedModel
from seqcast.runtime import Runtime
from seqcast.tensors.windows import WindowBatch
from seqcast.training.plan import make_plan
from seqcast.training.setup import TrainingSetup, prepare

DAILY = parse_frequency("D")
CPU = Runtime(torch.device("cpu"), torch.float32, "test")
LENGTHS = (61, 53, 47)
HORIZON, CONTEXT, HIDDEN = 5, 11, 7
FULL_SHAPE = NetworkShape(
    horizon=HORIZON,
    context=CONTEXT,
    season=7,
    num_past=2,
    num_known=3,
    num_static=1,
    past_categories=(3,),
    known_categories=(4, 2),
    static_categories=(5,),
)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread; for tiny tensors a second one costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_panel(
    series: Sequence[FloatArray],
    *,
    frequency: Frequency = DAILY,
    starts: TimeArray | None = None,
    ids: Sequence[str] | None = None,
    known: Covariates | None = None,
    past: Covariates | None = None,
    static: Covariates | None = None,
) -> Panel:
    """A panel of the given series, named s0, s1, ... and starting on 2024-01-01 unless said otherwise."""
    num_rows, num_series = sum(map(len, series)), len(series)
    known = known or Covariates.empty(num_rows)
    past = past or Covariates.empty(num_rows)
    static = static or Covariates.empty(num_series)
    first = np.datetime64("2024-01-01", "us") if frequency.unit != "integer" else np.int64(0)
    return Panel(
        schema=Schema(
            "long",
            "unique_id",
            "ds",
            ("y",),
            *(part.numeric_names + part.categorical_names for part in (known, past, static)),
        ),
        frequency=frequency,
        series_ids=tuple(ids) if ids is not None else tuple(f"s{number}" for number in range(num_series)),
        starts=np.full(num_series, first) if starts is None else starts,
        offsets=np.cumsum([0, *map(len, series)]),
        target=np.concatenate(series).astype(np.float64),
        known=known,
        past=past,
        static=static,
    )


def covariates(num_rows: int, seed: int, name: str) -> Covariates:
    """One numeric and one categorical column without holes."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, (num_rows, 1)).astype(np.int32)
    numeric = random.normal(3, 2, (num_rows, 1))
    return Covariates((name,), numeric, (f"{name} kind",), (("a", "b", "c"),), codes)


def waves(lengths: Sequence[int] = LENGTHS, seed: int = 0, period: int = 7) -> list[FloatArray]:
    """Seasonal series of different levels with noise."""
    random = np.random.default_rng(seed)
    return [
        100.0 * (number + 1)
        + 10 * np.sin(2 * np.pi * (np.arange(length) + number) / period)
        + random.normal(0, 1, length)
        for number, length in enumerate(lengths)
    ]


def wave_panel(lengths: Sequence[int] = LENGTHS, seed: int = 0) -> Panel:
    """Daily series with a weekly season and a few holes."""
    panel = make_panel(waves(lengths, seed))
    panel.target[[4, 5, 30]] = np.nan
    return panel


def full_panel(lengths: Sequence[int] = LENGTHS, seed: int = 0) -> Panel:
    """Daily series with a numeric and a categorical covariate of every role."""
    num_rows = sum(lengths)
    return make_panel(
        waves(lengths, seed),
        known=covariates(num_rows, seed + 1, "price"),
        past=covariates(num_rows, seed + 2, "visits"),
        static=covariates(len(lengths), seed + 3, "size"),
    )


def small_config(**sections: dict[str, Any]) -> Config:
    """A configuration that trains in milliseconds, with the given values of each section on top."""
    small: dict[str, dict[str, Any]] = {
        "data": {"validation_size": 7},
        "model": {"horizon": HORIZON, "context": CONTEXT, "hidden": HIDDEN, "quantiles": (0.1, 0.5, 0.9)}
        | {"location": "last"},
        "training": {"max_steps": 6, "batch_size": 3, "validate_every": 2, "refit": False}
        | {"device": "cpu", "precision": "float32"},
    }
    return Config().override(**{name: values | sections.get(name, {}) for name, values in small.items()})


def small_setup(panel: Panel, config: Config, fingerprint: str = "data") -> TrainingSetup:
    """The setup of a training that is about to start."""
    return prepare(panel, make_plan(panel, config), CPU, fingerprint)


def randomise(network: nn.Module, seed: int = 0, spread: float = 0.4) -> None:
    """Fill every parameter, those that start at zero too, so that every input reaches the output."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)


def alone(network: ForecastNetwork) -> Ensemble:
    """An ensemble of one network."""
    return Ensemble([network.eval()], [1.0])


def random_model(panel: Panel, config: Config | None = None, seed: int = 0) -> TrainedModel:
    """A model with random weights and the scalers of the panel."""
    setup = small_setup(panel, config or small_config())
    randomise(setup.network, seed)
    return untrained_model(setup)


def untrained_model(setup: TrainingSetup) -> TrainedModel:
    """The model of a training about to start, as if it had ended there."""
    panel, network = setup.panel, alone(setup.network)
    return TrainedModel(setup.config, panel.schema, panel.frequency, panel.series_ids, setup.scalers, network)


def random_batch(shape: NetworkShape = FULL_SHAPE, num_windows: int = 3, seed: int = 0) -> WindowBatch:
    """Windows of random numbers with a few missing steps."""
    random = np.random.default_rng(seed)
    steps = shape.context + shape.horizon

    def numbers(*size: int) -> torch.Tensor:
        return torch.from_numpy(random.normal(size=size).astype(np.float32))

    def codes(categories: Sequence[int], *size: int) -> torch.Tensor:
        return torch.from_numpy(random.integers(0, np.array(categories, np.int64), (*size, len(categories))))

    observed = torch.from_numpy(random.random((num_windows, steps)) < 0.8)
    observed[:, [0, shape.context - 1, shape.context]] = True
    target = numbers(num_windows, steps).double() * observed
    return WindowBatch(
        context_target=target[:, : shape.context],
        context_observed=observed[:, : shape.context],
        past_features=numbers(num_windows, shape.context, shape.num_past),
        past_codes=codes(shape.past_categories, num_windows, shape.context),
        known_features=numbers(num_windows, steps, shape.num_known),
        known_codes=codes(shape.known_categories, num_windows, steps),
        static_features=numbers(num_windows, shape.num_static),
        static_codes=codes(shape.static_categories, num_windows),
        future_target=target[:, shape.context :],
        future_observed=observed[:, shape.context :],
        scale_known=torch.ones(num_windows, dtype=torch.bool),
        least=torch.full((num_windows, 1), -torch.inf, dtype=torch.float64),
    )


def planted_series(num_series: int, length: int, lags: tuple[int, int], seed: int = 0) -> list[FloatArray]:
    """Series in which every value depends on those `lags` before it, with noise."""
    random = np.random.default_rng(seed)
    series = []
    for _ in range(num_series):
        values = random.normal(0, 1, length + 200)
        for step in range(max(lags), len(values)):
            noise = 0.3 * values[step]
            values[step] = 0.55 * values[step - lags[0]] + 0.40 * values[step - lags[1]] + noise
        series.append(values[-length:])
    return series
