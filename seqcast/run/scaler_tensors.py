"""The scalers as tensors of model.safetensors, from which a forecast reads them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcast.config import Config
from seqcast.panel.calendar import calendar_names
from seqcast.panel.holidays import holiday_names
from seqcast.run.record import RunRecord
from seqcast.tensors.scaling import (
    MAX_CATEGORY_BYTES,
    MAX_CATEGORY_LENGTH,
    ROLES,
    CovariateScalers,
    Moments,
    PanelScalers,
)

PREFIX = "scalers."
"""Beginning of the names of these tensors."""
MAX_CODE_POINT = 0x10FFFF

Form = tuple[torch.Size, torch.dtype]
"""Shape and type of a tensor."""
_NUMBERS = {"count": torch.int64, "mean": torch.float64, "variance": torch.float64, "scale": torch.float64}
_LETTERS = torch.int32


def scaler_tensors(scalers: PanelScalers) -> dict[str, Tensor]:
    """Return the numbers of every group, and per categorical column its names as (names, letters) code points."""
    tensors = _moments_tensors("target", scalers.target)
    for role in ROLES:
        fitted: CovariateScalers = getattr(scalers, role)
        tensors |= _moments_tensors(role, fitted.numeric)
        for number, names in enumerate(fitted.categories):
            tensors[f"{_tables(role)}{number}"] = torch.from_numpy(names.view(np.int32).reshape(len(names), -1))
    return tensors


def _moments_tensors(role: str, moments: Moments) -> dict[str, Tensor]:
    return {f"{PREFIX}{role}.{name}": torch.from_numpy(getattr(moments, name)) for name in _NUMBERS}


def _tables(role: str) -> str:
    return f"{PREFIX}{role}.categories."


def expected_forms(record: RunRecord, config: Config) -> dict[str, Form]:
    """Return shape and type of every tensor but for the letters of names, whose number is not known."""
    shape = record.shape
    sizes = {
        "target": len(record.series_ids),
        "known": shape.num_known
        - len(calendar_names(config.data.calendar or ()))
        - len(holiday_names(config.data.holidays)),
        "past": shape.num_past,
        "static": shape.num_static,
    }
    forms = {
        f"{PREFIX}{role}.{name}": (torch.Size([size]), kind)
        for role, size in sizes.items()
        for name, kind in _NUMBERS.items()
    }
    for role in ROLES:
        for number, count in enumerate(getattr(shape, f"{role}_categories")):
            forms[f"{_tables(role)}{number}"] = torch.Size([count - 1]), _LETTERS
    return forms


def form(name: str, tensor: Tensor) -> Form:
    """Return shape and type of a tensor, the number of letters left out."""
    return tensor.shape[:-1] if _is_table(name) else tensor.shape, tensor.dtype


def most_bytes(name: str, expected: Form) -> int:
    """Return how many bytes a tensor of this form may have."""
    num_bytes = expected[0].numel() * expected[1].itemsize
    return min(num_bytes * MAX_CATEGORY_LENGTH, MAX_CATEGORY_BYTES) if _is_table(name) else num_bytes


def _is_table(name: str) -> bool:
    return name.startswith(PREFIX) and ".categories." in name


def scalers_from(tensors: dict[str, Tensor], forms: dict[str, Form]) -> PanelScalers:
    """Return the scalers in tensors that have these forms and are finite.

    Raises:
        ValueError: Fitting cannot give such numbers or names.
    """
    roles = {
        role: CovariateScalers(
            _moments(role, tensors),
            tuple(_names(tensors[name]) for name in forms if name.startswith(_tables(role))),
        )
        for role in ROLES
    }
    return PanelScalers(_moments("target", tensors), **roles)


def _moments(role: str, tensors: dict[str, Tensor]) -> Moments:
    moments = Moments(**{name: tensors[f"{PREFIX}{role}.{name}"].numpy() for name in _NUMBERS})
    if (moments.scale <= 0).any() or (moments.variance < 0).any() or (moments.count < 0).any():
        raise ValueError(f"a scale of {role} is not greater than zero, or a count or variance is negative")
    return moments


def _names(letters: Tensor) -> NDArray[np.str_]:
    width = letters.shape[1]
    if not 1 <= width <= MAX_CATEGORY_LENGTH:
        raise ValueError(f"categories have 1 to {MAX_CATEGORY_LENGTH:,} letters, not {width:,}")
    if bool((letters < 0).any()) or bool((letters > MAX_CODE_POINT).any()):
        raise ValueError("a category is not Unicode text")
    names: NDArray[np.str_] = letters.numpy().reshape(-1).view(f"U{width}")
    if (names[1:] <= names[:-1]).any():
        raise ValueError("categories are not in order")
    return names
