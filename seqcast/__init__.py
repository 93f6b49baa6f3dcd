"""Forecasts of time series from an LSTM encoder-decoder with attention, and the lags they looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqcast.forecaster import Forecaster

__all__ = ["Forecaster", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the Forecaster, and torch with it, only where it is asked for: the command starts without it."""
    if name != "Forecaster":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seqcast.forecaster import Forecaster

    return Forecaster
