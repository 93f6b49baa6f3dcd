"""The two forms in which a run keeps its scalers: tensors for seqcast, scikit-learn objects for other programs."""

import io
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.utils.validation import check_is_fitted

from seqcast.run.scaler_file import dump_scalers
from seqcast.run.scaler_tensors import form, scaler_tensors, scalers_from
from seqcast.tensors.scaling import CovariateScalers, Moments, PanelScalers


def moments(size: int) -> Moments:
    random = np.random.default_rng(size)
    scale = random.uniform(0.5, 2, size)
    return Moments(np.arange(size), random.normal(50, 7, size), scale**2, scale)


SCALERS = PanelScalers(
    moments(7),
    CovariateScalers(moments(2), (np.array(["a", "long name", "été"]), np.array(["x"]))),
    CovariateScalers(moments(0), ()),
    CovariateScalers(moments(3), ()),
)
TENSORS = scaler_tensors(SCALERS)
FORMS = {name: form(name, value) for name, value in TENSORS.items()}
DAYS = "scalers.known.categories.0"


def test_scalers_come_back_from_their_tensors_to_the_last_bit() -> None:
    again = scaler_tensors(scalers_from(TENSORS, FORMS))
    assert list(again) == list(TENSORS)
    assert all(value.dtype == again[name].dtype and torch.equal(value, again[name]) for name, value in TENSORS.items())


def test_categories_come_back_as_text() -> None:
    assert [names.tolist() for names in scalers_from(TENSORS, FORMS).known.categories] == [
        ["a", "long name", "été"],
        ["x"],
    ]


def test_any_number_of_letters_fits_but_no_other_number_of_categories_or_axes() -> None:
    assert form(DAYS, TENSORS[DAYS][:, :1]) == FORMS[DAYS]
    for other in (TENSORS[DAYS][1:], TENSORS[DAYS][:, 0], TENSORS[DAYS][..., None], TENSORS[DAYS].long()):
        assert form(DAYS, other) != FORMS[DAYS]


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    return joblib.load(io.BytesIO(dump_scalers(SCALERS)))


def test_a_notebook_finds_a_fitted_object_for_each_role_with_columns(loaded: dict[str, Any]) -> None:
    assert list(loaded) == [
        "target",
        "known",
        "past",
        "static",
        *(f"{r}_categories" for r in ("known", "past", "static")),
    ]
    for name in ("target", "known", "static", "known_categories"):
        check_is_fitted(loaded[name])
    assert [loaded[name] for name in ("past", "past_categories", "static_categories")] == [None] * 3


def test_a_notebook_scales_and_encodes_as_seqcast_does(loaded: dict[str, Any]) -> None:
    wide, target = np.random.default_rng(4).normal(100, 13, (2, 7)), loaded["target"]
    scaled = target.transform(wide)
    np.testing.assert_array_equal(scaled, (wide - SCALERS.target.mean) / SCALERS.target.scale)
    np.testing.assert_allclose(target.inverse_transform(scaled), wide)
    np.testing.assert_array_equal(target.var_, SCALERS.target.variance)
    np.testing.assert_array_equal(target.n_samples_seen_, SCALERS.target.count)
    assert loaded["known_categories"].transform(np.array([["été", "long name"]])).tolist() == [[2.0, -1.0]]
