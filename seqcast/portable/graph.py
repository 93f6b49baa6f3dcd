"""The graph of an exported model: raw windows in, quantiles in the units of the data out.

It is what `forecasting.Forecasting` does for one batch. Everything is inside: scaling by series and column, the units
of the window, the networks with their shares, naive forecasts, calibration, and the way back to the units of the data.
"""

import torch
from torch import Tensor, nn

from seqcast.model.ensemble import least_value
from seqcast.model.network import NetworkOutput, newest_value
from seqcast.run.load import TrainedModel
from seqcast.tensors.scaling import LARGEST_SCALED_COVARIATE, LARGEST_SCALED_TARGET, ROLES, CovariateScalers
from seqcast.tensors.windows import WindowBatch


class ForecastGraph(nn.Module):
    """Raw windows to quantiles, and to attention weights where they are asked for.

    Args:
        model: The trained model, on the CPU.
        names: The inputs, in order; see `onnx_file.input_forms`.
        with_attention: Whether the attention weights are a second output.
    """

    def __init__(self, model: TrainedModel, names: tuple[str, ...], *, with_attention: bool) -> None:
        super().__init__()
        self.network, self.names, self.with_attention = model.network, names, with_attention
        self.context, self.horizon = model.context, model.horizon
        self.non_negative = bool(model.config.data.non_negative)
        for role in ROLES:
            scalers: CovariateScalers = getattr(model.scalers, role)
            self.register_buffer(f"{role}_mean", torch.from_numpy(scalers.numeric.mean))
            self.register_buffer(f"{role}_scale", torch.from_numpy(scalers.numeric.scale))

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Quantiles (batch, horizon, Q) in float64, and attention (batch, horizon, context).

        `values` are those of the inputs, in order: targets and covariates in the units of the data (NaN where a
        covariate is missing), codes of categories, and the scaler of the series of each window.
        """
        given = dict(zip(self.names, values, strict=True))
        batch = self._batch(given)
        output = self.network(batch, write_out=self.with_attention)
        quantiles = self._in_data_units(given, batch, output)
        if not self.with_attention:
            return (quantiles,)
        assert output.weights is not None
        return quantiles, output.weights.float()

    def _batch(self, given: dict[str, Tensor]) -> WindowBatch:
        """The windows in scaled units, as `tensors.windows.PanelTensors.gather` gives them."""
        mean, scale, observed = given["mean"][:, None], given["scale"][:, None], given["observed"]
        scaled = ((given["target"] - mean) / scale).clamp(-LARGEST_SCALED_TARGET, LARGEST_SCALED_TARGET)
        target = torch.where(observed, scaled, torch.zeros_like(scaled))
        nothing = target[:, :1].expand(-1, self.horizon) * 0.0
        least = torch.full_like(mean, -torch.inf)
        if self.non_negative:
            zero = (0.0 - mean) / scale
            least = torch.where((target < zero).any(dim=1, keepdim=True), least, zero)
        known = self._numbers(given, "known", self.context + self.horizon)
        if "calendar" in given:
            known = torch.cat([known, given["calendar"]], dim=-1)
        return WindowBatch(
            context_target=target,
            context_observed=observed,
            past_features=self._numbers(given, "past", self.context),
            past_codes=self._codes(given, "past", self.context),
            known_features=known,
            known_codes=self._codes(given, "known", self.context + self.horizon),
            static_features=self._numbers(given, "static"),
            static_codes=self._codes(given, "static"),
            future_target=nothing,
            future_observed=nothing != 0.0,
            scale_known=given["scale_known"],
            least=least,
        )

    def _numbers(self, given: dict[str, Tensor], role: str, *steps: int) -> Tensor:
        """(batch, *steps, columns) scaled covariates, as `tensors.scaling.transform_numeric` gives them."""
        if role not in given:
            return given["mean"].new_zeros((given["mean"].shape[0], *steps, 0), dtype=torch.float32)
        mean, scale = self.get_buffer(f"{role}_mean"), self.get_buffer(f"{role}_scale")
        scaled = (given[role] - mean) / scale
        present = torch.where(scaled.isnan(), torch.zeros_like(scaled), scaled)
        return present.clamp(-LARGEST_SCALED_COVARIATE, LARGEST_SCALED_COVARIATE).float()

    def _codes(self, given: dict[str, Tensor], role: str, *steps: int) -> Tensor:
        """(batch, *steps, columns) codes of categories."""
        name = f"{role}_codes"
        return given[name] if name in given else given["mean"].new_zeros((given["mean"].shape[0], *steps, 0)).long()

    def _in_data_units(self, given: dict[str, Tensor], batch: WindowBatch, output: NetworkOutput) -> Tensor:
        """(batch, horizon, Q) quantiles as `forecasting.Forecasting` gives them."""
        network, units = self.network, output.standardisation
        values = network.quantiles(batch, output)
        traits = network.traits(batch, units)
        is_constant = network.calibration.stays(traits)[:, None, None] & (values == traits.constant[..., None])
        is_least = values <= least_value(batch, units).to(values)[..., None]
        scaled = values.double() * units.scale.double()[..., None] + units.location[..., None]
        numbers = scaled * given["scale"][:, None, None] + given["mean"][:, None, None]
        newest = newest_value(given["target"], given["observed"])[..., None]
        numbers = torch.where(is_least, torch.zeros_like(numbers), numbers)
        return torch.where(is_constant, newest.expand_as(numbers), numbers)
