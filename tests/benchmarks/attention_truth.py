"""Whether attention names the steps that data really come from, beside occlusion and integrated gradients.

    python -m tests.benchmarks.attention_truth [--kinds lags,regime,...] [--seeds 0,1,2] [--max-steps 400]

Series are made so that the right context step of every forecast step is known. A network is trained on them, and three
methods score the context steps of the same forecasts on the test part: its attention weights; the change of the
forecast when a value is replaced (occlusion); integrated gradients (Sundararajan et al. 2017, by captum, which
`pip install '.[benchmarks]'` installs). Printed for each: the area under the precision-recall curve of each forecast
step, on average, and the part of the score on the right steps. Prints one JSON document per kind.
"""

import argparse
import json
import time
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from seqcast.config import Config
from seqcast.forecasting import Forecasting
from seqcast.model.network import Standardisation
from seqcast.panel.arrays import BoolArray, FloatArray, IntArray
from seqcast.panel.frequency import parse_frequency
from seqcast.panel.panel import Covariates, Panel
from seqcast.results.origins import Origins
from seqcast.run.load import TrainedModel
from seqcast.runtime import Runtime
from seqcast.tensors.windows import WindowBatch
from seqcast.training.fit import train_model
from seqcast.training.plan import make_plan
from tests.panels import make_panel

Kind = Literal["lags", "regime", "static", "static-37", "event", "marker", "decoy", "collinear"]
HORIZON, CONTEXT, TEST = 12, 72, 72
SERIES, LENGTH, BURN = 40, 600, 120
NUM_WINDOWS, GRADIENT_STEPS = 32, 24
DECOY = 48


@dataclass(frozen=True, eq=False)
class Planted:
    """Series and the lags of the right steps."""

    panel: Panel
    lags: IntArray
    """(series, steps, 3) lags of the values that a step follows from; 0 for none."""


