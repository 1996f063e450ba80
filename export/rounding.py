"""Whether an answer hangs on a rounding error."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def moved_weights(model: torch.nn.Module, by: float) -> Iterator[None]:
    """The model as less exact arithmetic might see it: each weight changed by about the share `by`."""
    generator = torch.Generator().manual_seed(0)
    parameters = list(model.parameters())
    saved = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.mul_(1 + by * torch.randn(parameter.shape, generator=generator))
        try:
            yield
        finally:
            for parameter, value in zip(parameters, saved, strict=True):
                parameter.copy_(value)
