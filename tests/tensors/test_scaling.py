from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from seqcast.errors import DataError
from seqcast.panel.arrays import FloatArray, IntArray
from seqcast.panel.frequency import Frequency
from seqcast.panel.panel import Covariates, Panel
from seqcast.panel.schema import Schema
from seqcast.tensors.scaling import (
    LARGEST_SCALED_COVARIATE,
    LARGEST_SCALED_TARGET,
    Moments,
    PanelScalers,
    encode,
    fit_scalers,
    scale_target,
    transform_numeric,
)

LENGTHS = (7, 5, 11)
TRAIN_ENDS = np.array([5, 3, 7])


def covariates(num_rows: int, seed: int) -> Covariates:
    """Two numeric and two categorical columns with holes."""
    random = np.random.default_rng(seed)
    numeric = random.normal(50, 7, (num_rows, 2))
    numeric[random.random((num_rows, 2)) < 0.2] = np.nan
    codes = random.integers(-1, [3, 2], (num_rows, 2)).astype(np.int32)
    return Covariates(("price", "size"), numeric, ("day", "shop"), (("fri", "mon", "sunday"), ("a", "bc")), codes)


def make_panel(target: FloatArray, lengths: tuple[int, ...] = LENGTHS) -> Panel:
    num_rows, num_series = len(target), len(lengths)
    return Panel(
        schema=Schema("long", "unique_id", "ds", ("y",)),
        frequency=Frequency("1", "integer", 1),
        series_ids=tuple(f"s{index}" for index in range(num_series)),
        starts=np.zeros(num_series, np.int64),
        offsets=np.cumsum([0, *lengths]),
        target=target,
        known=covariates(num_rows, 1),
        past=covariates(num_rows, 2),
        static=covariates(num_series, 3),
    )


@pytest.fixture
def panel() -> Panel:
    target = np.random.default_rng(0).normal(100, 13, sum(LENGTHS))
    target[[1, 8, 15]] = np.nan
    return make_panel(target)


@pytest.fixture
def scalers(panel: Panel) -> PanelScalers:
    return fit_scalers(panel, TRAIN_ENDS)


def training_rows(panel: Panel) -> IntArray:
    pieces = [np.arange(start, start + end) for start, end in zip(panel.offsets[:-1], TRAIN_ENDS, strict=True)]
    return np.concatenate(pieces)


