from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcast.config import Loss, ModelConfig
from seqcast.model.attention import LagAttention, StepInputs
from seqcast.model.decoder import Decoder, DecoderInputs, Feedback
from seqcast.model.heads import OutputLayout
from seqcast.model.segments import Segments
from tests.panels import randomise

BATCH, HORIZON, CONTEXT, HIDDEN, FEATURES, SEASON = 2, 5, 11, 3, 4, 7
QUANTILES = (0.1, 0.5, 0.9)

Array = NDArray[np.float64]
Outputs = tuple[Array, Array]


def make_decoder(loss: Loss = "quantile", **model: Any) -> Decoder:
    config = ModelConfig(**{"hidden": HIDDEN, "quantiles": QUANTILES, **model})
    segments, steps = Segments(1, CONTEXT, HORIZON), StepInputs(0, FEATURES, queries_per_step=False)
    attention = None if config.attention == "none" else LagAttention(config, segments, SEASON, steps)
    decoder = Decoder(config, attention, FEATURES, 0, segments, OutputLayout.of(loss, QUANTILES))
    randomise(decoder, seed=3, spread=0.6)
    return decoder.eval()


def make_inputs(decoder: Decoder, cell: str = "lstm", layers: int = 1) -> DecoderInputs:
    generator = torch.Generator().manual_seed(5)

    def random(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    observed = torch.ones(BATCH, CONTEXT, dtype=torch.bool)
    observed[1, [0, 6]] = False
    states, values = random(BATCH, CONTEXT, HIDDEN), random(BATCH, CONTEXT) * observed
    known, memory = random(BATCH, HORIZON, FEATURES), None
    if decoder.attention is not None:
        memory = decoder.attention.remember(states, values, observed, states[..., :0], known)
    return DecoderInputs(
        memory=memory,
        known=known,
        future=known,
        newest=random(BATCH, 1),
        state=tuple(random(layers, BATCH, HIDDEN) for _ in range(2 if cell == "lstm" else 1)),
    )


def with_values(inputs: DecoderInputs, value: float) -> DecoderInputs:
    """The same with another value at every context step."""
    assert inputs.memory is not None
    return replace(inputs, memory=replace(inputs.memory, values=torch.full_like(inputs.memory.values, value)))


def make_feedback(taught: bool) -> Feedback:
    generator = torch.Generator().manual_seed(6)
    use_truth = torch.zeros(BATCH, HORIZON, dtype=torch.bool)
    if taught:
        use_truth[0, [0, 2]] = True
        use_truth[1, 1] = True
    return Feedback(
        truth=torch.randn(BATCH, HORIZON, generator=generator),
        use_truth=use_truth,
    )


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def lstm_cell(w: dict[str, Array], layer: int, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Hochreiter and Schmidhuber 1997 with forget gate; gates in torch's order i, f, g, o."""
    both = w[f"weight_ih_l{layer}"] @ x + w[f"bias_ih_l{layer}"] + w[f"weight_hh_l{layer}"] @ h + w[f"bias_hh_l{layer}"]
    i, f, g, o = np.split(both, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_cell(w: dict[str, Array], layer: int, x: Array, h: Array) -> Array:
    """Cho et al. 2014; gates in torch's order r, z, n."""
    r_x, z_x, n_x = np.split(w[f"weight_ih_l{layer}"] @ x + w[f"bias_ih_l{layer}"], 3)
    r_h, z_h, n_h = np.split(w[f"weight_hh_l{layer}"] @ h + w[f"bias_hh_l{layer}"], 3)
    z = sigmoid(z_x + z_h)
    return (1 - z) * np.tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * h


def advance(cell: dict[str, Array], below: Array, h: list[Array], c: list[Array]) -> None:
    """One step of the stacked cells: each layer reads the state of the one below."""
    is_lstm = len(cell["weight_hh_l0"]) == 4 * HIDDEN
    for layer in range(len(h)):
        if is_lstm:
            h[layer], c[layer] = lstm_cell(cell, layer, below, h[layer], c[layer])
        else:
            h[layer] = gru_cell(cell, layer, below, h[layer])
        below = h[layer]


def weights_of(
    decoder: Decoder, query: Array, states: Array, observed: Array, step: int, before: Array | None
) -> Array:
    """a_t of the general, the additive or the hybrid score with lag bias; `before` are the weights of the step before."""
    attention = decoder.attention
    assert attention is not None
    assert attention.lag_bias is not None
    p = parameters(attention.score)
    if "vector.weight" in p:
        inner = p["query_block.weight"] @ query + states @ p["key_block.weight"].T + p["key_block.bias"]
        if decoder.follows_weights and before is not None:
            filters = p["convolution.weight"][:, 0]
            padded = np.pad(before, filters.shape[1] // 2)
            near = np.lib.stride_tricks.sliding_window_view(padded, filters.shape[1])  # (context, width)
            inner = inner + near @ filters.T @ p["location_block.weight"].T
        scores = np.tanh(inner) @ p["vector.weight"][0]
    else:
        scores = states @ (p["projection.weight"].T @ query)
    raised = np.exp(scores + attention.lag_bias[step].detach().double().numpy()) * observed
    return np.asarray(raised / raised.sum())


def parameters(module: torch.nn.Module) -> dict[str, Array]:
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def reference(decoder: Decoder, inputs: DecoderInputs, feedback: Feedback | None) -> Outputs:
    """Outputs and weights of every window, computed one step after the other from the papers' equations."""
    outputs, weights = np.zeros((BATCH, HORIZON, 3)), np.zeros((BATCH, HORIZON, CONTEXT))
    for b in range(BATCH):
        outputs[b], weights[b] = reference_window(decoder, inputs, feedback, b)
    return outputs, weights


def reference_window(decoder: Decoder, inputs: DecoderInputs, feedback: Feedback | None, b: int) -> Outputs:
    p, cell = parameters(decoder), parameters(decoder.recurrence.cell)
    assert inputs.memory is not None
    states = inputs.memory.states[b].double().numpy()
    observed = inputs.memory.observed[b].double().numpy()
    values = inputs.memory.values[b].double().numpy()
    h = [part[b].double().numpy() for part in inputs.state[0]]
    c = [part[b].double().numpy() for part in inputs.state[-1]]
    summary, attentional, seen = h[-1], np.zeros(HIDDEN), np.zeros(HIDDEN)
    outputs: list[Array] = []
    weights: list[Array] = []
    previous = float(inputs.newest[b, 0])
    for t in range(HORIZON):
        x = [inputs.known[b, t].double().numpy()]
        before = weights[-1] if weights else None
        if decoder.repeat_context:  # Cho 2014: the summary of the context enters every step
            x.append(summary)
        if decoder.autoregressive:
            x.append(np.array([previous]))
        if decoder.input_feeding:
            x.append(attentional)
        if decoder.previous_state_asks:  # s_{t-1} asks, and the context vector is an input of s_t
            a = weights_of(decoder, h[-1], states, observed, t, before)
            seen = a @ states
        if decoder.previous_state_asks or decoder.context_feeding:  # Vinyals 2015: what the step before saw
            x.append(seen)
        advance(cell, np.concatenate(x), h, c)
        if not decoder.previous_state_asks:
            a = weights_of(decoder, h[-1], states, observed, t, before)
            seen = a @ states
        attentional = np.tanh(p["combine.weight"] @ np.concatenate([seen, h[-1]]))
        gate = np.logaddexp(0, p["copy_gate.weight.weight"][0] @ attentional + p["copy_gate.step_bias"][t])
        y = np.sort(p["head.linear.weight"] @ attentional + p["head.step_bias"][t] + gate * (a @ values))
        outputs.append(y)
        weights.append(a)
        previous = float(y[1])
        if feedback is not None and bool(feedback.use_truth[b, t]):
            previous = float(feedback.truth[b, t])
    return np.array(outputs), np.array(weights)


def assert_equal(found: tuple[Tensor, Tensor | None], expected: Outputs) -> None:
    output, weights = found
    assert weights is not None
    np.testing.assert_allclose(output.detach().numpy(), expected[0], atol=1e-5)
    np.testing.assert_allclose(weights.detach().numpy(), expected[1], atol=1e-5)


@pytest.mark.parametrize("repeat_context", [False, True])
@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2)])
def test_direct_decoding_equals_the_equations(cell: str, layers: int, repeat_context: bool) -> None:
    decoder = make_decoder(cell=cell, layers=layers, repeat_context=repeat_context)
    inputs = make_inputs(decoder, cell, layers)

    assert_equal(decoder.decode_parallel(inputs), reference(decoder, inputs, None))


SCORES_IN_SEQUENCE: tuple[dict[str, Any], ...] = (
    {"score": "general"},
    {"score": "general", "repeat_context": True},
    {"score": "additive"},
    {"score": "additive", "additive_order": "current"},
    {"score": "hybrid"},
)
MECHANISMS: list[dict[str, Any]] = [
    {"decoding": decoding, "input_feeding": feeding, **score}
    for decoding, feeding, score in product(("direct", "autoregressive"), (False, True), SCORES_IN_SEQUENCE)
    if (decoding, feeding, score["score"]) != ("direct", False, "general")
]


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 2), ("gru", 1)])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_sequential_decoding_equals_the_equations(mechanism: dict[str, Any], cell: str, layers: int) -> None:
    decoder = make_decoder(**mechanism, cell=cell, layers=layers)
    inputs = make_inputs(decoder, cell, layers)
    feedback = make_feedback(taught=False) if decoder.autoregressive else None

    assert not decoder.parallel
    assert_equal(decoder.decode_stepwise(inputs, feedback), reference(decoder, inputs, feedback))


