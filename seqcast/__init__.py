"""Forecasts of time series from an LSTM encoder-decoder with attention, and the lags they looked at."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqcast.config import Config
    from seqcast.errors import SeqcastWarning
    from seqcast.forecaster import Forecaster

__all__ = ["Config", "Forecaster", "SeqcastWarning", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import what is asked for, torch with the Forecaster, no sooner: the command starts without it."""
    if name == "Config":
        from seqcast.config import Config

        return Config
    if name == "Forecaster":
        from seqcast.forecaster import Forecaster

        return Forecaster
    if name == "SeqcastWarning":
        from seqcast.errors import SeqcastWarning

        return SeqcastWarning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
