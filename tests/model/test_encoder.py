from typing import Any

import pytest
import torch
from torch import Tensor

from seqcast.config import ModelConfig
from seqcast.model import encoder
from seqcast.model.encoder import Encoder, State
from tests.panels import randomise

BATCH, CONTEXT, FEATURES, STATIC, HIDDEN, LAYERS = 2, 11, 4, 3, 7, 3


def make_encoder(**model: Any) -> Encoder:
    encoder = Encoder(ModelConfig(hidden=HIDDEN, layers=LAYERS, dropout=0.0, **model), FEATURES, STATIC)
    randomise(encoder)
    return encoder.eval()


def run(encoder: Encoder, inputs: Tensor, static: Tensor) -> tuple[Tensor, State]:
    with torch.no_grad():
        states, final = encoder(inputs, static)
    return states, final


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(BATCH, CONTEXT, FEATURES, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def static() -> Tensor:
    return torch.randn(BATCH, STATIC, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "parts"), [("lstm", 2), ("gru", 1)])
def test_states_and_final_state_have_the_decoders_width(
    cell: str, parts: int, bidirectional: bool, inputs: Tensor, static: Tensor
) -> None:
    states, final = run(make_encoder(cell=cell, bidirectional=bidirectional), inputs, static)

    assert states.shape == (BATCH, CONTEXT, HIDDEN)
    assert [part.shape for part in final] == [(LAYERS, BATCH, HIDDEN)] * parts


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_final_state_of_the_top_layer_is_the_last_state(cell: str, inputs: Tensor, static: Tensor) -> None:
    states, final = run(make_encoder(cell=cell), inputs, static)

    assert torch.equal(final[0][-1], states[:, -1])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_states_of_a_bidirectional_encoder_know_later_inputs(
    bidirectional: bool, inputs: Tensor, static: Tensor
) -> None:
    encoder, later = make_encoder(bidirectional=bidirectional), inputs.clone()
    later[:, 6:] += 1

    moved = (run(encoder, inputs, static)[0] != run(encoder, later, static)[0]).any(dim=-1)

    assert (moved[:, :6] == bidirectional).all()
    assert moved[:, 6:].all()


def test_the_final_state_of_a_bidirectional_encoder_joins_both_directions(inputs: Tensor, static: Tensor) -> None:
    encoder = make_encoder(bidirectional=True)
    states, final = run(encoder, inputs, static)

    first = torch.tanh(encoder.first_state(static)).view(BATCH, 2, 2 * LAYERS, HIDDEN)
    h, c = (first[:, i].transpose(0, 1).contiguous() for i in range(2))
    both, (ends, _) = encoder.recurrence.cell(inputs, (h, c))
    for layer in range(LAYERS):
        joined = torch.cat([ends[2 * layer], ends[2 * layer + 1]], dim=-1)
        torch.testing.assert_close(final[0][layer], encoder.final_bridge(joined).detach())
    torch.testing.assert_close(states, encoder.state_bridge(both).detach())


def test_the_first_state_follows_from_the_static_inputs_of_the_same_window(inputs: Tensor, static: Tensor) -> None:
    encoder = make_encoder()
    other = static.clone()
    other[1] += 1

    before, after = run(encoder, inputs, static)[0], run(encoder, inputs, other)[0]

    assert torch.equal(before[0], after[0])
    assert (before[1, 0] != after[1, 0]).all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_without_static_inputs_the_first_state_is_zero(cell: str, inputs: Tensor) -> None:
    encoder = Encoder(ModelConfig(hidden=HIDDEN, layers=LAYERS, dropout=0.0, cell=cell), FEATURES, 0)  # type: ignore[arg-type]
    randomise(encoder)

    states, _ = run(encoder.eval(), inputs, torch.empty(BATCH, 0))

    assert encoder.first_state is None
    torch.testing.assert_close(states, encoder.recurrence.cell(inputs)[0].detach())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_where_autocast_would_take_float16_the_recurrence_is_computed_in_float32(
    cell: str, inputs: Tensor, static: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_encoder(cell=cell)
    expected, _ = run(made, inputs, static * 0)
    monkeypatch.setattr(encoder, "casts_to_float16", lambda _device_type: True)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, final = run(made, inputs, static * 0)

    assert found.dtype == torch.float32
    assert all(part.dtype == torch.float32 for part in final)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01)  # the first state is computed in bfloat16


def test_autocast_takes_float16_for_recurrences_on_cuda_gpus_alone() -> None:
    assert not encoder.casts_to_float16("cuda")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not encoder.casts_to_float16("cpu")
    torch.set_autocast_enabled("cuda", True)
    try:
        assert not encoder.casts_to_float16("cuda")  # float16 is what was asked for
        torch.set_autocast_dtype("cuda", torch.bfloat16)
        assert encoder.casts_to_float16("cuda")
    finally:
        torch.set_autocast_dtype("cuda", torch.float16)
        torch.set_autocast_enabled("cuda", False)
