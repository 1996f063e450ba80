"""Image encoders and the pixels that they read."""

from typing import Any

import torch
from PIL import Image
from transformers import PretrainedConfig

from .graph import Graph, Sizes, Tensors


class LastHiddenState(torch.nn.Module):
    """pixel_values -> last_hidden_state."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).last_hidden_state


def image_side(config: PretrainedConfig) -> tuple[int, int]:
    """Height and width that a vision model was made for."""
    size = config.image_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def encoder_graph(
    module: torch.nn.Module,
    config: PretrainedConfig,
    stem: str = "encoder_model",
    output: str = "last_hidden_state",
) -> Graph:
    """pixel_values f[batch, channels, height, width] -> f[batch, positions, width]."""
    shape = (getattr(config, "num_channels", 3), *image_side(config))

    def sample(sizes: Sizes) -> Tensors:
        return {"pixel_values": torch.randn(sizes.batch, *shape)}

    axes = {"pixel_values": {0: "batch_size"}, output: {0: "batch_size"}}
    return Graph(stem, module, sample, [output], axes)


def pixels(processor: Any, image: Image.Image) -> torch.Tensor:
    """pixel_values of one RGB image, as the processor makes them."""
    return processor(images=image, return_tensors="pt").pixel_values