def planted(kind: Kind, seed: int) -> Planted:
    """The series of one kind.

    lags: .55 of the value 24 and .40 of that 37 steps before. regime: 24 or 36, by a known covariate that holds for a
    day. static: 24 or 36 by the kind of series. static-37: 24 or 37, which have no multiple in common that would do for
    both. event: a flagged step repeats the flagged step before it. marker: 24 or 48, by the sign of a spike at midnight.
    decoy: 24; lag 48 correlates and has no effect. collinear: a daily profile, so that all multiples of 24 are equally
    right.
    """
    random, total = np.random.default_rng(seed), LENGTH + BURN
    y, lags = random.normal(size=(SERIES, total)), np.zeros((SERIES, total, 3), np.int64)
    known = static = None
    match kind:
        case "regime":
            known = random.integers(0, 2, (SERIES, total // 24))[:, np.arange(total) // 24]
            _follow(random, y, lags, np.where(known == 0, 24, 36))
        case "static" | "static-37":
            static = np.arange(SERIES) % 2
            other = 36 if kind == "static" else 37
            _follow(random, y, lags, np.repeat(np.where(static == 0, 24, other), total).reshape(y.shape))
        case "event":
            known = _events(random, y, lags)
        case "marker":
            _markers(random, y, lags)
        case "collinear":
            lags[:] = 24, 48, 72
            y = random.normal(size=(SERIES, 24))[:, np.arange(total) % 24] + 0.1 * y
        case "decoy":
            _follow(random, y, lags, np.full(y.shape, 24))
        case "lags":
            lags[:, :, :2] = 24, 37
            for t in range(37, total):
                y[:, t] = 0.55 * y[:, t - 24] + 0.40 * y[:, t - 37] + 0.3 * y[:, t]
    return Planted(_panel(y, known, static), lags[:, BURN:])


def _follow(random: np.random.Generator, y: FloatArray, lags: IntArray, right: IntArray) -> None:
    """Let every step follow from the one `right` (series, steps) before it."""
    lags[:, :, 0], rows = right, np.arange(SERIES)
    for t in range(37, y.shape[1]):
        y[:, t] = 0.95 * y[rows, t - right[:, t]] + 0.3 * random.normal(size=SERIES)


def _markers(random: np.random.Generator, y: FloatArray, lags: IntArray) -> None:
    """Let the afternoon follow from that of one or two days before, as the sign of a spike at midnight says."""
    rows, days = np.arange(SERIES), -(-y.shape[1] // 24)
    sign = random.choice([-1, 1], (SERIES, days))
    y *= 0.5
    for t in range(48, y.shape[1]):
        own = sign[:, t // 24]
        if t % 24 == 0:
            y[:, t] = 3 * own
        elif t % 24 >= 12:
            lags[:, t, 0] = np.where(own > 0, 24, 48)
            y[:, t] = 0.95 * y[rows, t - lags[:, t, 0]] + 0.3 * random.normal(size=SERIES)


def _events(random: np.random.Generator, y: FloatArray, lags: IntArray) -> IntArray:
    """Fill series with noise and flagged steps, each of which repeats the one before it; returns the flags."""
    flags = np.zeros(y.shape, np.int64)
    for t in range(1, y.shape[1]):
        y[:, t] = 0.7 * y[:, t - 1] + 0.35 * random.normal(size=len(y))
    for i in range(len(y)):
        t, before, level = int(random.integers(0, 30)), -1, 3 * random.normal()
        while t < y.shape[1]:
            lags[i, t, 0] = t - before if before >= 0 else 0
            level = 0.95 * level + 0.9 * random.normal()
            y[i, t], flags[i, t], before = level, 1, t
            t += int(random.integers(30, 61))
    return flags


def _panel(y: FloatArray, known: IntArray | None, static: IntArray | None) -> Panel:
    covariates: dict[str, Covariates] = {}
    if known is not None:
        numbers = known[:, BURN:].reshape(-1, 1).astype(np.float64)
        covariates["known"] = Covariates(("switch",), numbers, (), (), np.empty((len(numbers), 0), np.int32))
    if static is not None:
        codes = static[:, None].astype(np.int32)
        covariates["static"] = Covariates((), np.empty((len(static), 0)), ("kind",), (("A", "B"),), codes)
    return make_panel(list(y[:, BURN:]), frequency=parse_frequency("h"), **covariates)


def asked_windows(data: Planted) -> tuple[Origins, BoolArray]:
    """Windows of the test part with a right step in the context, and (W, H, S) the right steps."""
    positions = np.arange(LENGTH - TEST, LENGTH - HORIZON + 1, HORIZON)
    series, positions = (grid.ravel() for grid in np.meshgrid(np.arange(SERIES), positions, indexing="ij"))
    steps = positions[:, None] + np.arange(HORIZON)
    place = CONTEXT + np.arange(HORIZON)[None, :, None] - data.lags[series[:, None], steps]  # (W, H, 3)
    inside = (data.lags[series[:, None], steps] > 0) & (place >= 0) & (place < CONTEXT)
    right = (np.eye(CONTEXT, dtype=bool)[np.clip(place, 0, CONTEXT - 1)] & inside[..., None]).any(axis=2)
    asked = np.flatnonzero(right.any(axis=(1, 2)))
    chosen = np.sort(np.random.default_rng(0).permutation(asked)[:NUM_WINDOWS])
    return Origins(series[chosen], positions[chosen]), right[chosen]


class Scorers:
    """Three scores (W, H, S) of every context step of the same forecasts."""

    def __init__(self, model: TrainedModel, panel: Panel, origins: Origins) -> None:
        self.network = model.network
        forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
        ((_, self.batch),) = forecasting.batches(origins, len(origins))
        self.units = self.network.networks[0].standardise(self.batch)
        (attention,) = forecasting.attention(origins)
        self.attention = attention.weights.astype(np.float64)

    def point(self, window: int, values: Tensor) -> Tensor:
        """(copies, H) point forecasts of copies of a window with other context values (copies, S)."""
        rows = torch.full((len(values),), window)
        copies = WindowBatch(**{field.name: getattr(self.batch, field.name)[rows] for field in fields(WindowBatch)})
        units = Standardisation(self.units.location[rows], self.units.scale[rows])
        batch = replace(copies, context_target=values)
        return self.network.decode(batch, self.network.encode(batch, units)).values[
            ..., self.network.layout.point_index
        ]

    def occlusion(self) -> FloatArray:
        """Change of the forecast when one value becomes the location of its window."""
        found = []
        with torch.inference_mode():
            for window, own in enumerate(self.batch.context_target):
                values = own.repeat(CONTEXT + 1, 1)
                values[torch.arange(CONTEXT), torch.arange(CONTEXT)] = self.units.location[window]
                points = self.point(window, values)
                found.append((points[:-1] - points[-1]).abs().T.numpy())
        return np.stack(found).astype(np.float64)

    def gradients(self, asked: BoolArray) -> FloatArray:
        """Integrated gradients from the location of each window to its values, at the steps (W, H) that are asked."""
        found = np.zeros((*asked.shape, CONTEXT))
        for window, step in np.argwhere(asked):
            method = IntegratedGradients(lambda values, window=window: self.point(window, values))
            own = self.batch.context_target[window : window + 1]
            baseline = self.units.location[window].expand_as(own)
            given = method.attribute(own, baseline, target=int(step), n_steps=GRADIENT_STEPS)
            found[window, step] = given.detach().abs().numpy()[0]
        return found


def quality(scores: FloatArray, right: BoolArray) -> dict[str, float]:
    """Mean area under the precision-recall curve, and mean part of the score on the right steps (steps, S)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(right, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    area = (precision * hits).sum(axis=1) / hits.sum(axis=1)
    share = (scores * right).sum(axis=1) / np.maximum(scores.sum(axis=1), 1e-12)
    return {"auprc": round(float(area.mean()), 3), "on_right": round(float(share.mean()), 3)}


def measured(kind: Kind, seed: int, max_steps: int | None) -> dict[str, Any]:
    """Train on one planted table and score the three methods."""
    data, started = planted(kind, seed), time.perf_counter()
    sizes = {"horizon": HORIZON, "context": CONTEXT}
    training = {"max_steps": max_steps, "seed": seed, "device": "cpu", "precision": "float32"}
    config = Config().override(data={"test_size": TEST}, model=sizes, training=training)
    runtime = Runtime(torch.device("cpu"), torch.float32, "benchmark")
    fitted = train_model(data.panel, make_plan(data.panel, config), runtime)
    model = fitted.model
    seconds = time.perf_counter() - started
    origins, right = asked_windows(data)
    asked = right.any(axis=2)
    scorers = Scorers(model, data.panel, origins)
    methods = {"attention": scorers.attention, "occlusion": scorers.occlusion(), "gradients": scorers.gradients(asked)}
    found: dict[str, Any] = {name: quality(scores[asked], right[asked]) for name, scores in methods.items()}
    if kind == "decoy":
        place = CONTEXT + np.arange(HORIZON) - DECOY
        found["attention_on_decoy"] = round(float(scorers.attention[:, np.arange(HORIZON), place].mean()), 3)
    steps = {"best_step": fitted.result.best_step, "steps": fitted.result.num_steps, "train_seconds": round(seconds, 1)}
    return {"kind": kind, "seed": seed, "start": round(model.linear_share, 2), **found, **steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(get_args(Kind)))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--max-steps", type=int, help="not given: the automatic budget")
    given = parser.parse_args()
    for kind in given.kinds.split(","):
        for seed in given.seeds.split(","):
            print(json.dumps(measured(kind, int(seed), given.max_steps)), flush=True)


if __name__ == "__main__":
    main()
