"""Whether the lags of the report are those to which the forecast is sensitive, on real data.

    python -m tests.benchmarks.lag_sensitivity --data ../shared/data [--only sunspots] [--max-steps 300]

Every value of some windows is moved a little, in the units of the window, and the change of every forecast step is added
up by lag. Prints Spearman's correlation of these sums with the shares of the report. The level of the window is an entry
of its own in both, because no lag shows it.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from seqcast.attention.changed_weights import point_forecast
from seqcast.attention.level import level_response, level_share
from seqcast.config import Config
from seqcast.forecasting import Forecasting
from seqcast.model.network import Standardisation
from seqcast.panel.arrays import FloatArray
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import known_origins
from seqcast.run.source import read_source, resolve_roles
from seqcast.runtime import Runtime
from seqcast.tensors.windows import WindowBatch
from seqcast.training.fit import train_model
from seqcast.training.plan import make_plan

WORKS: dict[str, tuple[str, int]] = {
    "air_passengers": ("air_passengers.csv", 12),
    "tourism": ("tourism_quarterly.csv.gz", 8),
    "sunspots": ("sunspots_monthly.csv", 24),
    "nn5": ("nn5_daily.csv.gz", 28),
    "vic_elec": ("vic_elec_30min.csv.gz", 48),
}
ROLES: dict[str, dict[str, Any]] = {
    "vic_elec": {"target": ("demand",)},
}
NUM_WINDOWS = 16
STEP = 0.05
"""Change of a value, in standard deviations of the window."""


@torch.inference_mode()
def sensitivity(forecasting: Forecasting, batch: WindowBatch) -> FloatArray:
    """(H, S) mean absolute change of each step of the forecast over that of each value, in the units of the window."""
    network, context = forecasting.model.network, forecasting.model.context
    units = network.networks[0].standardise(batch)
    sums = np.zeros((forecasting.model.horizon, context))
    for window in range(len(batch.context_target)):
        rows = torch.full((context,), window)
        own = Standardisation(units.location[rows], units.scale[rows])
        points = []
        for sign in (1, -1):
            copies = WindowBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(WindowBatch)})
            copies.context_target.diagonal().add_(sign * STEP * own.scale[:, 0])
            points.append(point_forecast(network, copies, network.encode(copies, own)).double())
        sums += ((points[0] - points[1]).abs() / (2 * STEP)).T.numpy()
    return sums / len(batch.context_target)


def measured(name: str, folder: Path, max_steps: int) -> dict[str, Any]:
    """Train on one file and compare the two profiles."""
    file, horizon = WORKS[name]
    config = Config().override(
        data=ROLES.get(name, {}),
        model={"horizon": horizon},
        training={"max_steps": max_steps, "device": "cpu", "precision": "float32"},
    )
    panel = read_source(str(folder / file), config.data).panel
    runtime = Runtime(torch.device("cpu"), torch.float32, "benchmark")
    model = train_model(panel, make_plan(panel, resolve_roles(config, panel)), runtime).model
    origins = known_origins(panel, model.horizon, model.context, NUM_WINDOWS).spread(NUM_WINDOWS)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    ((_, batch),) = forecasting.batches(origins, NUM_WINDOWS)
    with torch.inference_mode():
        weights = model.network(batch, write_out=True).weights.double().mean(dim=0).numpy()
        levels = level_response(model.network, batch).mean(dim=0).numpy()
    share, sensitive = by_lag(weights / len(weights)), by_lag(sensitivity(forecasting, batch))
    part, level = level_share(forecasting, origins).share, float(np.abs(levels).sum())
    both = spearmanr([*((1 - part) * share), part], [*sensitive, level])
    through = by_lag(weights * np.abs(1 - levels)[:, None])
    by_step = spearmanr([*through, level], [*sensitive, level])
    return {
        "data": name,
        "horizon": horizon,
        "context": model.context,
        "linear_share": model.linear_share,
        "level_share": round(part, 3),
        "spearman": round(float(both.statistic), 3),
        "spearman_by_step": round(float(by_step.statistic), 3),
        "spearman_of_lags": round(float(spearmanr(share, sensitive).statistic), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(WORKS))
    parser.add_argument("--max-steps", type=int, default=300)
    given = parser.parse_args()
    for name in given.only.split(","):
        print(json.dumps(measured(name, given.data, given.max_steps)), flush=True)


if __name__ == "__main__":
    main()
