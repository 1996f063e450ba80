"""GIT: encoder_model and decoder_model_merged, which holds the projection of the image's features.

The image stands in front of the text and attends to itself alone, so its keys and values in every layer
follow from the image: they take the place of those of the encoder's output in other decoders
(past_key_values.N.encoder.*).
transformers runs the image encoder anew at every step.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    GitVisionConfig,
    PretrainedConfig,
)

from ..captions import Generated, Params, generate
from ..checkpoint import load_model
from ..cross_attention import MERGED, CrossCaptioner, causal_mask, decoder_graphs, positions, sample_ids
from ..options import ExportError, Options
from ..recipe import Export, Family, settings_saver
from ..replaced import replaced
from ..tiny import save_checkpoint, spread_weights, word_piece_tokenizer
from ..vision import LastHiddenState, encoder_graph, pixels


class GitCaptioner(CrossCaptioner):
    prompts = ("", "what is in the image?")

    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated:
        given = {"input_ids": torch.tensor([self.start(prompt)])} if prompt else {}
        with encoded_once(self.model.git.image_encoder):
            return generate(self.model, params, pixel_values=pixels(self.processor, image), **given)

    def start(self, prompt: str) -> list[int]:
        if not prompt:
            return [self.defaults.bos_token_id]
        return [self.tokenizer.cls_token_id, *self.tokenizer.encode(prompt, add_special_tokens=False)]


@contextlib.contextmanager
def encoded_once(encoder: torch.nn.Module) -> Iterator[None]:
    """While it holds, the same pixels are encoded once: generate() would encode them at every step."""
    forward, known = encoder.forward, {}

    def remember(pixel_values: torch.Tensor, **more: Any) -> Any:
        if id(pixel_values) not in known:
            known[id(pixel_values)] = (
                pixel_values,
                forward(pixel_values, **more),
            )  # held, so that its id stays
        return known[id(pixel_values)][1]

    with replaced(encoder, "forward", remember):
        yield


class PrefixCache:
    """Keys and values of the image and, behind them, of the text; apart, four tensors a layer."""

    def __init__(self, past: list[tuple[torch.Tensor, ...]]) -> None:
        self.past, self.layers = past, []
        self.image_length = 0  # to be set before a first call

    @property
    def is_empty(self) -> bool:
        return not self.past

    def __iter__(self) -> Any:
        return iter(self.layers)

    def get_seq_length(self) -> int:
        return self.past[0][0].shape[2] if self.past else 0

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, _: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by each attention with its new keys and values; returns all that it attends to."""
        if self.is_empty:
            at = self.image_length
            self.layers.append((keys[:, :, at:], values[:, :, at:], keys[:, :, :at], values[:, :, :at]))
            return keys, values
        past_keys, past_values, *image = self.past[layer]
        text = torch.cat((past_keys, keys), 2), torch.cat((past_values, values), 2)
        self.layers.append((*text, *image))
        return torch.cat((image[0], text[0]), 2), torch.cat((image[1], text[1]), 2)


def load(options: Options, config: PretrainedConfig) -> Export:
    if getattr(config, "num_image_with_embedding", None):
        raise ExportError(
            f"{options.checkpoint}: GIT over several frames (num_image_with_embedding) has no recipe"
        )
    model = load_model(GitForCausalLM, options)
    processor = AutoImageProcessor.from_pretrained(options.checkpoint, use_fast=False)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    encoder = encoder_graph(LastHiddenState(model.git.image_encoder), model.config.vision_config)
    decoders = decoder_graphs(
        model,
        decode_of(model),
        sample_ids(model.config.vocab_size),
        encoder,
        bool(options.with_cache),
        PrefixCache,
    )
    return Export(
        graphs=[encoder, *decoders],
        joined=MERGED if options.with_cache else {},
        save_settings=settings_saver(model.config, model.generation_config, processor, tokenizer),
        captioner=GitCaptioner(model, processor, tokenizer, model.generation_config),
    )


def decode_of(model: GitForCausalLM) -> Any:
    git = model.git

    def decode(ids: torch.Tensor, states: torch.Tensor, cache: PrefixCache) -> torch.Tensor:
        cache.image_length = states.shape[1]
        hidden = git.embeddings(input_ids=ids, position_ids=positions(ids.shape[1], cache.get_seq_length()))
        if cache.is_empty:
            hidden = torch.cat((git.visual_projection(states), hidden), 1)
        last = git.encoder(
            hidden,
            attention_mask=prefix_mask(cache, ids.shape[1]),
            head_mask=[None] * len(git.encoder.layer),
            past_key_values=cache,
            pixel_values_present=False,
        ).last_hidden_state
        return model.output(last[:, -ids.shape[1] :])

    return decode


def prefix_mask(cache: PrefixCache, fresh: int) -> torch.Tensor:
    """f[1, 1, new positions, all positions], added to scores: all see the image, text what it follows too."""
    past = cache.image_length + cache.get_seq_length()
    if not cache.is_empty:
        return causal_mask(fresh, past)
    sees_image = torch.arange(past + fresh) < past
    return torch.where(sees_image, 0.0, causal_mask(past + fresh, 0))


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    side, width = 16, 16
    tokenizer = word_piece_tokenizer()
    vision = GitVisionConfig(
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=side,
        patch_size=8,
    )
    config = GitConfig(
        vision_config=vision.to_dict(),
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=0,
    )
    model = GitForCausalLM(config)
    spread_weights(model, seed)
    processor = CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    save_checkpoint(folder, model, tokenizer, processor)


FAMILY = Family("git", ("git",), ("image-to-text",), load, make_tiny)
