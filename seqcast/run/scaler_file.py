"""scalers.joblib: the fitted scalers as scikit-learn objects, for notebooks and other programs.

seqcast never opens this file; a forecast reads the scalers from model.safetensors.
"""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqcast.tensors.scaling import ROLES, CovariateScalers, Moments, PanelScalers

if TYPE_CHECKING:
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler


def dump_scalers(scalers: PanelScalers) -> bytes:
    """Return an uncompressed joblib file: a dict of scikit-learn objects, None where a role has no such column."""
    import joblib

    roles: dict[str, CovariateScalers] = {role: getattr(scalers, role) for role in ROLES}
    buffer = io.BytesIO()
    joblib.dump(
        {
            "target": _standard_scaler(scalers.target),
            **{role: _standard_scaler(each.numeric) if len(each.numeric) else None for role, each in roles.items()},
            **{f"{role}_categories": _encoder(each.categories) for role, each in roles.items()},
        },
        buffer,
    )
    return buffer.getvalue()


def _standard_scaler(moments: Moments) -> "StandardScaler":
    """Return a fitted scaler with one feature per group."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    scaler.mean_, scaler.var_, scaler.scale_ = moments.mean, moments.variance, moments.scale
    scaler.n_samples_seen_ = moments.count.astype(np.int64)
    scaler.n_features_in_ = len(moments)
    return scaler


def _encoder(categories: tuple[NDArray[np.str_], ...]) -> "OrdinalEncoder | None":
    """Return a fitted encoder with one feature per categorical column."""
    from sklearn.preprocessing import OrdinalEncoder

    if not categories:
        return None
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder.fit(np.full((1, len(categories)), "?"))  # sets the private attributes; the categories are public
    encoder.categories_ = list(categories)
    return encoder
