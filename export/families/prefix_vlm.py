"""Prefix VLM: a SigLIP encoder's projected features in front of a text decoder's tokens (SigLIP + SmolLM).

With a cache vision_encoder, embed_tokens and decoder_model_merged; without, one graph, model. Checkpoints
hold vision_encoder.*, projection.* and language_model.*, a LoRA beside the weights or merged into them.
"""

import pathlib
import re
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

from ..captions import search_greedily
from ..checkpoint import merge_adapter, one_line, tidy, write_json
from ..embedded_decoder import EmbeddedCaptioner, EmbeddedModel, decoder_graph, embedding_graph
from ..graph import Graph, Sizes, Tensors, random_ids
from ..options import ExportError, Options
from ..recipe import Export, Family, settings_saver
from ..runtime import Sessions
from ..tiny import byte_level_tokenizer, spread_weights
from ..vision import encoder_graph, image_side, pixels
from ..weights import read_weights

MODEL_TYPE = "prefix_conditioning_vlm"


class PrefixConfig(PretrainedConfig):
    """transformers knows no such model: its parts are described by configurations of theirs."""

    model_type = MODEL_TYPE

    def __init__(self, text_config: Any = None, vision_config: Any = None, **more: Any) -> None:
        self.text_config, self.vision_config = (part_config(part) for part in (text_config, vision_config))
        super().__init__(**more)


AutoConfig.register(MODEL_TYPE, PrefixConfig)


def part_config(given: Any) -> PretrainedConfig | None:
    if given is None or isinstance(given, PretrainedConfig):
        return given
    if "model_type" not in given:
        raise ValueError("text_config and vision_config must name their model_type")
    return AutoConfig.for_model(**given)


class Projection(torch.nn.Module):
    """One linear layer, or two with GELU between them (a dropout in training stands before the second)."""

    def __init__(self, weights: Tensors, kind: str) -> None:
        super().__init__()
        layers = {"linear": (None,), "mlp": (0, 3)}.get(kind)
        if layers is None:
            raise ExportError(f"projection_type '{kind}' is not known; linear and mlp are")
        modules: list[torch.nn.Module] = []
        for index in layers:
            names = [
                key
                for key in weights
                if key.endswith("weight") and (index is None or f"{index}.weight" in key)
            ]
            if len(names) != 1:
                raise ExportError(
                    f"projection.*: the weights are not those of projection_type {kind}: {list(weights)}"
                )
            modules.append(
                linear_layer(weights[names[0]], weights.get(names[0].removesuffix("weight") + "bias"))
            )
        self.layers = torch.nn.Sequential(
            modules[0], *(m for layer in modules[1:] for m in (torch.nn.GELU(), layer))
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


def linear_layer(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


class ImageFeatures(torch.nn.Module):
    """pixel_values -> image_features."""

    def __init__(self, vision: PreTrainedModel, projection: torch.nn.Module) -> None:
        super().__init__()
        self.vision, self.projection = vision, projection

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.projection(self.vision(pixel_values=pixel_values).last_hidden_state)


class WholeModel(torch.nn.Module):
    """pixel_values, input_ids -> logits of the text's positions."""

    def __init__(self, model: EmbeddedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        features = self.model.image_features(pixel_values)
        language_model = self.model.language_model
        embeds = torch.cat((features, language_model.get_input_embeddings()(input_ids)), 1)
        mask = torch.ones_like(embeds[..., 0], dtype=torch.long)
        return language_model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).logits[
            :, features.shape[1] :
        ]


def whole_graph(model: EmbeddedModel, config: PrefixConfig) -> Graph:
    language_model = model.language_model
    shape = (3, *image_side(config.vision_config))

    def sample(sizes: Sizes) -> Tensors:
        ids = random_ids(language_model.config.vocab_size, sizes.batch, sizes.length)
        return {"pixel_values": torch.randn(sizes.batch, *shape), "input_ids": ids}

    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "logits")}
    return Graph("model", WholeModel(model), sample, ["logits"], {**axes, "pixel_values": {0: "batch_size"}})


class PrefixCaptioner(EmbeddedCaptioner):
    task = "image-to-text"
    prompts = ("", "a picture of")

    def around(self, prompt: str) -> tuple[list[int], list[int]]:
        return [], [
            self.defaults.bos_token_id,
            *self.tokenizer.encode(prompt, add_special_tokens=False),
        ]

    def onnx(
        self, sessions: Sessions, image: Image.Image, prompt: str, config: GenerationConfig
    ) -> list[int]:
        if not sessions.has("model"):
            return super().onnx(sessions, image, prompt, config)
        values, ids = pixels(self.processor, image).numpy(), self.around(prompt)[1]
        with torch.no_grad():
            embedded = self.model.image_features(torch.from_numpy(values)).shape[1] + len(ids)

        def step(fresh: list[int]) -> np.ndarray:
            ids.extend(fresh)
            return sessions["model"].run({"pixel_values": values, "input_ids": np.array([ids], np.int64)})[
                "logits"
            ][0, -1]

        return search_greedily(step, [], config, embedded)


def load(options: Options, config: PrefixConfig) -> Export:
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    model = load_parts(options, config, tokenizer)
    processor = AutoImageProcessor.from_pretrained(options.checkpoint, use_fast=False)
    split = (
        [embedding_graph(model.language_model), decoder_graph(model.language_model)]
        if options.with_cache
        else []
    )
    image = encoder_graph(model.image_features, config.vision_config, "vision_encoder", "image_features")
    return Export(
        graphs=[image, *split] if options.with_cache else [whole_graph(model, config)],
        save_settings=saver(config, model, processor, tokenizer),
        captioner=PrefixCaptioner(model, processor, tokenizer),
    )


