"""The code that a tiny Moondream checkpoint brings along; parts and names of weights are as in released ones.

save_pretrained() copies this file into the checkpoint, so it stands alone.
"""

from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast


class TextConfig(PretrainedConfig):
    model_type = "phi"


class MoondreamConfig(PretrainedConfig):
    model_type = "moondream1"

    def __init__(self, text_config: dict[str, Any] | None = None, side: int = 28, **more: Any) -> None:
        self.text_config = TextConfig(**(text_config or {}))
        self.side = side
        super().__init__(**more)


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = (
            nn.Linear(width, hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(hidden, out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(x)))


def heads_of(qkv: torch.Tensor, heads: int) -> list[torch.Tensor]:
    """f[batch, length, 3 * width] -> queries, keys, values f[batch, heads, length, width / heads]."""
    return [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1)]


class VisionAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = nn.functional.scaled_dot_product_attention(*heads_of(self.qkv(x), 2))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class VisionBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), VisionAttention(width)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patch, self.linear = patch, nn.Linear(3 * patch * patch, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unfold(2, self.patch, self.patch).unfold(3, self.patch, self.patch)
        return self.linear(x.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))


class VisionTransformer(nn.Module):
    def __init__(self, width: int, side: int, patch: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(width, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, (side // patch) ** 2, width))
        self.blocks, self.norm = nn.Sequential(VisionBlock(width)), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.blocks(self.patch_embed(x) + self.pos_embed))


class Encoder(nn.Module):
    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"visual": VisionTransformer(*sizes)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model["visual"](x)


class Projection(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.mlp = Mlp(2 * width, 2 * out, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mlp(x)


class VisionEncoder(nn.Module):
    """Of pictures that are one part only."""

    def __init__(self, side: int, out: int, width: int = 16, patch: int = 14) -> None:
        super().__init__()
        self.encoder, self.projection = Encoder(width, side, patch), Projection(width, out)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.encoder(images)
        return self.projection(torch.cat((features, features), -1))


class Mixer(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.Wqkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def rotate(self, x: torch.Tensor) -> torch.Tensor:
        size = int(x.shape[-1] * self.config.partial_rotary_factor)
        angles = torch.arange(x.shape[2])[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
        first, second, rest = x[..., : size // 2], x[..., size // 2 : size], x[..., size:]
        cos, sin = angles.cos(), angles.sin()
        return torch.cat((first * cos - second * sin, first * sin + second * cos, rest), -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = heads_of(self.Wqkv(x), self.config.num_attention_heads)
        mixed = nn.functional.scaled_dot_product_attention(
            self.rotate(query), self.rotate(key), value, is_causal=True
        )
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class TextBlock(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.ln, self.mixer = nn.LayerNorm(config.hidden_size), Mixer(config)
        self.mlp = Mlp(config.hidden_size, config.intermediate_size, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ln(x)
        return x + self.mixer(y) + self.mlp(y)


class TextModel(PreTrainedModel):
    """Whole sequences, no cache."""

    config_class = TextConfig

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        width, words = config.hidden_size, config.vocab_size
        embedding = nn.ModuleDict({"wte": nn.Embedding(words, width)})
        blocks = nn.ModuleList(TextBlock(config) for _ in range(config.num_hidden_layers))
        self.transformer = nn.ModuleDict({"embd": embedding, "h": blocks})
        self.lm_head = nn.ModuleDict({"ln": nn.LayerNorm(width), "linear": nn.Linear(width, words)})

    def forward(self, inputs_embeds: torch.Tensor, use_cache: bool = False) -> CausalLMOutputWithPast:
        x = inputs_embeds
        for block in self.transformer["h"]:
            x = block(x)
        return CausalLMOutputWithPast(logits=self.lm_head["linear"](self.lm_head["ln"](x)))


class Moondream(PreTrainedModel):
    config_class = MoondreamConfig

    def __init__(self, config: MoondreamConfig) -> None:
        super().__init__(config)
        self.vision_encoder = VisionEncoder(config.side, config.text_config.hidden_size)
        self.text_model = TextModel(config.text_config)
        self.post_init()
