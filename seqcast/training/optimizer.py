"""AdamW without `torch.optim.Optimizer`, whose first use loads the compiler of torch: two seconds of every training.

The update is that of torch, which does not need it.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adamw import adamw

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
BETA_1, BETA_2 = 0.9, 0.999
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Attributes:
        parameters: Those to update.
        weight_decay: Part of a parameter that a step at a learning rate of 1 takes away.
        state: The `MOMENTS` of each parameter that a gradient has reached.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float) -> None:
        self.parameters = tuple(parameters)
        self.weight_decay = weight_decay
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters that have a gradient, and their moments."""
        gradients = {each: each.grad for each in self.parameters if each.grad is not None}
        for parameter in gradients.keys() - self.state.keys():
            count = torch.zeros((), device=parameter.device)
            self.state[parameter] = dict(
                zip(MOMENTS, (count, torch.zeros_like(parameter), torch.zeros_like(parameter)), strict=True)
            )
        steps, averages, squares = ([self.state[each][moment] for each in gradients] for moment in MOMENTS)
        adamw(
            list(gradients),
            list(gradients.values()),
            averages,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=BETA_1,
            beta2=BETA_2,
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )
