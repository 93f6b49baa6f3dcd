"""Forecasts of time series from an LSTM encoder-decoder with attention, and the lags they looked at."""

__version__ = "0.1.0"
