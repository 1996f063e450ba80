"""Florence-2: vision_encoder, embed_tokens, encoder_model, decoder_model_merged (uncached: decoder_model).

The layout of onnx-community: image features stand in front of the prompt's embeddings, and the decoder reads
embeddings. Of checkpoints in transformers' own layout (florence-community/Florence-2-*).
"""

import pathlib
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, processors
from transformers import (
    BartConfig,
    BartTokenizerFast,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GenerationConfig,
    PretrainedConfig,
)
from transformers.models.florence2.configuration_florence2 import Florence2VisionConfig

from ..captions import Generated, Params, generate, search_greedily
from ..checkpoint import load_model, load_processor
from ..cross_attention import MERGED, decoder_graphs, random_mask, sample_embeddings
from ..embedded_decoder import embed, embedding_graph
from ..graph import Graph, Sizes, Tensors
from ..options import ExportError, Options
from ..recipe import Export, Family, settings_saver
from ..runtime import CrossDecoder, Sessions
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights
from ..vision import pixels

SIDE = 768  # pixels, where the processor does not say


class ImageFeatures(torch.nn.Module):
    """pixel_values -> image_features."""

    def __init__(self, model: Florence2ForConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model.get_image_features(pixel_values)


class TextEncoder(torch.nn.Module):
    """attention_mask, inputs_embeds -> last_hidden_state."""

    def __init__(self, model: Florence2ForConditionalGeneration) -> None:
        super().__init__()
        self.encoder = model.language_model.encoder

    def forward(self, attention_mask: torch.Tensor, inputs_embeds: torch.Tensor) -> torch.Tensor:
        return self.encoder(attention_mask=attention_mask, inputs_embeds=inputs_embeds).last_hidden_state


def image_graph(model: Florence2ForConditionalGeneration, side: int) -> Graph:
    def sample(sizes: Sizes) -> Tensors:
        return {"pixel_values": torch.randn(sizes.batch, 3, side, side)}

    axes = {name: {0: "batch_size"} for name in ("pixel_values", "image_features")}
    return Graph("vision_encoder", ImageFeatures(model), sample, ["image_features"], axes)


def encoder_graph(model: Florence2ForConditionalGeneration) -> Graph:
    width = model.config.text_config.d_model

    def sample(sizes: Sizes) -> Tensors:
        positions = 2 * sizes.past + sizes.length
        return {
            "attention_mask": random_mask(sizes.batch, positions),
            "inputs_embeds": torch.randn(sizes.batch, positions, width),
        }

    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in (*sample(Sizes()), "last_hidden_state")}
    return Graph("encoder_model", TextEncoder(model), sample, ["last_hidden_state"], axes)


def decode_of(model: Florence2ForConditionalGeneration) -> Any:
    decoder, head = model.language_model.decoder, model.lm_head

    def decode(embeds: torch.Tensor, states: torch.Tensor, cache: Any, mask: torch.Tensor) -> torch.Tensor:
        out = decoder(
            inputs_embeds=embeds,
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        return head(out.last_hidden_state)

    return decode


class FlorenceCaptioner:
    task = "image-text-to-text"
    prompts = ("What does the image describe?",)
    notes: dict[str, Any] = {}

    def __init__(self, model: Florence2ForConditionalGeneration, processor: Florence2Processor) -> None:
        self.model, self.images, self.tokenizer = model, processor.image_processor, processor.tokenizer
        self.defaults = model.generation_config

    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated:
        values = pixels(self.images, image)
        with torch.no_grad():
            positions = self.model.get_image_features(values).shape[1]
        ids = torch.tensor(
            [[self.model.config.image_token_id] * positions + self.tokenizer(prompt).input_ids]
        )
        return generate(
            self.model, params, input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=values
        )

    def onnx(
        self, sessions: Sessions, image: Image.Image, prompt: str, config: GenerationConfig
    ) -> list[int]:
        values = pixels(self.images, image).numpy()
        features = sessions["vision_encoder"].run({"pixel_values": values})["image_features"]
        embeds = np.concatenate(
            (features, embed(sessions["embed_tokens"], self.tokenizer(prompt).input_ids)), 1
        )
        feeds = {"inputs_embeds": embeds, "attention_mask": np.ones(embeds.shape[:2], np.int64)}
        states = sessions["encoder_model"].run(feeds)["last_hidden_state"]
        return search_greedily(CrossDecoder(sessions, states), [config.decoder_start_token_id], config)

    def text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def load(options: Options, config: PretrainedConfig) -> Export:
    if not isinstance(config, Florence2Config) or hasattr(config.vision_config, "dim_embed"):
        raise ExportError(
            f"{options.checkpoint}: is in the layout of Microsoft's own code; take its twin in transformers' "
            "layout, florence-community/Florence-2-base or -large (-ft)"
        )
    model = load_model(Florence2ForConditionalGeneration, options)
    processor = load_processor(options)
    side = processor.image_processor.size.get("height", SIDE)
    encoder, width = encoder_graph(model), model.config.text_config.d_model
    decoders = decoder_graphs(
        model, decode_of(model), sample_embeddings(width), encoder, bool(options.with_cache), masked=True
    )
    return Export(
        graphs=[image_graph(model, side), embedding_graph(model), encoder, *decoders],
        joined=MERGED if options.with_cache else {},
        save_settings=settings_saver(model.config, model.generation_config, processor),
        captioner=FlorenceCaptioner(model, processor),
    )


def tiny_tokenizer() -> BartTokenizerFast:
    """With few locations; released checkpoints know a thousand."""
    special = ("<s>", "<pad>", "</s>", "<unk>")
    bpe = byte_level_tokenizer(280, special).backend_tokenizer
    words = ["<image>", "<od>", "</od>", "<ocr>", "</ocr>", *(f"<loc_{i}>" for i in range(10))]
    bpe.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in words])
    bpe.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    roles = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>"}
    named = {f"{role}_token": word for role, word in roles.items()}
    return BartTokenizerFast(tokenizer_object=bpe, extra_special_tokens={"image_token": "<image>"}, **named)


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    side, width = 32, 16
    tokenizer = tiny_tokenizer()
    vision = Florence2VisionConfig(
        embed_dim=[8, width],
        num_heads=[2, 2],
        num_groups=[2, 2],
        depths=[1, 1],
        patch_size=[7, 3],
        patch_stride=[4, 2],
        patch_padding=[3, 1],
        patch_prenorm=[False, True],
        window_size=3,
        projection_dim=width,
        max_temporal_embeddings=4,
        max_position_embeddings=10,
    )
    text = BartConfig(
        vocab_size=len(tokenizer),
        d_model=width,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=64,
    )
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    model = Florence2ForConditionalGeneration(
        Florence2Config(text_config=text.to_dict(), vision_config=vision.to_dict(), image_token_id=image_id)
    )
    spread_weights(model, seed)
    ends = {"forced_bos_token_id": 0, "forced_eos_token_id": 2, "decoder_start_token_id": 2}
    model.generation_config = GenerationConfig(
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        max_length=14,
        num_beams=3,
        no_repeat_ngram_size=3,
        **ends,
    )
    images = CLIPImageProcessor(size={"height": side, "width": side}, do_center_crop=False)
    images.image_seq_length = (side // 8) ** 2 + 1
    save_checkpoint(folder, model, Florence2Processor(images, tokenizer))


FAMILY = Family("florence2", ("florence2",), ("image-text-to-text",), load, make_tiny)
