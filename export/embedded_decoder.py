"""Decoders that read embeddings: image features stand among those of the tokens.

As transformers answers generate(inputs_embeds): it sees new tokens only, and max_length counts the prompt.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import DynamicCache, GenerationConfig, PreTrainedModel

from .captions import Generated, Params, generate, search_greedily
from .cross_attention import cache_axes, cache_names, sample_cache
from .graph import Graph, Sizes, Tensors, random_ids
from .runtime import Feeds, Sessions, past_of
from .vision import pixels

KINDS = ("key", "value")


class TokenEmbeddings(torch.nn.Module):
    """input_ids -> inputs_embeds."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.table = model.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.table(input_ids)


def embedding_graph(model: PreTrainedModel) -> Graph:
    module = TokenEmbeddings(model)

    def sample(sizes: Sizes) -> Tensors:
        return {"input_ids": random_ids(module.table.num_embeddings, sizes.batch, sizes.length)}

    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "inputs_embeds")}
    return Graph("embed_tokens", module, sample, ["inputs_embeds"], axes)


class CachedDecoder(torch.nn.Module):
    """One graph for all calls: the past of the first has no positions."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        *past: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        cache = DynamicCache.from_legacy_cache([past[i : i + 2] for i in range(0, len(past), 2)])
        out = self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        return out.logits, *(part for layer in out.past_key_values.to_legacy_cache() for part in layer)


def cache_shapes(model: PreTrainedModel) -> list[torch.Size]:
    """Of keys and values, layer by layer, as the model itself makes them."""
    with torch.no_grad():
        cache = model(input_ids=torch.zeros(1, 1, dtype=torch.long), use_cache=True).past_key_values
    return [part.shape for layer in cache.to_legacy_cache() for part in layer]


def decoder_graph(model: PreTrainedModel) -> Graph:
    shapes = cache_shapes(model)
    layers = len(shapes) // len(KINDS)
    past, presents = cache_names("past_key_values", layers, KINDS), cache_names("present", layers, KINDS)
    width = model.get_input_embeddings().embedding_dim

    def sample(sizes: Sizes) -> Tensors:
        total = sizes.past + sizes.length
        positions = torch.arange(sizes.past, total).repeat(sizes.batch, 1)
        return {
            "inputs_embeds": torch.randn(sizes.batch, sizes.length, width),
            "attention_mask": torch.ones(sizes.batch, total, dtype=torch.long),
            "position_ids": positions,
            **sample_cache(past, shapes, sizes),
        }

    axes = {
        name: {0: "batch_size", 1: "sequence_length"} for name in ("inputs_embeds", "position_ids", "logits")
    }
    axes["attention_mask"] = {0: "batch_size", 1: "total_sequence_length"}
    axes.update(cache_axes(past, "past_sequence_length"))
    axes.update(cache_axes(presents, "total_sequence_length"))
    return Graph("decoder_model_merged", CachedDecoder(model), sample, ["logits", *presents], axes)


class EmbeddedDecoder:
    """The graph of decoder_graph(), call by call. `prompt`: f[1, positions, width], read by the first."""

    def __init__(self, sessions: Sessions, prompt: np.ndarray) -> None:
        self.session, self.tokens = sessions["decoder_model_merged"], sessions["embed_tokens"]
        self.prompt = prompt
        self.past: Feeds = self.session.empty_past()
        self.positions = 0

    def __call__(self, fresh: list[int]) -> np.ndarray:
        embeds = self.prompt if self.positions == 0 else embed(self.tokens, fresh)
        begin, self.positions = self.positions, self.positions + embeds.shape[1]
        results = self.session.run(
            {
                "inputs_embeds": embeds,
                "attention_mask": np.ones((1, self.positions), np.int64),
                "position_ids": np.arange(begin, self.positions)[None],
                **self.past,
            }
        )
        self.past = past_of(results)
        return results["logits"][0, -1]


def embed(tokens: Any, ids: list[int]) -> np.ndarray:
    return tokens.run({"input_ids": np.array([ids], np.int64)})["inputs_embeds"]


class EmbeddedCaptioner:
    """Captions by image features among embeddings. A family says what stands around them."""

    notes: dict[str, Any] = {"note": "sequences are new tokens only"}

    def __init__(self, model: "EmbeddedModel", processor: Any, tokenizer: Any) -> None:
        self.model, self.processor, self.tokenizer = model, processor, tokenizer
        self.defaults = model.language_model.generation_config

    def around(self, prompt: str) -> tuple[list[int], list[int]]:
        """Ids in front of the image's features and behind them."""
        raise NotImplementedError

    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated:
        model = self.model
        table = model.language_model.get_input_embeddings()
        before, after = (table(torch.tensor([ids], dtype=torch.long)) for ids in self.around(prompt))
        with torch.no_grad():
            features = model.image_features(pixels(self.processor, image))
            embeds = torch.cat((before, features, after), 1)
        mask = torch.ones(embeds.shape[:2], dtype=torch.long)
        return generate(model.language_model, params, inputs_embeds=embeds, attention_mask=mask)

    def onnx(
        self, sessions: Sessions, image: Image.Image, prompt: str, config: GenerationConfig
    ) -> list[int]:
        feeds = {"pixel_values": pixels(self.processor, image).numpy()}
        features = sessions["vision_encoder"].run(feeds)["image_features"]
        before, after = (embed(sessions["embed_tokens"], ids) for ids in self.around(prompt))
        embeds = np.concatenate((before, features, after), 1)
        return search_greedily(EmbeddedDecoder(sessions, embeds), [], config, embeds.shape[1])

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


class EmbeddedModel(torch.nn.Module):
    """What such a captioner is made of, whatever the checkpoint's class is."""

    def __init__(self, image_features: torch.nn.Module, language_model: PreTrainedModel) -> None:
        super().__init__()
        self.image_features = (
            image_features  # pixel_values -> f[batch, positions, width of the language model]
        )
        self.language_model = language_model
