"""Simple models with the interface of statsforecast's, for environments without it."""

from typing import Any

import numpy as np

from seqcast.panel.arrays import FloatArray


class LastValue:
    """Forecasts the last value of the history; the bounds of level L are L above and below it."""

    def __init__(self, season_length: int | list[int]) -> None:
        self.season_length = season_length

    def forecast(self, y: FloatArray, h: int, level: list[float] | None) -> dict[str, Any]:
        if np.isnan(y).any():
            raise ValueError("missing values")
        if len(y) < 3:
            raise ValueError("tiny datasets")
        print("a library that prints")
        mean = np.full(h, y[-1])
        bounds = [
            (f"{side}-{each}", mean + sign * each) for each in level or () for side, sign in (("lo", -1), ("hi", 1))
        ]
        return {"mean": mean, **dict(bounds)}


class NeverFinite(LastValue):
    """Forecasts infinity."""

    def forecast(self, y: FloatArray, h: int, level: list[float] | None) -> dict[str, Any]:
        return {name: np.full(h, np.inf) for name in super().forecast(y, h, level)}


class SumOfSeasons(LastValue):
    """Forecasts the sum of the seasons it was given."""

    def forecast(self, y: FloatArray, h: int, level: list[float] | None) -> dict[str, Any]:
        found = super().forecast(y, h, level)
        return {name: values - y[-1] + np.sum(self.season_length) for name, values in found.items()}


MODELS = {"AutoETS": LastValue, "AutoTheta": NeverFinite, "MSTL": SumOfSeasons}
