"""Moondream: vision_encoder with its projection, embed_tokens, decoder_model_merged with a cache.

The checkpoint's classes are code of its own repository (vikhyatk/moondream2 up to revision 2024-08-26). The
image encoder runs that code; the text model becomes transformers' Phi with the same weights, because its own
code knows no cache of today's transformers.
"""

import pathlib
import re
from typing import Any

import torch
from tokenizers import processors
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CodeGenTokenizerFast,
    GenerationConfig,
    PhiConfig,
    PhiForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    SiglipImageProcessor,
)

from ..checkpoint import load_model, one_line, write_json
from ..embedded_decoder import EmbeddedCaptioner, EmbeddedModel, decoder_graph, embedding_graph
from ..graph import Graph, Sizes, Tensors
from ..options import ExportError, Options, warn
from ..recipe import Export, Family, settings_saver
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights

IMAGE_TOKEN = "<image>"
MAX_LENGTH = 1024  # at most, where the checkpoint states none
LOGITS_TOLERANCE = 1e-3  # as a share of the range, between the checkpoint's text model and transformers' Phi

# Names of the checkpoint's text model -> of transformers' Phi; Wqkv is cut in three beside this.
NAMES = (
    (r"^transformer\.embd\.wte\.", "model.embed_tokens."),
    (r"^transformer\.h\.(\d+)\.ln\.", r"model.layers.\1.input_layernorm."),
    (r"^transformer\.h\.(\d+)\.mixer\.out_proj\.", r"model.layers.\1.self_attn.dense."),
    (r"^transformer\.h\.(\d+)\.mixer\.Wqkv\.", r"model.layers.\1.self_attn.Wqkv."),
    (r"^transformer\.h\.(\d+)\.mlp\.", r"model.layers.\1.mlp."),
    (r"^lm_head\.ln\.", "model.final_layernorm."),
    (r"^lm_head\.linear\.", "lm_head."),
)


class ImageFeatures(torch.nn.Module):
    """pixel_values of one size -> image_features, past the code that cuts large pictures into parts."""

    def __init__(self, vision: torch.nn.Module) -> None:
        super().__init__()
        self.encoder, self.projection = vision.encoder, vision.projection
        self.reads = next(
            layer for layer in self.projection.modules() if isinstance(layer, torch.nn.Linear)
        ).in_features

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        features = self.encoder(pixel_values)
        # Later revisions project a picture's features beside those of its parts; a small one has itself.
        parts = self.reads // features.shape[-1]
        return self.projection(torch.cat([features] * parts, -1))


