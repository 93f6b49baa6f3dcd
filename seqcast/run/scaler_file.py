"""Scalers to bytes and back: written by plain joblib, so that a notebook can joblib.load them, and read without it.

joblib.load runs whatever the file asks for. Here the file is read as data, the numbers in it are checked, and new
scikit-learn objects are made from them.
"""

from __future__ import annotations

import io
from dataclasses import fields
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from seqcast.errors import Place, RunError
from seqcast.run.untrusted.joblib_reader import (
    DTYPE,
    FLOAT64,
    NDARRAY,
    WRAPPER,
    Built,
    UnsafePickleError,
    read_joblib,
)
from seqcast.tensors.scaling import (
    CovariateSizes,
    Moments,
    PanelScalers,
    ScalerSizes,
    make_encoder,
    make_standard_scaler,
)

_SCALER = "sklearn.preprocessing._data.StandardScaler"
_ENCODER = "sklearn.preprocessing._encoders.OrdinalEncoder"
_ALLOWED = frozenset({WRAPPER, NDARRAY, DTYPE, FLOAT64, _SCALER, _ENCODER})


def dump_scalers(scalers: PanelScalers) -> bytes:
    """The scalers as an uncompressed joblib file: a dict of scikit-learn objects, None where there are none."""
    buffer = io.BytesIO()
    joblib.dump({field.name: getattr(scalers, field.name) for field in fields(scalers)}, buffer)
    return buffer.getvalue()


def load_scalers(data: bytes, expected: ScalerSizes, file: str) -> PanelScalers:
    """Read what `dump_scalers` wrote, as data: nothing in it is run, and it must have the expected sizes.

    Args:
        data: The bytes of the file.
        expected: What the configuration of the run says was fitted.
        file: Its name, for messages.

    Raises:
        RunError: The data is damaged, holds anything but scalers, or does not fit `expected`.
    """
    try:
        return _rebuild(read_joblib(data, _ALLOWED), expected)
    except UnsafePickleError as error:
        raise RunError(
            f"refused as unsafe or damaged: {error}. Nothing in it was run.",
            place=Place(file=file),
            hint="Use a run directory you trust, or train again.",
        ) from None


def _rebuild(content: object, expected: ScalerSizes) -> PanelScalers:
    names = {field.name for field in fields(PanelScalers)}
    if not isinstance(content, dict) or set(content) != names:
        raise UnsafePickleError(f"it does not hold {', '.join(sorted(names))}")
    return PanelScalers(
        _rebuild_scaler(content["target"], expected.num_series),
        _rebuild_columns(content["known"], expected.known.numeric),
        _rebuild_columns(content["past"], expected.past.numeric),
        _rebuild_columns(content["static"], expected.static.numeric),
        _rebuild_encoder(content["known_categories"], expected.known),
        _rebuild_encoder(content["past_categories"], expected.past),
        _rebuild_encoder(content["static_categories"], expected.static),
    )


def _rebuild_columns(item: object, size: int) -> StandardScaler | None:
    return None if item is None and size == 0 else _rebuild_scaler(item, size)


def _rebuild_scaler(item: object, size: int) -> StandardScaler:
    state = _state(item, _SCALER)
    counts = _array(state, "n_samples_seen_", "i", size)
    mean, variance, scale = (_array(state, name, "f", size) for name in ("mean_", "var_", "scale_"))
    if not all(np.isfinite(numbers).all() for numbers in (mean, variance, scale)):
        raise UnsafePickleError("a mean, variance or scale in it is not finite")
    if (scale <= 0).any() or (variance < 0).any() or (counts < 0).any():
        raise UnsafePickleError("a scale in it is not greater than zero, or a count or variance is negative")
    return make_standard_scaler(Moments(counts, mean, variance, scale))


def _rebuild_encoder(item: object, sizes: CovariateSizes) -> OrdinalEncoder | None:
    if item is None and not sizes.categories:
        return None
    columns = _state(item, _ENCODER).get("categories_")
    if type(columns) is not list or len(columns) != len(sizes.categories) or not columns:
        raise UnsafePickleError(f"an encoder in it does not have {len(sizes.categories)} columns")
    tables = [
        _array({"categories_": column}, "categories_", "U", size)
        for column, size in zip(columns, sizes.categories, strict=True)
    ]
    if any((table[1:] <= table[:-1]).any() for table in tables):
        raise UnsafePickleError("the categories in it are not in order")
    return make_encoder(tables)


def _state(item: object, type_name: str) -> dict[str, Any]:
    """The attributes of a scikit-learn object of exactly this type; only those asked for by name are ever used."""
    if type(item) is not Built or item.type != type_name or item.arguments or type(item.state) is not dict:
        raise UnsafePickleError(f"it does not hold a {type_name.rpartition('.')[2]} where one belongs")
    return item.state


def _array(state: dict[str, Any], name: str, kind: str, size: int) -> NDArray[Any]:
    array = state.get(name)
    if not isinstance(array, np.ndarray) or array.dtype.kind != kind or array.shape != (size,):
        raise UnsafePickleError(f"{name} in it is not an array of {size} values of the right kind")
    return array
