"""Whatever optimum exports: text encoders, GPT-2 and its kin, T5, BART, Whisper, CLIP, image classifiers.

Modules, inputs and names are optimum's; what follows the export is done here as for every other family.
"""

import pathlib
import random
from collections.abc import Callable
from typing import Any

import torch
import transformers
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.convert import export_pytorch
from optimum.exporters.onnx.utils import _get_submodels_and_onnx_configs
from optimum.exporters.tasks import TasksManager
from optimum.utils.save_utils import maybe_load_preprocessors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..checkpoint import load_model, one_line
from ..cross_attention import MERGED
from ..graph import Graph, Sizes, Tensors
from ..options import USAGE, ExportError, Options
from ..recipe import Export, Family, settings_saver
from ..texts import text_answers
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights

PAST = "-with-past"


class OptimumGraph(Graph):
    """A module of optimum with the inputs that optimum makes up. run() takes what sample() gave last."""

    def __init__(self, stem: str, model: PreTrainedModel, config: OnnxConfig) -> None:
        self.config, self.nested = config, {}
        super().__init__(stem, model, self.draw, list(config.outputs), dict(config.outputs))

    def draw(self, sizes: Sizes) -> Tensors:
        random.seed(torch.initial_seed())  # the other generator that optimum draws from
        # optimum's masks hide at least one position and show one.
        given = self.config.generate_dummy_inputs(
            framework="pt", batch_size=sizes.batch, sequence_length=sizes.length + 1
        )
        self.nested = self.config.rename_ambiguous_inputs(dict(given))
        renamed = self.config.generate_dummy_inputs_for_validation(dict(given), self.onnx_inputs())
        return flatten(renamed, self.config.flatten_output_collection_property)

    def onnx_inputs(self) -> list[str]:
        names = self.config.torch_to_onnx_input_map
        return [names.get(name, name) for name in self.config.inputs]

    def run(self, inputs: Tensors) -> Tensors:
        with torch.no_grad(), self.config.patch_model_for_export(self.module, model_kwargs={}):
            results = dict(self.module(**self.nested))
        if "past_key_values" in results:
            results["present"] = results.pop("past_key_values")
        names = self.config.torch_to_onnx_output_map
        named = {names.get(name, name): value for name, value in results.items()}
        flat = flatten(named, self.config.flatten_output_collection_property)
        return {name: flat[name] for name in self.outputs}

    def write(self, path: pathlib.Path, opset: int) -> None:
        export_pytorch(self.module, self.config, opset, path)


def flatten(values: dict[str, Any], expand: Callable[[str, Any], Tensors]) -> Tensors:
    flat: Tensors = {}
    for name, value in values.items():
        flat.update(expand(name, value) if isinstance(value, (list, tuple)) else {name: value})
    return flat


def task_of(config: PretrainedConfig) -> str:
    """By the class that the checkpoint was saved from."""
    kind = getattr(transformers, next(iter(config.architectures or []), ""), None)
    if kind is None:
        raise ValueError("config.json names no class of transformers in 'architectures'; say --task")
    if kind.__name__.endswith("ForConditionalGeneration") and config.model_type != "whisper":
        return "text2text-generation"  # such classes stand in several of optimum's tables
    return TasksManager._infer_task_from_model_or_model_class(model_class=kind)


def find_task(options: Options, config: PretrainedConfig) -> str:
    """Of optimum, with its ending for a cache."""
    try:
        task = TasksManager.map_from_synonym(options.task or task_of(config))
        known = TasksManager.get_supported_tasks_for_model_type(
            config.model_type, "onnx", library_name="transformers"
        )
    except Exception as error:
        raise ExportError(
            f"{options.checkpoint}: optimum knows no export of the model type '{config.model_type}': "
            f"{one_line(error)}"
        ) from error
    plain = task.removesuffix(PAST)
    if plain not in known:
        raise ExportError(
            f"--task {plain}: '{config.model_type}' is exported for {', '.join(sorted(known))}", USAGE
        )
    return plain + PAST if options.with_cache and plain + PAST in known else plain


def load(options: Options, config: PretrainedConfig) -> Export:
    if options.exporter != "torchscript":
        raise ExportError("--exporter dynamo: optimum exports with torchscript only", USAGE)
    task = find_task(options, config)
    kind = TasksManager.get_model_class_for_task(task.removesuffix(PAST), model_type=config.model_type)
    model = load_model(kind, options)
    processors = maybe_load_preprocessors(options.checkpoint, trust_remote_code=options.trust_remote_code)
    tokenizer = next((part for part in processors if isinstance(part, PreTrainedTokenizerBase)), None)
    # Now, for optimum changes settings of the model with which generate() would fail.
    answers = text_answers(model, tokenizer, task.removesuffix(PAST)) if options.validates else None
    _, parts = _get_submodels_and_onnx_configs(
        model=model,
        task=task,
        monolith=False,
        custom_onnx_configs={},
        custom_architecture=False,
        _variant="default",
        library_name="transformers",
        preprocessors=processors,
    )
    graphs: list[Graph] = [
        OptimumGraph(stem, part, part_config) for stem, (part, part_config) in parts.items()
    ]
    generation = model.generation_config if model.can_generate() else None
    return Export(
        graphs=graphs,
        joined=MERGED if "decoder_with_past_model" in parts else {},
        save_settings=settings_saver(model.config, generation, *processors),
        answers=answers,
    )


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    tokenizer = byte_level_tokenizer(280)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=40,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
        forced_eos_token_id=0,
    )
    model = BartForConditionalGeneration(config)
    spread_weights(model, seed)
    save_checkpoint(folder, model, tokenizer)


FAMILY = Family("optimum", (), (), load, make_tiny)
