"""A checkpoint's weights by name, for models that transformers has no class of."""

import json
import pathlib

import torch
from safetensors.torch import load_file
from transformers.utils import cached_file

from .checkpoint import one_line
from .options import ExportError, Options

# In order of preference; an index names the files that the weights are spread over.
FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_weights(options: Options) -> dict[str, torch.Tensor]:
    try:
        for name in FILES:
            path = fetch(options, name)
            if path is not None:
                return read_file(options, path)
    except Exception as error:
        raise ExportError(f"{options.checkpoint}: the weights cannot be read: {one_line(error)}") from error
    raise ExportError(f"{options.checkpoint}: holds no weights; it needs {' or '.join(FILES)}")


def fetch(options: Options, name: str) -> pathlib.Path | None:
    found = cached_file(options.checkpoint, name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else pathlib.Path(found)


def read_file(options: Options, path: pathlib.Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".json":
        weights: dict[str, torch.Tensor] = {}
        for name in sorted(set(json.loads(path.read_text())["weight_map"].values())):
            shard = fetch(options, name)
            if shard is None:
                raise FileNotFoundError(f"{path.name} names {name}, which is missing")
            weights.update(read_file(options, shard))
        return weights
    return (
        load_file(path)
        if path.suffix == ".safetensors"
        else torch.load(path, map_location="cpu", weights_only=True)
    )
