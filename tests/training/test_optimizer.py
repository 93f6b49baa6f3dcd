"""The optimiser moves weights as that of torch does."""

import sys

import pytest
import torch

from seqcast.training.optimizer import AdamW

RATES = (0.01, 0.02, 0.005)


def weights() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    sizes = ((5, 3), (7,), (2, 2))
    return [torch.nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]


def loss(parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    """Which the last parameter has no part in."""
    first, second, _ = parameters
    return (first**3).sum() + second.exp().sum()


def test_steps_are_those_of_torch_to_the_last_bit() -> None:
    own, expected = weights(), weights()
    optimizer, reference = AdamW(own, weight_decay=0.1), torch.optim.AdamW(expected, weight_decay=0.1, fused=True)

    for rate in RATES:
        for each in own:
            each.grad = None
        loss(own).backward()
        optimizer.step(rate)
        reference.zero_grad()
        reference.param_groups[0]["lr"] = rate
        loss(expected).backward()
        reference.step()

    assert all(torch.equal(a, b) for a, b in zip(own, expected, strict=True))
    moments = optimizer.state[own[0]]
    assert all(torch.equal(moments[name], value) for name, value in reference.state[expected[0]].items())
    assert own[2] not in optimizer.state


def test_a_step_asks_for_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # an import of it fails
    own = weights()
    optimizer = AdamW(own, weight_decay=0.1)
    loss(own).backward()
    optimizer.step(0.01)
    assert not torch.equal(own[0], weights()[0])
