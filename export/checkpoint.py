"""Reads checkpoints: configuration, weights, an adapter merged into them."""

import json
import pathlib
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoImageProcessor, AutoProcessor, PretrainedConfig, PreTrainedModel

from .options import USAGE, ExportError, Options

NOT_NEEDED = ["*.onnx*", "*.gguf", "*.h5", "*.msgpack"]  # beside PyTorch's weights


def one_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def fetch_revision(checkpoint: str, revision: str) -> str:
    """The folder with that revision of a model on the hub, downloaded where it is not in the cache."""
    if pathlib.Path(checkpoint).is_dir():
        raise ExportError(
            f"--revision {revision}: {checkpoint} is a folder; revisions are of models on the hub", USAGE
        )
    try:
        return snapshot_download(checkpoint, revision=revision, ignore_patterns=NOT_NEEDED)
    except Exception as error:
        raise ExportError(
            f"{checkpoint}, revision {revision}: cannot be downloaded: {one_line(error)}"
        ) from error


def read_config(options: Options) -> PretrainedConfig:
    folder = pathlib.Path(options.checkpoint)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ExportError(f"{folder}: holds no config.json; name the folder that save_pretrained() wrote")
    try:
        return AutoConfig.from_pretrained(options.checkpoint, trust_remote_code=options.trust_remote_code)
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise ExportError(
                f"{options.checkpoint}: the model needs code of its own repository; read that code, then say "
                "--trust-remote-code",
                USAGE,
            ) from error
        raise ExportError(
            f"{options.checkpoint}: the configuration cannot be read: {one_line(error)}; is it in a layout "
            "of its authors' own (README.md names those that have a twin in transformers' layout)?"
        ) from error


def load_model(kind: Any, options: Options, **more: Any) -> PreTrainedModel:
    """`kind`: a class with from_pretrained. In evaluation mode, in float32, with the adapter merged."""
    if options.opset < 14:
        more["attn_implementation"] = "eager"  # the other form has no equivalent there
    try:
        model = kind.from_pretrained(
            options.checkpoint, dtype=torch.float32, trust_remote_code=options.trust_remote_code, **more
        )
    except Exception as error:
        raise ExportError(f"{options.checkpoint}: the weights cannot be read: {one_line(error)}") from error
    if options.adapter is not None:
        model = merge_adapter(model, options.adapter)
    return tidy(model)


def load_processor(options: Options) -> Any:
    """With pictures made by Pillow, as vulcap makes them, and not by torchvision."""
    processor = AutoProcessor.from_pretrained(options.checkpoint)
    processor.image_processor = AutoImageProcessor.from_pretrained(options.checkpoint, use_fast=False)
    return processor


def tidy(model: PreTrainedModel) -> PreTrainedModel:
    """config.json shall not name the folder that the model came from."""
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PretrainedConfig):
            config._name_or_path = ""
    return model.eval()


def merge_adapter(model: PreTrainedModel, adapter: pathlib.Path) -> PreTrainedModel:
    """The base model with a PEFT LoRA in its weights."""
    from peft import PeftModel

    if not (adapter / "adapter_config.json").is_file():
        raise ExportError(
            f"{adapter}: holds no adapter_config.json; name the folder of a PEFT adapter", USAGE
        )
    try:
        with_adapter = PeftModel.from_pretrained(model, str(adapter))
    except Exception as error:
        raise ExportError(
            f"{adapter}: the adapter does not fit this checkpoint: {one_line(error)}"
        ) from error
    check_adapter_keys(with_adapter, adapter)
    return with_adapter.merge_and_unload()


def check_adapter_keys(model: torch.nn.Module, adapter: pathlib.Path) -> None:
    """PEFT passes over weights that it finds no place for; here that is an error."""
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    stored = set(load_peft_weights(str(adapter), device="cpu"))
    unused = stored - set(get_peft_model_state_dict(model))
    if unused:
        raise ExportError(
            f"{adapter}: {len(unused)} of {len(stored)} of its weights have no place in this checkpoint, "
            f"{sorted(unused)[0]} first; is it the adapter of another model?"
        )


def write_json(path: pathlib.Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
