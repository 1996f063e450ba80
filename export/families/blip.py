"""BLIP: encoder_model and decoder_model_merged; text_encoder between them reads a question."""

import pathlib
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    PretrainedConfig,
)

from ..captions import Generated, Params, generate
from ..checkpoint import load_model
from ..cross_attention import MERGED, CrossCaptioner, causal_mask, decoder_graphs, positions, sample_ids
from ..graph import Graph, Sizes, Tensors, random_ids
from ..options import Options
from ..recipe import Export, Family, settings_saver
from ..replaced import replaced
from ..runtime import Sessions
from ..tiny import save_checkpoint, spread_weights, word_piece_tokenizer
from ..vision import LastHiddenState, encoder_graph, pixels

CAPTIONS, ANSWERS = "image-to-text", "visual-question-answering"
MODELS = {CAPTIONS: BlipForConditionalGeneration, ANSWERS: BlipForQuestionAnswering}


class BlipCaptioner(CrossCaptioner):
    prompts = ("", "a man with")

    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated:
        # generate() overwrites the ids it is given.
        text = dict(self.tokenizer(prompt, return_tensors="pt")) if prompt else {}
        text.pop("token_type_ids", None)
        return generate(self.model, params, pixel_values=pixels(self.processor, image), **text)

    def start(self, prompt: str) -> list[int]:
        """[DEC] and the prompt without its [CLS] and [SEP]."""
        first = self.model.config.text_config.bos_token_id
        return [first, *self.tokenizer.encode(prompt, add_special_tokens=False)]


class BlipAnswerer(BlipCaptioner):
    prompts = ("what is in the image?",)

    def decoder_states(self, sessions: Sessions, states: np.ndarray, prompt: str) -> np.ndarray:
        ids = np.array([self.tokenizer.encode(prompt)], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "encoder_hidden_states": states}
        return sessions["text_encoder"].run(feeds)["last_hidden_state"]

    def start(self, prompt: str) -> list[int]:
        return [self.model.config.text_config.bos_token_id]


class QuestionEncoder(torch.nn.Module):
    """input_ids, attention_mask, encoder_hidden_states (of the image) -> last_hidden_state."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, states: torch.Tensor
    ) -> torch.Tensor:
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, encoder_hidden_states=states
        ).last_hidden_state


def choose_task(config: PretrainedConfig) -> str:
    return ANSWERS if "BlipForQuestionAnswering" in (config.architectures or []) else CAPTIONS


def load(options: Options, config: PretrainedConfig) -> Export:
    model = load_model(MODELS[options.task], options)
    text = model.config.text_config
    # generate() of BLIP goes by these, whatever generation_config.json says.
    defaults = model.text_decoder.generation_config
    defaults.bos_token_id, defaults.eos_token_id, defaults.pad_token_id = (
        text.bos_token_id,
        text.sep_token_id,
        text.pad_token_id,
    )
    processor = AutoImageProcessor.from_pretrained(options.checkpoint, use_fast=False)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    encoder = encoder_graph(LastHiddenState(model.vision_model), model.config.vision_config)
    answers = options.task == ANSWERS
    between = [question_graph(model.text_encoder, encoder)] if answers else []
    read = between[0] if answers else encoder
    decoders = decoder_graphs(
        model.text_decoder,
        decode_of(model.text_decoder),
        sample_ids(text.vocab_size),
        read,
        bool(options.with_cache),
    )
    return Export(
        graphs=[encoder, *between, *decoders],
        joined=MERGED if options.with_cache else {},
        save_settings=settings_saver(model.config, defaults, processor, tokenizer),
        captioner=(BlipAnswerer if answers else BlipCaptioner)(model, processor, tokenizer, defaults),
    )


def decode_of(decoder: torch.nn.Module) -> Any:
    def decode(ids: torch.Tensor, states: torch.Tensor, cache: Any) -> torch.Tensor:
        fresh, past = ids.shape[1], cache.get_seq_length()
        mask = causal_mask(fresh, past)
        # The model's own mask is a product of tensors of ones, which tracing turns into arithmetic.
        with replaced(decoder.bert, "get_extended_attention_mask", lambda *_: mask):
            return decoder(
                input_ids=ids,
                position_ids=positions(fresh, past),
                encoder_hidden_states=states,
                past_key_values=cache,
                use_cache=True,
            ).logits

    return decode


def question_graph(model: torch.nn.Module, encoder: Graph) -> Graph:
    def sample(sizes: Sizes) -> Tensors:
        ids = random_ids(model.config.vocab_size, sizes.batch, sizes.length)
        states = encoder.run(encoder.sample(sizes))["last_hidden_state"]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "encoder_hidden_states": states}

    text = {0: "batch_size", 1: "sequence_length"}
    axes = {"input_ids": text, "attention_mask": text, "last_hidden_state": text}
    axes["encoder_hidden_states"] = {0: "batch_size", 1: "encoder_sequence_length"}
    return Graph("text_encoder", QuestionEncoder(model), sample, ["last_hidden_state"], axes)


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    side, width = 16, 16
    tokenizer = word_piece_tokenizer(("[DEC]", "[ENC]"))
    first, end = tokenizer.convert_tokens_to_ids(["[DEC]", "[SEP]"])
    text = BlipTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        encoder_hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=40,
        bos_token_id=first,
        eos_token_id=end,
        sep_token_id=end,
        pad_token_id=0,
    )
    vision = BlipVisionConfig(
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=side,
        patch_size=8,
    )
    # Questions are answered by a seed's odd neighbour, so that both tasks have a checkpoint.
    kind = BlipForQuestionAnswering if seed % 2 else BlipForConditionalGeneration
    model = kind(BlipConfig.from_text_vision_configs(text, vision))
    spread_weights(model, seed)
    save_checkpoint(folder, model, tokenizer, BlipImageProcessor(size={"height": side, "width": side}))


FAMILY = Family("blip", ("blip",), (CAPTIONS, ANSWERS), load, make_tiny, choose_task=choose_task)
