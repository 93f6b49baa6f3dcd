"""Networks without memory of their own: to compare sizes with a file, and to have checked weights assigned."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _WithoutInitialisation(TorchFunctionMode):
    """Skip the functions of `torch.nn.init`.

    On the meta device they run through decompositions, for which torch loads its compiler: two seconds for nothing.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


@contextmanager
def without_memory() -> Iterator[None]:
    """Within it, modules are built with the names, shapes and types of their weights, and no numbers."""
    with torch.device("meta"), _WithoutInitialisation():
        yield