def load_parts(options: Options, config: PrefixConfig, tokenizer: Any) -> EmbeddedModel:
    weights = merge_lora(read_weights(options), config)
    parts = {name: under(weights, name) for name in ("vision_encoder", "projection", "language_model")}
    # Exporters cannot write attention over groups of heads; eager repeats keys and values for it.
    language_model = AutoModelForCausalLM.from_config(config.text_config, attn_implementation="eager")
    fill(language_model, parts["language_model"], "language_model")
    vision = AutoModel.from_config(config.vision_config)
    if not any(name.startswith("vision_model.") for name in parts["vision_encoder"]):
        parts["vision_encoder"] = {
            f"vision_model.{name}": weight for name, weight in parts["vision_encoder"].items()
        }
    fill(vision, parts["vision_encoder"], "vision_encoder")
    if hasattr(vision.vision_model, "use_head"):
        vision.vision_model.use_head = False  # pools the features into one, which nothing reads here
    if options.adapter is not None:
        language_model = merge_adapter(language_model, options.adapter)
    language_model.generation_config = generation_settings(options, config, tokenizer)
    projection = Projection(parts["projection"], getattr(config, "projection_type", "linear"))
    return EmbeddedModel(ImageFeatures(tidy(vision), projection), tidy(language_model)).float().eval()


def under(weights: Tensors, name: str) -> Tensors:
    """The weights of one part, by their names in it."""
    part = {
        key.removeprefix(name + "."): value for key, value in weights.items() if key.startswith(name + ".")
    }
    if not part:
        raise ExportError(
            f"the checkpoint has no weights {name}.*; it must hold vision_encoder, projection, language_model"
        )
    return part


def merge_lora(weights: Tensors, config: PrefixConfig) -> Tensors:
    """Adds the product of each pair lora_A, lora_B to the weight that it stands beside, under plain names."""
    merged = {re.sub(r"base_model\.model\.|base_layer\.", "", key): value for key, value in weights.items()}
    pairs = [key for key in merged if ".lora_A." in key]
    if not pairs:
        return merged
    try:
        scale = config.lora_alpha / config.lora_r
    except AttributeError as missing:
        raise ExportError(
            "the checkpoint holds a LoRA, but config.json lacks lora_r or lora_alpha, its scale"
        ) from missing
    for key in pairs:
        target = key.split(".lora_A.")[0] + ".weight"
        first, second = merged.pop(key), merged.pop(key.replace(".lora_A.", ".lora_B."), None)
        if second is None or target not in merged or first.shape[0] != config.lora_r:
            raise ExportError(f"{key}: does not fit lora_B, {target} or lora_r {config.lora_r}")
        merged[target] = (merged[target].float() + scale * second.float() @ first.float()).to(
            merged[target].dtype
        )
    return merged


def fill(model: PreTrainedModel, weights: Tensors, name: str) -> None:
    """Weights that are tied to others may be missing, nothing else."""
    try:
        found = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ExportError(f"{name}: the weights do not fit config.json: {one_line(error)}") from error
    model.tie_weights()
    tied = (
        set(getattr(model, "_tied_weights_keys", None) or ()) if model.config.tie_word_embeddings else set()
    )
    missing = [key for key in found.missing_keys if key not in tied and ".head." not in key]
    wrong = missing or [key for key in found.unexpected_keys if not key.endswith("position_ids")]
    if wrong:
        raise ExportError(
            f"{name}: {'lacks' if missing else 'has no place for'} {len(wrong)} weights, {wrong[0]} first"
        )


def generation_settings(options: Options, config: PrefixConfig, tokenizer: Any) -> GenerationConfig:
    try:
        settings = GenerationConfig.from_pretrained(options.checkpoint)
    except OSError:
        settings = GenerationConfig(max_new_tokens=config.max_length)
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if getattr(settings, key) is None:
            setattr(settings, key, getattr(tokenizer, key))
    if settings.bos_token_id is None:
        raise ExportError(
            f"{options.checkpoint}: neither the tokenizer nor generation_config.json names a bos token"
        )
    return settings


def saver(config: PrefixConfig, model: EmbeddedModel, processor: Any, tokenizer: Any) -> Any:
    rest = settings_saver(model.language_model.generation_config, processor, tokenizer)

    def save(folder: pathlib.Path) -> None:
        rest(folder)
        parts = {key: getattr(config, key).to_diff_dict() for key in ("text_config", "vision_config")}
        write_json(
            folder / "config.json",
            {"model_type": MODEL_TYPE, "architectures": ["PrefixConditioningVLM"], **parts},
        )

    return save


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    """With a LoRA beside the weights, as training leaves it."""
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import save_file

    rank, side, width = 2, 28, 24
    tokenizer = byte_level_tokenizer(280)
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    vision = SiglipVisionConfig(
        image_size=side,
        patch_size=14,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    config = PrefixConfig(
        text, vision, projection_type="linear", lora_r=rank, lora_alpha=2 * rank, max_length=16
    )
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    parts = {
        "vision_encoder": AutoModel.from_config(vision),
        "projection": torch.nn.ModuleDict({"projection": torch.nn.Linear(16, width)}),
        "language_model": get_peft_model(AutoModelForCausalLM.from_config(text), lora),
    }
    model = torch.nn.ModuleDict(parts)
    spread_weights(model, seed)
    tied = "language_model.base_model.model.lm_head.weight"
    folder.mkdir(parents=True)
    save_file(
        {key: weight for key, weight in model.state_dict().items() if key != tied},
        folder / "model.safetensors",
    )
    for part in (config, tokenizer, SiglipImageProcessor(size={"height": side, "width": side}, resample=3)):
        part.save_pretrained(folder)


FAMILY = Family("prefix_vlm", (MODEL_TYPE,), ("image-to-text",), load, make_tiny)
