"""Decoders that read an encoder's output, as graphs with and without a cache, and their captions.

Keys and values of the encoder's output are outputs of the first call and inputs of all others
(past_key_values.N.encoder.*), for every decoder: no engine has to compute them at each step.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import EncoderDecoderCache

from .graph import Graph, Sizes, Tensors, random_ids

MERGED = {"decoder_model_merged": ("decoder_model", "decoder_with_past_model")}
KINDS = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")

# Holds four tensors a layer, as KINDS names them. Made of what a call is given, empty for the first call.
Cache = Any
NewCache = Callable[[list[tuple[torch.Tensor, ...]]], Cache]
# input_ids, encoder_hidden_states, cache -> logits; the cache is changed.
Decode = Callable[[torch.Tensor, torch.Tensor, Cache], torch.Tensor]


class FirstCall(torch.nn.Module):
    """input_ids, encoder_hidden_states -> logits, then the cache where it is wanted."""

    def __init__(self, model: torch.nn.Module, decode: Decode, new_cache: NewCache, cached: bool) -> None:
        super().__init__()
        self.model = model  # as a member, so that its weights are this module's
        self.decode, self.new_cache, self.cached = decode, new_cache, cached

    def forward(
        self, input_ids: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        # Also where the file has none: without a cache transformers looks for packed sequences, by operators
        # that cannot be exported.
        cache = self.new_cache([])
        logits = self.decode(input_ids, encoder_hidden_states, cache)
        return (logits, *(part for layer in cache for part in layer)) if self.cached else (logits,)


class LaterCall(torch.nn.Module):
    """input_ids, cache -> logits, the decoder's part of the cache with the new positions."""

    def __init__(self, model: torch.nn.Module, decode: Decode, new_cache: NewCache) -> None:
        super().__init__()
        self.model, self.decode, self.new_cache = model, decode, new_cache

    def forward(self, input_ids: torch.Tensor, *past: torch.Tensor) -> tuple[torch.Tensor, ...]:
        cache = self.new_cache([past[i : i + 4] for i in range(0, len(past), 4)])
        # Only batch and length of the states are looked at once their keys and values are in the cache.
        logits = self.decode(input_ids, past[2][:, 0], cache)
        return logits, *(part for layer in cache for part in layer[:2])


def new_cross_cache(past: list[tuple[torch.Tensor, ...]]) -> EncoderDecoderCache:
    """Of decoders that attend to their own positions, then to the encoder's output."""
    return EncoderDecoderCache.from_legacy_cache(past)


def positions(fresh: int, past: int) -> torch.Tensor:
    """i64[1, fresh], counted: BERT's heirs cut them out of a table, which hides what they are."""
    return torch.arange(past, past + fresh)[None]


def causal_mask(fresh: int, past: int) -> torch.Tensor:
    """f[1, 1, fresh, past + fresh], added to scores: by positions, so that its meaning can be seen."""
    hidden = torch.arange(past + fresh) > torch.arange(past, past + fresh)[:, None]
    return torch.where(hidden, torch.finfo(torch.float32).min, 0.0)[None, None]


def cache_names(prefix: str, layers: int, kinds: tuple[str, ...]) -> list[str]:
    return [f"{prefix}.{layer}.{kind}" for layer in range(layers) for kind in kinds]


def cache_axes(names: list[str], length: str) -> dict[str, dict[int, str]]:
    return {
        name: {0: "batch_size", 2: "encoder_sequence_length" if ".encoder." in name else length}
        for name in names
    }


def decoder_graphs(
    model: torch.nn.Module,
    decode: Decode,
    vocabulary: int,
    encoder: Graph,
    cached: bool,
    new_cache: NewCache = new_cross_cache,
) -> list[Graph]:
    """`encoder`: whose first output is read. The cached graphs are to be joined as MERGED says."""
    axes = {
        "input_ids": {0: "batch_size", 1: "decoder_sequence_length"},
        "encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length"},
        "logits": {0: "batch_size", 1: "decoder_sequence_length"},
    }

    def sample_first(sizes: Sizes) -> Tensors:
        states = encoder.run(encoder.sample(sizes))[encoder.outputs[0]]
        return {
            "input_ids": random_ids(vocabulary, sizes.batch, sizes.length),
            "encoder_hidden_states": states,
        }

    first = FirstCall(model, decode, new_cache, cached).eval()
    if not cached:
        return [Graph("decoder_model", first, sample_first, ["logits"], axes)]
    with torch.no_grad():
        shapes = [present.shape for present in first(*sample_first(Sizes()).values())[1:]]
    layers = len(shapes) // len(KINDS)
    past, presents = cache_names("past_key_values", layers, KINDS), cache_names("present", layers, KINDS)
    own = cache_names("present", layers, KINDS[:2])

    def sample_later(sizes: Sizes) -> Tensors:
        tensors = sample_cache(past, shapes, sizes)
        return {"input_ids": random_ids(vocabulary, sizes.batch, sizes.length), **tensors}

    first_axes = {**axes, **cache_axes(presents, "decoder_sequence_length")}
    later_axes = {
        **axes,
        **cache_axes(past, "past_sequence_length"),
        **cache_axes(own, "total_sequence_length"),
    }
    del later_axes["encoder_hidden_states"]
    return [
        Graph("decoder_model", first, sample_first, ["logits", *presents], first_axes),
        Graph(
            "decoder_with_past_model",
            LaterCall(model, decode, new_cache),
            sample_later,
            ["logits", *own],
            later_axes,
        ),
    ]


def sample_cache(names: list[str], shapes: list[Any], sizes: Sizes) -> Tensors:
    """Random keys and values; the encoder's keep the length that they have in `shapes`."""
    tensors = {}
    for name, (_, heads, length, width) in zip(names, shapes, strict=True):
        positions = length if ".encoder." in name else sizes.past
        tensors[name] = torch.randn(sizes.batch, heads, positions, width)
    return tensors
