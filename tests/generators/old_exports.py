"""Makes tests/golden/vit-gpt2-old: tiny ViT-GPT2 folders in the forms that exporters wrote over the years.

python old_exports.py [OUT [FOLDER ...]]
Needs torch 2.13, transformers 4.57, optimum-onnx 0.1, onnxruntime 1.31 and Pillow 13.

Answers of graphs (expected/graphs) are ONNX Runtime's with graph optimisation off, captions
(expected/pipeline.json) those of transformers.generate. Weights are random; their seed is the first whose
captions are neither monotonous nor changed by rounding, so ids must be equal on every device. Two runs may
differ in numbers within value names of some graphs, in nothing else.
"""

import copy
import dataclasses
import itertools
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from optimum.exporters.onnx import onnx_export_from_model
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPT2TokenizerFast,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
    VisionEncoderDecoderModel,
)

RECIPE = pathlib.Path(__file__).resolve().parents[2] / "models" / "recipe"
sys.path.insert(0, str(RECIPE))
from half_graph import halve_model

SIDE, WIDTH, HEADS, POSITIONS, VOCABULARY = 32, 16, 2, 40, 280
END = "<|endoftext|>"
ROUNDING = {"fp32": 1e-5, "fp16": 2.0**-10}  # relative changes of the weights that no expected id may notice
SCORE_ATOL = {"fp32": 1e-3, "fp16": 3e-2}
GRAPHS = {
    "merged": ("encoder_model", "decoder_model_merged"),
    "pair": ("encoder_model", "decoder_model", "decoder_with_past_model"),
    "plain": ("encoder_model", "decoder_model"),
}
CASES: dict[str, dict[str, Any]] = {
    "greedy": {"max_new_tokens": 12},
    "num_beams 3": {"max_new_tokens": 10, "num_beams": 3},
    "repetition_penalty 1.4": {"max_new_tokens": 12, "repetition_penalty": 1.4},
    "long greedy": {"max_new_tokens": 30, "min_new_tokens": 30},
}
SENTENCES = (
    "a dog runs over the wet sand near a boat",
    "two people sit on a wooden bench in the park",
    "a plate with bread and cheese stands on the table",
    "the cat sleeps under a red chair",
    "a man with a hat holds the hand of a child",
)

Feeds = dict[str, np.ndarray]


@dataclasses.dataclass
class Folder:
    """One way to export. fp16 files go to onnx/ as onnx-community lays them out."""

    name: str
    opset: int
    attention: str
    graphs: str  # key of GRAPHS
    first_seed: int  # where the search for weights begins
    dtype: str = "fp32"


FOLDERS = (
    Folder("opset11-eager", 11, "eager", "merged", 1089),
    Folder("opset13-eager", 13, "eager", "merged", 2035),
    Folder("opset14-sdpa", 14, "sdpa", "merged", 3021),
    Folder("opset12-pair", 12, "eager", "pair", 4014),
    Folder("opset13-no-past", 13, "eager", "plain", 5044),
    Folder("opset14-fp16", 14, "sdpa", "merged", 7148, "fp16"),
)


def make_tokenizer() -> GPT2TokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return GPT2TokenizerFast(tokenizer_object=bpe, bos_token=END, eos_token=END, unk_token=END)


def make_processor() -> ViTImageProcessor:
    return ViTImageProcessor(
        size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=2
    )


def spread_weights(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that attention and logits are far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() < 2:
                is_gain = "weight" in name
                weight.copy_(1 + 0.2 * noise if is_gain else 0.2 * noise)
            elif "wte" in name or "wpe" in name or "position_embeddings" in name:
                weight.copy_(0.6 * noise)
            else:
                weight.copy_(2.0 / math.sqrt(weight[0].numel()) * noise)


def make_model(vocabulary: int, attention: str, seed: int) -> VisionEncoderDecoderModel:
    encoder = ViTConfig(
        image_size=SIDE,
        patch_size=8,
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
        attn_implementation=attention,
    )
    decoder = GPT2Config(
        vocab_size=vocabulary,
        n_positions=POSITIONS,
        n_embd=WIDTH,
        n_layer=2,
        n_head=HEADS,
        add_cross_attention=True,
        is_decoder=True,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation=attention,
    )
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(encoder, add_pooling_layer=True), decoder=GPT2LMHeadModel(decoder)
    )
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = config.pad_token_id = 0
        config.bos_token_id = config.eos_token_id = 0
    model.generation_config.max_length = 24
    spread_weights(model, seed)
    return model.eval()


