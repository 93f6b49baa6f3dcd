"""Whether the lags of the report are those to which the forecast is sensitive, on real data.

    python -m tests.benchmarks.lag_sensitivity --data ../shared/data [--only sunspots] [--max-steps N]

Every value of some windows is moved a little, in the units of the window, and the change of every forecast step is added
up by lag. Prints Spearman's correlation of these sums with what the report says about other windows:

    (1 - level) ((1 - states) share of the attention + states share of what the states read),  and  level

with the level as an entry of its own in both, because no lag shows it. `spearman_of_attention` leaves the states out;
`spearman_of_equal_weights` has equal weights on all context steps instead of what the report says.
"""

import argparse
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from seqcast.attention.changed_weights import point_forecast
from seqcast.attention.level import level_response, level_share
from seqcast.attention.states import StateEffects, state_effects
from seqcast.config import Config
from seqcast.forecasting import Forecasting
from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.panel.arrays import FloatArray
from seqcast.panel.panel import Panel
from seqcast.results.lag_profile import by_lag
from seqcast.results.origins import Origins, known_origins
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
NUM_WINDOWS = 64
"""Windows of the report; as many others are asked for the sensitivity."""
MOVE = 0.05
"""Change of a value, in standard deviations of the window."""


@torch.inference_mode()
def sensitivity(network: Ensemble, batch: WindowBatch) -> FloatArray:
    """(L,) mean absolute change of the forecast over that of a value, by lag, in the units of the window."""
    positions = torch.arange(network.shape.context)
    units = network.networks[0].standardise(batch)
    sums = np.zeros((network.shape.horizon, len(positions)))
    for window in range(len(batch.context_target)):
        rows = torch.full_like(positions, window)
        copies = WindowBatch(**{field.name: getattr(batch, field.name)[rows] for field in fields(batch)})
        own = Standardisation(units.location[rows], units.scale[rows])
        up, down = (moved(network, copies, own, sign * MOVE) for sign in (1, -1))
        sums += ((up - down) / (2 * MOVE)).abs().T.numpy()
    return by_lag(sums / len(batch.context_target))


def moved(network: Ensemble, copies: WindowBatch, units: Standardisation, move: float) -> Tensor:
    """(S, H) forecasts of S copies of a window, each with another one of its S values moved."""
    target = copies.context_target + move * units.scale * torch.eye(len(units.scale)) * copies.context_observed
    return point_forecast(network, copies, network.encode(replace(copies, context_target=target), units)).double()


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
    """The report of a model on some windows beside the sensitivity of its forecasts of others."""
    origins = known_origins(panel, model.horizon, model.context, NUM_WINDOWS).spread(2 * NUM_WINDOWS)
    forecasting = Forecasting(model, panel, origins.earliest(panel.lengths))
    reported, asked = origins[::2], origins[1::2]
    share, level, states = told(forecasting, reported)
    ((_, batch),) = forecasting.batches(asked, NUM_WINDOWS)
    with torch.inference_mode():
        found = [
            *sensitivity(model.network, batch),
            float(level_response(model.network, batch).mean(dim=0).abs().sum()),
        ]
    lags = (1 - states.share) * share + states.share * states.by_lag("target")
    equal = by_lag(np.full((model.horizon, model.context), 1 / (model.horizon * model.context)))

    def spearman(profile: FloatArray) -> float:
        return round(float(spearmanr([*((1 - level) * profile), level], found).statistic), 3)

    return {
        "horizon": model.horizon,
        "context": model.context,
        "windows": len(reported),
        "linear_share": model.linear_share,
        "level_share": round(level, 3),
        "state_share": round(states.share, 3),
        "spearman": spearman(lags),
        "spearman_of_attention": spearman(share),
        "spearman_of_equal_weights": spearman(equal),
    }


def told(forecasting: Forecasting, origins: Origins) -> tuple[FloatArray, float, StateEffects]:
    """The attention by lag, the part of the level and the effects through the states, as the report has them."""
    (*maps,) = forecasting.attention(origins)
    weights = np.concatenate([each.weights for each in maps]).mean(axis=0, dtype=np.float64)
    return by_lag(weights / len(weights)), level_share(forecasting, origins).share, state_effects(forecasting, origins)


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