def same(one: Moments, other: Moments) -> bool:
    """Return whether all fitted numbers are equal to the last bit."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("count", "mean", "variance", "scale")]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


class TestTarget:
    def test_each_series_is_scaled_as_scikit_learn_alone_would(self, panel: Panel, scalers: PanelScalers) -> None:
        for series, end in enumerate(TRAIN_ENDS):
            rows = panel.target[panel.offsets[series] :][:end]
            alone = StandardScaler().fit(rows[:, None])
            np.testing.assert_allclose(scalers.target.mean[series], alone.mean_[0], rtol=1e-14)
            np.testing.assert_allclose(scalers.target.variance[series], alone.var_[0], rtol=1e-13)
            np.testing.assert_allclose(scalers.target.scale[series], alone.scale_[0], rtol=1e-13)
            assert scalers.target.count[series] == np.isfinite(rows).sum()

    def test_rows_scale_with_the_numbers_of_their_series(self, panel: Panel, scalers: PanelScalers) -> None:
        scaled = scale_target(panel, scalers.target.mean, scalers.target.scale)
        mean, scale = scalers.target.mean[panel.series_of_row], scalers.target.scale[panel.series_of_row]
        np.testing.assert_array_equal(scaled, (panel.target - mean) / scale)
        np.testing.assert_array_equal(np.isnan(scaled), np.isnan(panel.target))

    @pytest.mark.parametrize("value", [0.0, 0.1, -7e8, 1e300])
    def test_a_constant_series_has_scale_one(self, value: float) -> None:
        panel = make_panel(np.full(1009, value), (1009,))
        target = fit_scalers(panel, panel.lengths).target
        assert (target.mean[0], target.variance[0], target.scale[0]) == (pytest.approx(value, rel=1e-15), 0.0, 1.0)

    def test_a_series_of_one_value_has_scale_one(self) -> None:
        panel = make_panel(np.array([5.0, np.nan, 1.0, 2.0, 3.0]), (2, 3))
        target = fit_scalers(panel, panel.lengths).target
        assert (target.mean[0], target.scale[0]) == (5.0, 1.0)

    def test_a_series_without_training_values_has_count_zero_mean_zero_and_scale_one(self) -> None:
        panel = make_panel(np.array([np.nan, np.nan, 1.0, 2.0, 4.0]), (3, 2))
        scalers = fit_scalers(panel, np.array([2, 2]))
        assert (scalers.target.mean[0], scalers.target.scale[0]) == (0.0, 1.0)
        assert scalers.target.count.tolist() == [0, 2]

    def test_a_panel_without_any_training_value_fits(self) -> None:
        panel = make_panel(np.full(5, np.nan), (3, 2))
        assert fit_scalers(panel, panel.lengths).target.count.tolist() == [0, 0]

    @pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 8e307])
    def test_values_of_any_size_give_finite_numbers(self, size: float) -> None:
        panel = make_panel(size * np.array([-1.0, 0.5, 1.0, -0.25, 1.0]), (5,))
        scalers = fit_scalers(panel, panel.lengths)
        target = scalers.target
        assert np.isfinite([target.mean, target.variance, target.scale]).all()
        np.testing.assert_allclose(target.scale / size, np.std([-1.0, 0.5, 1.0, -0.25, 1.0]), rtol=1e-12)
        np.testing.assert_allclose(scale_target(panel, target.mean, target.scale).std(), 1.0)

    def test_values_far_out_of_range_are_limited(self) -> None:
        panel = make_panel(np.array([1.0, 1.0, 1.7e308, -1.7e308, 2.0]), (5,))
        target = fit_scalers(panel, np.array([2])).target
        scaled = scale_target(panel, target.mean, target.scale)
        assert scaled.tolist() == [0.0, 0.0, LARGEST_SCALED_TARGET, -LARGEST_SCALED_TARGET, 1.0]

    def test_a_hundred_thousand_series_fit_at_once(self) -> None:
        target = np.random.default_rng(5).normal(size=300_000)
        panel = make_panel(target, (3,) * 100_000)
        scaler = fit_scalers(panel, panel.lengths).target
        np.testing.assert_allclose(scaler.mean, target.reshape(-1, 3).mean(axis=1), atol=1e-15)
        np.testing.assert_allclose(scaler.scale, target.reshape(-1, 3).std(axis=1), rtol=1e-9)


class TestLeak:
    def test_no_value_after_the_training_part_moves_any_number(self, panel: Panel, scalers: PanelScalers) -> None:
        later = np.setdiff1d(np.arange(len(panel.target)), training_rows(panel))
        target = panel.target.copy()
        target[later] = 1e6
        known, past = (spoil(role, later) for role in (panel.known, panel.past))
        again = fit_scalers(replace(panel, target=target, known=known, past=past), TRAIN_ENDS)
        assert same(again.target, scalers.target)
        for found, expected in ((again.known, scalers.known), (again.past, scalers.past)):
            assert same(found.numeric, expected.numeric)
            assert [names.tolist() for names in found.categories] == [names.tolist() for names in expected.categories]

    def test_a_value_in_the_training_part_does(self, panel: Panel, scalers: PanelScalers) -> None:
        target = panel.target.copy()
        target[6 + 3] += 1.0
        assert not same(scalers.target, fit_scalers(replace(panel, target=target), TRAIN_ENDS).target)


def spoil(role: Covariates, rows: IntArray) -> Covariates:
    numeric, codes = role.numeric.copy(), role.codes.copy()
    numeric[rows], codes[rows] = 1e6, 0
    return replace(role, numeric=numeric, codes=codes)


class TestNumericCovariates:
    @pytest.mark.parametrize("role", ["known", "past"])
    def test_columns_are_fitted_as_scikit_learn_fits_the_training_rows(
        self, panel: Panel, scalers: PanelScalers, role: str
    ) -> None:
        expected = StandardScaler().fit(getattr(panel, role).numeric[training_rows(panel)])
        found = getattr(scalers, role).numeric
        for name, theirs in (("mean", "mean_"), ("variance", "var_"), ("scale", "scale_")):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, theirs), rtol=1e-13)

    def test_static_columns_look_only_at_series_with_a_training_part(self, panel: Panel) -> None:
        numeric = np.array([[1.0], [3.0], [1e6]])
        static = Covariates(("area",), numeric, (), (), np.empty((3, 0), np.int32))
        scaler = fit_scalers(replace(panel, static=static), np.array([5, 3, 0])).static.numeric
        assert (scaler.mean[0], scaler.scale[0]) == (2.0, 1.0)

    def test_missing_values_become_the_mean(self, panel: Panel, scalers: PanelScalers) -> None:
        scaled = transform_numeric(scalers.known, panel.known)
        missing = np.isnan(panel.known.numeric)
        assert missing.any()
        assert (scaled[missing] == 0).all()
        numeric = scalers.known.numeric
        expected = (panel.known.numeric - numeric.mean) / numeric.scale
        np.testing.assert_array_equal(scaled[~missing], expected[~missing])

    def test_a_column_without_values_gives_zeros(self) -> None:
        empty = Covariates(("a",), np.full((5, 1), np.nan), (), (), np.empty((5, 0), np.int32))
        panel = replace(make_panel(np.arange(5.0), (5,)), known=empty)
        assert transform_numeric(fit_scalers(panel, panel.lengths).known, empty).tolist() == [[0.0]] * 5

    def test_values_far_out_of_range_are_limited(self, panel: Panel, scalers: PanelScalers) -> None:
        wild = replace(panel.known, numeric=np.full(panel.known.numeric.shape, -1.7e308))
        assert (transform_numeric(scalers.known, wild) == -LARGEST_SCALED_COVARIATE).all()

    def test_no_columns_give_no_columns(self, panel: Panel) -> None:
        none = Covariates.empty(23)
        scalers = fit_scalers(replace(panel, known=none), TRAIN_ENDS).known
        assert (len(scalers.numeric), scalers.num_codes) == (0, ())
        assert transform_numeric(scalers, none).shape == encode(scalers, none).shape == (23, 0)


class TestCategories:
    def test_codes_are_those_of_scikit_learn_plus_one(self, panel: Panel, scalers: PanelScalers) -> None:
        role = panel.known
        texts = np.array([[names[code] if code >= 0 else "?" for names, code in zip(role.categories, row, strict=True)]
                          for row in role.codes])  # fmt: skip
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        encoder.fit(texts[training_rows(panel)][(role.codes[training_rows(panel)] >= 0).all(axis=1)])
        expected = encoder.transform(texts).astype(np.int64) + 1
        np.testing.assert_array_equal(encode(scalers.known, role), expected)

    def test_only_categories_of_training_rows_are_known(self) -> None:
        known = Covariates(
            (), np.empty((5, 0)), ("day",), (("fri", "mon", "sun"),), np.array([[2], [0], [0], [1], [-1]], np.int32)
        )
        panel = replace(make_panel(np.arange(5.0), (5,)), known=known)
        fitted = fit_scalers(panel, np.array([3])).known
        assert [names.tolist() for names in fitted.categories] == [["fri", "sun"]]
        assert fitted.num_codes == (3,)
        assert encode(fitted, known)[:, 0].tolist() == [2, 1, 1, 0, 0]

    def test_another_table_with_other_categories_gets_the_same_codes(self, scalers: PanelScalers) -> None:
        other = Covariates(
            (),
            np.empty((3, 0)),
            ("day", "shop"),
            (("autumn", "mon"), ("bc",)),
            np.array([[1, 0], [0, -1], [-1, 0]], np.int32),
        )
        assert encode(scalers.known, other).tolist() == [[2, 2], [0, 0], [0, 2]]

    def test_a_column_without_categories_gives_zeros(self) -> None:
        known = Covariates((), np.empty((5, 0)), ("day",), ((),), np.full((5, 1), -1, np.int32))
        panel = replace(make_panel(np.arange(5.0), (5,)), known=known)
        fitted = fit_scalers(panel, panel.lengths).known
        assert fitted.num_codes == (2,)
        assert encode(fitted, known).tolist() == [[0]] * 5

    def test_names_are_kept_as_text_of_fixed_width(self, scalers: PanelScalers) -> None:
        assert [names.dtype.str for names in scalers.known.categories] == ["<U6", "<U2"]

    def test_names_too_long_to_keep_are_refused_with_the_column(self) -> None:
        known = Covariates((), np.empty((5, 0)), ("note",), (("x" * 10_001,),), np.zeros((5, 1), np.int32))
        panel = replace(make_panel(np.arange(5.0), (5,)), known=known)
        with pytest.raises(
            DataError, match=r"column 'note': 1 categories of up to 10,001 letters .* Leave this column"
        ):
            fit_scalers(panel, panel.lengths)