def make_images() -> dict[str, Image.Image]:
    """Two small pictures: colour ramps with a disc, and coarse noise."""
    y, x = np.mgrid[0:37, 0:45]
    ramps = np.stack([x * 5, y * 6, 255 - x * 3], -1).astype(np.uint8)
    ramps[(x - 15) ** 2 + (y - 18) ** 2 < 90] = (230, 60, 20)
    coarse = np.random.default_rng(7).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    return {
        "ramps.png": Image.fromarray(ramps),
        "blocks.jpg": Image.fromarray(coarse.repeat(12, 0).repeat(8, 1)),
    }


def save_images(folder: pathlib.Path) -> dict[str, Image.Image]:
    """Writes the pictures and returns what a reader of the files sees."""
    folder.mkdir(parents=True)
    seen = {}
    for name, image in make_images().items():
        image.save(folder / name, **({"quality": 92} if name.endswith("jpg") else {}))
        seen[name] = Image.open(folder / name).convert("RGB")
    return seen


def generate(model: VisionEncoderDecoderModel, pixels: torch.Tensor, params: dict[str, Any]) -> Any:
    with torch.no_grad():
        return model.generate(
            pixels.to(model.dtype),
            return_dict_in_generate=True,
            output_scores=True,
            do_sample=False,
            **params,
        )


def rounded_models(model: VisionEncoderDecoderModel, dtype: str) -> Iterator[VisionEncoderDecoderModel]:
    """The model as less exact arithmetic might see it."""
    for seed in range(4):
        moved = copy.deepcopy(model)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in moved.parameters():
                weight.mul_(1 + ROUNDING[dtype] * torch.randn(weight.shape, generator=generator))
        yield moved
    if dtype == "fp16":
        yield copy.deepcopy(model).half()


def all_ids(model: VisionEncoderDecoderModel, pixels: list[torch.Tensor]) -> list[list[int]]:
    return [
        generate(model, image, params).sequences[0].tolist() for image in pixels for params in CASES.values()
    ]


def is_lively(answers: list[list[int]]) -> bool:
    """The images get different captions, and each caption many tokens."""
    half = len(answers) // 2
    different = all(a != b for a, b in zip(answers[:half], answers[half:]))
    return different and all(len(set(ids)) > 5 for ids in answers)


def choose_model(folder: Folder, vocabulary: int, pixels: list[torch.Tensor]) -> VisionEncoderDecoderModel:
    for seed in itertools.count(folder.first_seed):
        model = make_model(vocabulary, folder.attention, seed)
        answers = all_ids(model, pixels)
        if not is_lively(answers):
            continue
        if all(all_ids(rounded, pixels) == answers for rounded in rounded_models(model, folder.dtype)):
            print(f"{folder.name}: seed {seed}")
            return model
    raise AssertionError


