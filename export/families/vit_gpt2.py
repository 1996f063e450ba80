"""ViT-GPT2 and every other vision encoder-decoder: encoder_model and decoder_model_merged.

optimum leaves keys and values of cross-attention inside the decoder; here they are presents.
"""

import pathlib
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PretrainedConfig,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
    VisionEncoderDecoderModel,
)

from ..captions import Generated, Params, generate
from ..checkpoint import load_model
from ..cross_attention import MERGED, CrossCaptioner, decoder_graphs, sample_ids
from ..options import Options
from ..recipe import Export, Family, settings_saver
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights
from ..vision import LastHiddenState, encoder_graph, pixels


class VisionCaptioner(CrossCaptioner):
    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated:
        given = {"decoder_input_ids": torch.tensor([self.start(prompt)])} if prompt else {}
        return generate(self.model, params, pixel_values=pixels(self.processor, image), **given)

    def start(self, prompt: str) -> list[int]:
        first = self.defaults.decoder_start_token_id
        return [first, *self.tokenizer.encode(prompt, add_special_tokens=False)]


def load(options: Options, config: PretrainedConfig) -> Export:
    model = load_model(VisionEncoderDecoderModel, options)
    complete_generation_config(model)
    processor = AutoImageProcessor.from_pretrained(options.checkpoint, use_fast=False)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    encoder = encoder_graph(LastHiddenState(model.encoder), model.config.encoder)
    decoders = decoder_graphs(
        model, decode_of(model), sample_ids(model.config.decoder.vocab_size), encoder, options.with_cache
    )
    return Export(
        graphs=[encoder, *decoders],
        joined=MERGED if options.with_cache else {},
        save_settings=settings_saver(model.config, model.generation_config, processor, tokenizer),
        captioner=VisionCaptioner(model, processor, tokenizer, model.generation_config),
    )


def complete_generation_config(model: VisionEncoderDecoderModel) -> None:
    """Old checkpoints hold these ids in config.json alone, where generate() looks for them too."""
    for key in ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id"):
        given = getattr(model.generation_config, key)
        known = given if given is not None else getattr(model.config, key, None)
        setattr(
            model.generation_config,
            key,
            known if known is not None else getattr(model.config.decoder, key, None),
        )
    if model.generation_config.decoder_start_token_id is None:
        model.generation_config.decoder_start_token_id = model.generation_config.bos_token_id


def decode_of(model: VisionEncoderDecoderModel) -> Any:
    project = getattr(model, "enc_to_dec_proj", None)

    def decode(ids: torch.Tensor, states: torch.Tensor, cache: Any) -> torch.Tensor:
        # Once the projected states' keys and values are cached, `states` only stands for their length.
        fresh = len(cache.cross_attention_cache) == 0
        states = project(states) if project is not None and fresh else states
        return model.decoder(
            input_ids=ids, encoder_hidden_states=states, past_key_values=cache, use_cache=True
        ).logits

    return decode


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    side, width, positions = 16, 16, 40
    tokenizer = byte_level_tokenizer(280)
    encoder = ViTConfig(
        image_size=side,
        patch_size=8,
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    decoder = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=positions,
        n_embd=width,
        n_layer=1,
        n_head=2,
        add_cross_attention=True,
        is_decoder=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(encoder, add_pooling_layer=False), decoder=GPT2LMHeadModel(decoder)
    )
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = config.pad_token_id = config.bos_token_id = config.eos_token_id = 0
    model.generation_config.max_length = 16
    spread_weights(model, seed)
    processor = ViTImageProcessor(
        size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    save_checkpoint(folder, model, tokenizer, processor)


FAMILY = Family("vit_gpt2", ("vision-encoder-decoder",), ("image-to-text",), load, make_tiny)