class MoondreamCaptioner(EmbeddedCaptioner):
    task = "image-text-to-text"
    prompts = ("Describe this image.", "What is in the image?")

    def around(self, prompt: str) -> tuple[list[int], list[int]]:
        ids = self.tokenizer(f"{IMAGE_TOKEN}\n\nQuestion: {prompt}\n\nAnswer:").input_ids
        place = ids.index(self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
        return ids[:place], ids[place + 1 :]


def load(options: Options, config: PretrainedConfig) -> Export:
    model = load_model(AutoModelForCausalLM, options)
    parts = (getattr(model, "vision_encoder", None), getattr(model, "text_model", None))
    if not hasattr(parts[0], "projection") or not isinstance(parts[1], PreTrainedModel):
        raise ExportError(
            f"{options.checkpoint}: {type(model).__name__} has no vision_encoder and text_model; moondream2 "
            "had them up to --revision 2024-08-26"
        )
    vision, text = parts
    language_model = text if isinstance(text, PhiForCausalLM) else as_phi(text)
    tokenizer = tokenizer_with_image(options)
    language_model.generation_config = generation_settings(options, tokenizer, language_model.config)
    features = ImageFeatures(vision).eval()
    whole = EmbeddedModel(features, language_model).eval()
    processor = image_processor(side_of(features))
    return Export(
        graphs=[image_graph(features), embedding_graph(language_model), decoder_graph(language_model)],
        save_settings=saver(language_model, features, processor, tokenizer),
        captioner=MoondreamCaptioner(whole, processor, tokenizer),
    )


def as_phi(text: PreTrainedModel) -> PhiForCausalLM:
    """transformers' Phi with the weights of the checkpoint's own; its logits are compared."""
    given = {**text.config.to_dict(), "torch_dtype": None, "dtype": None}
    for old, new in (
        ("n_embd", "hidden_size"),
        ("n_layer", "num_hidden_layers"),
        ("n_head", "num_attention_heads"),
    ):
        given[new] = given.pop(old, None) or given[new]
    if "rotary_dim" in given:
        given["partial_rotary_factor"] = (
            given.pop("rotary_dim") * given["num_attention_heads"] / given["hidden_size"]
        )
    known = {
        key: given[key]
        for key in PhiConfig().to_dict()
        if key in given and key not in ("model_type", "auto_map")
    }
    phi = PhiForCausalLM(PhiConfig(**known)).eval()
    try:
        phi.load_state_dict(phi_weights(text.state_dict()))
    except RuntimeError as error:
        raise ExportError(f"the text model's weights are not those of Phi: {one_line(error)}") from error
    compare_logits(text, phi)
    return phi


def phi_weights(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, weight in weights.items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        if ".Wqkv." not in name:
            renamed[name] = weight
            continue
        for part, third in zip(("q_proj", "k_proj", "v_proj"), weight.chunk(3)):
            renamed[name.replace("Wqkv", part)] = third
    return {name: weight for name, weight in renamed.items() if not re.search(r"(inv_freq|cached)$", name)}


def compare_logits(text: PreTrainedModel, phi: PhiForCausalLM) -> None:
    torch.manual_seed(0)
    embeds = phi.get_input_embeddings()(torch.randint(0, phi.config.vocab_size, (1, 7)))
    with torch.no_grad():
        got = phi(inputs_embeds=embeds, use_cache=False).logits
        try:
            want = text(inputs_embeds=embeds, use_cache=False).logits
        except Exception as error:  # code of another time
            warn(f"the checkpoint's text model does not run here ({one_line(error)}); weights are unchecked")
            return
    off = ((want - got).abs().max() / (want.max() - want.min())).item()
    if not off <= LOGITS_TOLERANCE:
        raise ExportError(
            f"the text model is no Phi as transformers knows it: logits differ by {off:.1e} of their range"
        )


def tokenizer_with_image(options: Options) -> Any:
    """Knows the image's place, and begins as Moondream's own code does, with bos."""
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    bos = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        f"{bos[0]} $A", special_tokens=[bos]
    )
    return tokenizer


def generation_settings(options: Options, tokenizer: Any, config: PhiConfig) -> GenerationConfig:
    try:
        settings = GenerationConfig.from_pretrained(options.checkpoint)
    except OSError:  # none released has a generation_config.json
        settings = GenerationConfig(max_length=min(MAX_LENGTH, config.max_position_embeddings))
    for key, value in (("bos_token_id", tokenizer.bos_token_id), ("eos_token_id", tokenizer.eos_token_id)):
        if getattr(settings, key) is None:
            setattr(settings, key, value)
    if settings.pad_token_id is None:
        settings.pad_token_id = settings.bos_token_id
    return settings


def side_of(features: ImageFeatures) -> int:
    """Of the pictures, from the number of positions that the encoder knows."""
    shapes = {name.split(".", 2)[-1]: weight.shape for name, weight in features.encoder.named_parameters()}
    try:
        patch = round((shapes["patch_embed.linear.weight"][1] / 3) ** 0.5)
        return patch * round(shapes["pos_embed"][1] ** 0.5)
    except KeyError as missing:
        raise ExportError(
            f"the image encoder has no weight {missing}, which tells the size of its pictures"
        ) from missing


def image_processor(side: int) -> SiglipImageProcessor:
    """What Moondream's code does with a picture that is smaller than two of its parts."""
    half = [0.5] * 3
    return SiglipImageProcessor(
        size={"height": side, "width": side}, image_mean=half, image_std=half, resample=3
    )


def image_graph(features: ImageFeatures) -> Graph:
    side = side_of(features)

    def sample(sizes: Sizes) -> Tensors:
        return {"pixel_values": torch.randn(sizes.batch, 3, side, side)}

    axes = {name: {0: "batch_size"} for name in ("pixel_values", "image_features")}
    return Graph("vision_encoder", features, sample, ["image_features"], axes)


def saver(language_model: PhiForCausalLM, features: ImageFeatures, processor: Any, tokenizer: Any) -> Any:
    """config.json without auto_map: the folder needs no code."""
    config = {
        "model_type": "moondream1",
        "architectures": ["Moondream"],
        "text_config": language_model.config.to_diff_dict(),
        "vision_config": {"image_size": side_of(features)},
        "image_token_index": tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        "pad_token_id": language_model.generation_config.pad_token_id,
    }
    rest = settings_saver(language_model.generation_config, processor, tokenizer)

    def save(folder: pathlib.Path) -> None:
        rest(folder)
        write_json(folder / "config.json", config)

    return save


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    from ..tiny_moondream import Moondream, MoondreamConfig

    tokenizer = byte_level_tokenizer(280, kind=CodeGenTokenizerFast)
    text = PhiConfig(
        vocab_size=288,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        partial_rotary_factor=0.5,
        max_position_embeddings=96,
    )
    MoondreamConfig.register_for_auto_class()
    Moondream.register_for_auto_class("AutoModelForCausalLM")
    model = Moondream(MoondreamConfig(text_config=text.to_dict()))
    spread_weights(model, seed)
    save_checkpoint(folder, model, tokenizer)


FAMILY = Family("moondream", ("moondream1",), ("image-text-to-text",), load, make_tiny, caches=(True,))