def make_case(
    model: VisionEncoderDecoderModel,
    tokenizer: GPT2TokenizerFast,
    image: str,
    pixels: torch.Tensor,
    name: str,
    atol: float,
) -> dict[str, Any]:
    out = generate(model, pixels, CASES[name])
    texts = tokenizer.batch_decode(
        out.sequences, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    expected = {"sequences": out.sequences.tolist(), "texts": texts}
    if CASES[name].get("num_beams", 1) > 1:
        expected["sequences_scores"] = [round(score, 6) for score in out.sequences_scores.tolist()]
    return {
        "name": name,
        "input": {"image": image},
        "params": CASES[name],
        "expected": expected,
        "atol": atol,
    }


def export_graphs(model: VisionEncoderDecoderModel, folder: Folder, out: pathlib.Path) -> None:
    """Leaves the graphs that the folder is to have, and config.json and generation_config.json."""
    task = "image-to-text" if folder.graphs == "plain" else "image-to-text-with-past"
    with tempfile.TemporaryDirectory() as scratch:
        everything = pathlib.Path(scratch)
        onnx_export_from_model(model, everything, task=task, opset=folder.opset, do_validation=False)
        for name in ("config.json", "generation_config.json"):
            shutil.copy(everything / name, out / name)
        for stem in GRAPHS[folder.graphs]:
            source = everything / f"{stem}.onnx"
            if folder.dtype == "fp32":
                shutil.copy(source, out / source.name)
                continue
            (out / "onnx").mkdir(exist_ok=True)
            half = halve_model(onnx.load(source))
            onnx.save(half, out / "onnx" / f"{stem}_{folder.dtype}.onnx")


def open_session(path: pathlib.Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Recorder:
    """Runs one graph and keeps what went in and came out."""

    def __init__(self, graph: pathlib.Path, folder: pathlib.Path) -> None:
        self.session = open_session(graph)
        self.inputs = [item.name for item in self.session.get_inputs()]
        self.outputs = [item.name for item in self.session.get_outputs()]
        self.sets = folder / "expected" / "graphs" / graph.stem
        self.count = 0

    def record(self, feeds: Feeds) -> Feeds:
        feeds = {name: feeds[name] for name in self.inputs}
        results = dict(zip(self.outputs, self.session.run(None, feeds)))
        target = self.sets / f"test_data_set_{self.count}"
        target.mkdir(parents=True)
        self.count += 1
        for kind, tensors in (("input", feeds), ("output", results)):
            for index, (name, array) in enumerate(tensors.items()):
                proto = numpy_helper.from_array(np.ascontiguousarray(array), name)
                (target / f"{kind}_{index}.pb").write_bytes(proto.SerializeToString())
        return results


def past_of(results: Feeds) -> Feeds:
    return {
        name.replace("present", "past_key_values"): value
        for name, value in results.items()
        if name.startswith("present")
    }


def empty_past(inputs: list[str], batch: int) -> Feeds:
    empty = np.zeros((batch, HEADS, 0, WIDTH // HEADS), np.float32)
    return {name: empty for name in inputs if name.startswith("past_key_values")}


def record_decoder(
    first: Recorder, later: Recorder | None, hidden: np.ndarray, length: int, seed: int
) -> None:
    """A first call on `length` tokens, then (where the form has one) a call with its cache."""
    batch = len(hidden)
    rng = np.random.default_rng(seed)
    states = {"encoder_hidden_states": hidden}
    ids = {"input_ids": rng.integers(1, VOCABULARY, (batch, length))}
    start = {**states, **ids, **empty_past(first.inputs, batch), "use_cache_branch": np.array([False])}
    past = past_of(first.record(start))
    if later is not None:
        ids = {"input_ids": rng.integers(1, VOCABULARY, (batch, 1))}
        later.record({**states, **ids, **past, "use_cache_branch": np.array([True])})


def record_graphs(folder: Folder, out: pathlib.Path, pixels: list[torch.Tensor]) -> None:
    suffix = "" if folder.dtype == "fp32" else f"_{folder.dtype}"
    place = out if folder.dtype == "fp32" else out / "onnx"
    recorders = {stem: Recorder(place / f"{stem}{suffix}.onnx", out) for stem in GRAPHS[folder.graphs]}
    encoder = recorders.pop("encoder_model")
    first, later = next(iter(recorders.values())), list(recorders.values())[-1]
    if folder.graphs == "plain":
        later = None
    hidden = encoder.record({"pixel_values": torch.cat(pixels).numpy()})["last_hidden_state"]
    for batch, length in ((1, 1), (2, 3)):
        record_decoder(first, later, hidden[:batch], length, seed=batch)


def write_json(path: pathlib.Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make_folder(folder: Folder, out: pathlib.Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    tokenizer, processor = make_tokenizer(), make_processor()
    images = save_images(out / "expected" / "images")
    pixels = [processor(images=image, return_tensors="pt").pixel_values for image in images.values()]
    model = choose_model(folder, len(tokenizer), pixels)
    cases = [
        make_case(model, tokenizer, image, values, name, SCORE_ATOL[folder.dtype])
        for image, values in zip(images, pixels)
        for name in CASES
    ]
    export_graphs(model, folder, out)
    processor.save_pretrained(out)
    tokenizer.save_pretrained(out)
    for name in ("vocab.json", "merges.txt", "added_tokens.json"):
        (out / name).unlink(missing_ok=True)
    write_json(out / "expected" / "pipeline.json", {"task": "image-to-text", "cases": cases})
    record_graphs(folder, out, pixels)


def main(arguments: list[str]) -> None:
    default = pathlib.Path(__file__).resolve().parent.parent / "golden" / "vit-gpt2-old"
    out = pathlib.Path(arguments[0]) if arguments else default
    wanted = set(arguments[1:]) or {folder.name for folder in FOLDERS}
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for folder in FOLDERS:
        if folder.name in wanted:
            make_folder(folder, out / folder.name)


if __name__ == "__main__":
    main(sys.argv[1:])
