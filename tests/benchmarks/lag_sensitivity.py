"""Whether the lags of the report are those to which the forecast is sensitive, on real data.

    python -m tests.benchmarks.lag_sensitivity --data ../shared/data [--only sunspots] [--max-steps N]

Every value of some windows is moved a little, in the units of the window, and the change of every forecast step is added
up by lag. Prints Spearman's correlation of these sums with the shares of the report. The level of the window and the
recurrent states are entries of their own in both, because no lag shows them. `spearman_of_all_ways` counts what goes
through the states by the lag of the value that they read; the report does not claim to show that.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from seqcast.attention.level import level_response, level_share
from seqcast.attention.states import state_share, value_effects
from seqcast.config import Config
from seqcast.forecasting import Forecasting
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import known_origins
from seqcast.run.load import TrainedModel
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


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Mean absolute change of the forecast over that of a value, both in the units of the window."""

    whole: FloatArray
    """(L,) by lag, on every way that the value has into the forecast."""
    copied: FloatArray
    """(L,) by lag, where attention copies the value."""
    read: float
    """Sum over all values where the recurrence reads them."""


@torch.inference_mode()
def sensitivity(forecasting: Forecasting, batch: WindowBatch) -> Sensitivity:
    """The sensitivity of the forecast to every value of a batch."""
    network, positions = forecasting.model.network, torch.arange(forecasting.model.context)
    units = network.networks[0].standardise(batch)
    sums = np.zeros((3, forecasting.model.horizon, len(positions)))
    for window in range(len(batch.context_target)):
        rows = torch.full_like(positions, window)
        read, copied = value_effects(network, batch, units, rows, positions)
        sums += torch.stack([read + copied, copied, read]).abs().transpose(1, 2).numpy()
    whole, copied, read = sums / len(batch.context_target)
    return Sensitivity(by_lag(whole), by_lag(copied), float(read.sum()))


def trained(name: str, folder: Path, max_steps: int | None) -> tuple[TrainedModel, Panel]:
    """Train on one file, for the automatic number of steps if no other is given."""
    file, horizon = WORKS[name]
    config = Config().override(
        data=ROLES.get(name, {}),
        model={"horizon": horizon},
        training={"max_steps": max_steps, "device": "cpu", "precision": "float32"},
    )
    panel = read_source(str(folder / file), config.data).panel
    runtime = Runtime(torch.device("cpu"), torch.float32, "benchmark")
    return train_model(panel, make_plan(panel, resolve_roles(config, panel)), runtime).model, panel


def compared(model: TrainedModel, panel: Panel) -> dict[str, Any]:
    """The report of a model beside the sensitivity of its forecasts."""
    origins = known_origins(panel, model.horizon, model.context, NUM_WINDOWS).spread(NUM_WINDOWS)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    ((_, batch),) = forecasting.batches(origins, NUM_WINDOWS)
    with torch.inference_mode():
        weights = model.network(batch, write_out=True).weights.double().mean(dim=0).numpy()
        moved_by_level = float(level_response(model.network, batch).mean(dim=0).abs().sum())
    share, found = by_lag(weights / len(weights)), sensitivity(forecasting, batch)
    level, states = level_share(forecasting, origins).share, state_share(forecasting, origins)
    lags = (1 - level) * share
    whole = spearmanr([*lags, level], [*found.whole, moved_by_level])
    told = [*((1 - states) * lags), (1 - level) * states, level]
    apart = spearmanr(told, [*found.copied, found.read, moved_by_level])
    return {
        "horizon": model.horizon,
        "context": model.context,
        "linear_share": model.linear_share,
        "level_share": round(level, 3),
        "state_share": round(states, 3),
        "spearman": round(float(apart.statistic), 3),
        "spearman_of_all_ways": round(float(whole.statistic), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(WORKS))
    parser.add_argument("--max-steps", type=int, help="not given: the automatic budget")
    given = parser.parse_args()
    for name in given.only.split(","):
        print(json.dumps({"data": name, **compared(*trained(name, given.data, given.max_steps))}), flush=True)


if __name__ == "__main__":
    main()
