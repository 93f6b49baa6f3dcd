"""Forecasts of windows whose inputs are taken, some or all, from other windows.

The inputs are the covariates, the calendar cycles, and of the context values their level (the mean), their spread (the
standard deviation) and the lags: the values around the level, in parts of the spread. So the level does not depend on
the lags, whatever the location of the network's units. A replaced input is that of a whole other window, and what hangs
together within it stays.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from seqcast.model.ensemble import Ensemble
from seqcast.model.network import Standardisation
from seqcast.panel.calendar import calendar_names
from seqcast.panel.holidays import COLUMNS
from seqcast.panel.panel import Covariates, Panel
from seqcast.run.load import TrainedModel
from seqcast.tensors.scaling import ROLES
from seqcast.tensors.windows import WindowBatch

Kind = Literal["lags", "level", "spread", "known", "past", "static", "calendar"]


@dataclass(frozen=True)
class Input:
    """One input of the network."""

    name: str
    kind: Kind
    field: str = ""
    """Field of `WindowBatch` that holds it; empty for lags, level and spread."""
    columns: tuple[int, ...] = ()


def inputs_of(model: TrainedModel, panel: Panel) -> tuple[Input, ...]:
    """The inputs that differ between the windows of a panel: level, lags and spread, then covariates and calendar."""
    found = [
        Input("level of the context", "level"),
        Input("lags around the level", "lags"),
        Input("spread of the values", "spread"),
    ]
    for role in ROLES:
        covariates: Covariates = getattr(panel, role)
        if role == "static" and panel.num_series == 1:
            continue
        found += [Input(name, role, f"{role}_features", (i,)) for i, name in enumerate(covariates.numeric_names)]
        found += [Input(name, role, f"{role}_codes", (i,)) for i, name in enumerate(covariates.categorical_names)]
    first, names = len(panel.known.numeric_names), calendar_names(model.config.data.calendar or ())
    for place in range(0, len(names), 2):
        cycle = names[place].removeprefix("sin-")
        found.append(Input(f"calendar: {cycle}", "calendar", "known_features", (first + place, first + place + 1)))
    first += len(names)
    for number, region in enumerate(model.config.data.holidays):
        columns = range(first + number * len(COLUMNS), first + (number + 1) * len(COLUMNS))
        found.append(Input(f"holidays: {region}", "known", "known_features", tuple(columns)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class WindowPair:
    """Windows and the other windows that their inputs are replaced from; units are means and standard deviations."""

    network: Ensemble
    own: WindowBatch
    other: WindowBatch
    own_units: Standardisation
    other_units: Standardisation

    @classmethod
    def of(cls, network: Ensemble, own: WindowBatch, other: WindowBatch) -> "WindowPair":
        """Two batches of equal size."""
        own_units, other_units = (Standardisation.of(batch, "mean") for batch in (own, other))
        return cls(network, own, other, own_units, other_units)

    def forecast(self, replaced: Collection[Input]) -> Tensor:
        """(batch, horizon) point forecast in series-scaled units with some inputs taken from the other windows."""
        kinds = {each.kind for each in replaced}
        units = Standardisation(
            (self.other_units if "level" in kinds else self.own_units).location,
            (self.other_units if "spread" in kinds else self.own_units).scale,
        )
        source, read = (self.other, self.other_units) if "lags" in kinds else (self.own, self.own_units)
        observed = source.context_observed
        values = read.apply(source.context_target, observed)
        context = (units.location + units.scale * values) * observed
        batch = replace(self.own, context_target=context, context_observed=observed)
        for each in replaced:
            if each.field:
                batch = self._with_columns(batch, each)
        output = self.network(batch)
        point = output.values[..., self.network.layout.point_index].double()
        made: Tensor = point * output.standardisation.scale.double() + output.standardisation.location.double()
        return made

    def _with_columns(self, batch: WindowBatch, each: Input) -> WindowBatch:
        """The batch with the columns of one input from the other windows."""
        values = getattr(batch, each.field).clone()
        columns = torch.tensor(each.columns, device=values.device)
        values[..., columns] = getattr(self.other, each.field)[..., columns]
        return replace(batch, **{each.field: values})
