"""A graph to be exported: the module that it is made of, with its inputs and outputs."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch

Tensors = dict[str, torch.Tensor]


class Sizes(NamedTuple):
    """Of one call. `past`: positions that a cache holds already."""

    batch: int = 2
    length: int = 3
    past: int = 4


# Sizes are traced where they differ from each other and from one, so that none of them turns into a constant.
TRACED = Sizes(2, 3, 4)
VALIDATED = (Sizes(1, 1, 1), Sizes(2, 5, 2))


@dataclasses.dataclass
class Graph:
    stem: str  # of the file: "decoder_model"
    module: torch.nn.Module  # forward() takes the inputs by position and returns the outputs
    sample: Callable[[Sizes], Tensors]  # inputs by name, in forward()'s order; random, seeded by the caller
    outputs: list[str]
    axes: dict[str, dict[int, str]]  # the axes of inputs and outputs that vary, by the name of their size

    def run(self, inputs: Tensors) -> Tensors:
        with torch.no_grad():
            results = self.module(*inputs.values())
        results = (results,) if isinstance(results, torch.Tensor) else results
        return dict(zip(self.outputs, results, strict=True))


def random_ids(vocabulary: int, batch: int, length: int) -> torch.Tensor:
    return torch.randint(0, vocabulary, (batch, length))