def test_a_taught_step_is_fed_the_truth_of_the_step_before() -> None:
    decoder = make_decoder(decoding="autoregressive")
    inputs, taught = make_inputs(decoder), make_feedback(taught=True)

    found = decoder.decode_stepwise(inputs, taught)

    assert_equal(found, reference(decoder, inputs, taught))
    free = reference(decoder, inputs, make_feedback(taught=False))[0]
    assert not np.allclose(found[0].detach().numpy(), free, atol=1e-3)


def test_quantiles_never_cross() -> None:
    decoder = make_decoder()
    inputs = make_inputs(decoder)
    with torch.no_grad():
        decoder.head.step_bias[:, 0] += 3  # the lowest quantile alone would be the highest

    output, _ = decoder.decode_parallel(inputs)

    assert (output.diff(dim=-1) >= 0).all()
    assert (output[..., 2] - output[..., 0] > 0.5).all()


def test_the_copied_values_enter_only_the_location_of_a_student_t() -> None:
    decoder = make_decoder("student-t")
    inputs = make_inputs(decoder)

    output, weights = decoder.decode_parallel(inputs)
    without, _ = decoder.decode_parallel(with_values(inputs, 0))

    assert output.shape == (BATCH, HORIZON, 3)
    assert weights is not None
    states, _ = decoder.recurrence(inputs.known, inputs.state)
    assert inputs.memory is not None
    attentional = torch.tanh(decoder.combine(torch.cat([weights @ inputs.memory.states, states], dim=-1)))
    assert decoder.copy_gate is not None
    gate = decoder.copy_gate(attentional, 0, inputs.future)
    copied = torch.einsum("bts,bs->bt", weights, inputs.memory.values)
    torch.testing.assert_close(output[..., 0] - without[..., 0], gate * copied, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(output[..., 1:], without[..., 1:])


def test_without_copy_gate_the_values_do_not_enter() -> None:
    decoder = make_decoder("mae", copy_gate=False)
    inputs = make_inputs(decoder)

    output, _ = decoder.decode_parallel(inputs)

    assert output.shape == (BATCH, HORIZON, 1)
    torch.testing.assert_close(output, decoder.decode_parallel(with_values(inputs, 1))[0])


def test_dropout_changes_training_and_not_forecasting() -> None:
    decoder = make_decoder(dropout=0.5)
    inputs = make_inputs(decoder)

    still = [decoder.decode_parallel(inputs)[0] for _ in range(2)]
    decoder.train()
    shaken = [decoder.decode_parallel(inputs)[0] for _ in range(2)]

    assert torch.equal(*still)
    assert not torch.allclose(*shaken)
