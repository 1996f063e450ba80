"""Decoders that read an encoder's output, as graphs with and without a cache, and their captions.

Keys and values of the encoder's output are outputs of the first call and inputs of all others
(past_key_values.N.encoder.*), for every decoder: no engine has to compute them at each step.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import EncoderDecoderCache, GenerationConfig, PreTrainedModel

from .captions import search_greedily
from .graph import Graph, Sizes, Tensors, random_ids
from .runtime import CrossDecoder, Sessions
from .vision import pixels

MERGED = {"decoder_model_merged": ("decoder_model", "decoder_with_past_model")}
KINDS = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")

# Holds four tensors a layer, as KINDS names them. Made of what a call is given, empty for the first call.
Cache = Any
NewCache = Callable[[list[tuple[torch.Tensor, ...]]], Cache]
# tokens, encoder_hidden_states, cache and, where it is read, encoder_attention_mask -> logits; the cache is
# changed.
Decode = Callable[..., torch.Tensor]


class FirstCall(torch.nn.Module):
    """tokens, encoder_hidden_states, perhaps its mask -> logits, then the cache where it is wanted."""

    def __init__(self, model: torch.nn.Module, decode: Decode, new_cache: NewCache, cached: bool) -> None:
        super().__init__()
        self.model = model  # as a member, so that its weights are this module's
        self.decode, self.new_cache, self.cached = decode, new_cache, cached

    def forward(
        self, tokens: torch.Tensor, encoder_hidden_states: torch.Tensor, *mask: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        # Also where the file has none: without a cache transformers looks for packed sequences, by operators
        # that cannot be exported.
        cache = self.new_cache([])
        logits = self.decode(tokens, encoder_hidden_states, cache, *mask)
        return (logits, *(part for layer in cache for part in layer)) if self.cached else (logits,)


class LaterCall(torch.nn.Module):
    """tokens, perhaps the mask, cache -> logits, the decoder's part of the cache with the new positions."""

    def __init__(self, model: torch.nn.Module, decode: Decode, new_cache: NewCache) -> None:
        super().__init__()
        self.model, self.decode, self.new_cache = model, decode, new_cache

    def forward(self, tokens: torch.Tensor, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        masks = len(given) % len(KINDS)  # one or none
        mask, past = given[:masks], given[masks:]
        cache = self.new_cache([past[i : i + 4] for i in range(0, len(past), 4)])
        # Only batch and length of the states are looked at once their keys and values are in the cache.
        logits = self.decode(tokens, past[2][:, 0], cache, *mask)
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


def sample_ids(vocabulary: int) -> Callable[[Sizes], Tensors]:
    return lambda sizes: {"input_ids": random_ids(vocabulary, sizes.batch, sizes.length)}


def sample_embeddings(width: int) -> Callable[[Sizes], Tensors]:
    return lambda sizes: {"inputs_embeds": torch.randn(sizes.batch, sizes.length, width)}


def random_mask(batch: int, length: int) -> torch.Tensor:
    """Ones; where there are several rows, all but the first end earlier."""
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[1:, length - 1] = 0 if length > 1 else 1
    return mask


def sequence_axes(*names: str) -> dict[str, dict[int, str]]:
    kinds = {name: "encoder" if name.startswith("encoder") else "decoder" for name in names}
    return {name: {0: "batch_size", 1: f"{kind}_sequence_length"} for name, kind in kinds.items()}


@dataclasses.dataclass
class DecoderInputs:
    """Random ones, but for states that the encoder makes of random inputs."""

    sample_tokens: Callable[[Sizes], Tensors]
    encoder: Graph  # whose first output is read
    masked: bool  # with encoder_attention_mask

    def states(self, sizes: Sizes) -> torch.Tensor:
        return self.encoder.run(self.encoder.sample(sizes))[self.encoder.outputs[0]]

    def mask(self, states: torch.Tensor) -> Tensors:
        return {"encoder_attention_mask": random_mask(*states.shape[:2])} if self.masked else {}

    def first(self, sizes: Sizes) -> Tensors:
        states = self.states(sizes)
        return {**self.sample_tokens(sizes), "encoder_hidden_states": states, **self.mask(states)}


def decoder_graphs(
    model: torch.nn.Module,
    decode: Decode,
    sample_tokens: Callable[[Sizes], Tensors],
    encoder: Graph,
    cached: bool,
    new_cache: NewCache = new_cross_cache,
    masked: bool = False,
) -> list[Graph]:
    """`encoder`: whose first output is read. `masked`: with encoder_attention_mask.

    The cached graphs are to be joined as MERGED says.
    """
    inputs = DecoderInputs(sample_tokens, encoder, masked)
    axes = sequence_axes(*inputs.first(Sizes()), "logits")
    first = FirstCall(model, decode, new_cache, cached).eval()
    graph = Graph("decoder_model", first, inputs.first, ["logits"], axes)
    return cached_graphs(graph, LaterCall(model, decode, new_cache), inputs) if cached else [graph]


def cached_graphs(first: Graph, later: LaterCall, inputs: DecoderInputs) -> list[Graph]:
    """`first`: with its logits only."""
    with torch.no_grad():
        shapes = [present.shape for present in first.module(*inputs.first(Sizes()).values())[1:]]
    layers = len(shapes) // len(KINDS)
    past, presents = cache_names("past_key_values", layers, KINDS), cache_names("present", layers, KINDS)
    own = cache_names("present", layers, KINDS[:2])

    def sample_later(sizes: Sizes) -> Tensors:
        states = inputs.states(sizes)
        cache = sample_cache(past, shapes, sizes, states.shape[1])
        return {**inputs.sample_tokens(sizes), **inputs.mask(states), **cache}

    later_axes = {
        **{name: axes for name, axes in first.axes.items() if name != "encoder_hidden_states"},
        **cache_axes(past, "past_sequence_length"),
        **cache_axes(own, "total_sequence_length"),
    }
    first_axes = {**first.axes, **cache_axes(presents, "decoder_sequence_length")}
    return [
        dataclasses.replace(first, outputs=["logits", *presents], axes=first_axes),
        Graph("decoder_with_past_model", later, sample_later, ["logits", *own], later_axes),
    ]


def sample_cache(names: list[str], shapes: list[Any], sizes: Sizes, encoder_length: int = 0) -> Tensors:
    """Random keys and values, with heads and widths as in `shapes`."""
    tensors = {}
    for name, (_, heads, _, width) in zip(names, shapes, strict=True):
        positions = encoder_length if ".encoder." in name else sizes.past
        tensors[name] = torch.randn(sizes.batch, heads, positions, width)
    return tensors


class CrossCaptioner:
    """Captions of an image encoder and such a decoder; a family says what starts the text."""

    task = "image-to-text"
    prompts: tuple[str, ...] = ("",)
    notes: dict[str, Any] = {}

    def __init__(
        self, model: PreTrainedModel, processor: Any, tokenizer: Any, defaults: GenerationConfig
    ) -> None:
        self.model, self.processor, self.tokenizer = model, processor, tokenizer
        self.defaults = defaults

    def start(self, prompt: str) -> list[int]:
        raise NotImplementedError

    def decoder_states(self, sessions: Sessions, states: np.ndarray, prompt: str) -> np.ndarray:
        """What the decoder reads, of the image's hidden states."""
        return states

    def onnx(
        self, sessions: Sessions, image: Image.Image, prompt: str, config: GenerationConfig
    ) -> list[int]:
        feeds = {"pixel_values": pixels(self.processor, image).numpy()}
        states = sessions["encoder_model"].run(feeds)["last_hidden_state"]
        decoder = CrossDecoder(sessions, self.decoder_states(sessions, states, prompt))
        return search_greedily(decoder, self.start(prompt), config)

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)
