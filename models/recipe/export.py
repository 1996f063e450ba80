"""Exports a checkpoint of train.py as a model folder with float16 files and the answers for `vulcap verify`.

    python export.py CHECKPOINT FOLDER

FOLDER gets the layout of onnx-community: configuration and tokenizer at the top, onnx/{encoder_model,
decoder_model_merged}{,_fp16}.onnx, expected/images (samples and captions), expected/pipeline.json.
"""

import argparse
import json
import pathlib
import shutil
import tempfile
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from optimum.exporters.onnx import onnx_export_from_model
from PIL import Image
from transformers import PreTrainedTokenizerFast, ViTImageProcessor, VisionEncoderDecoderModel

import scenes
from half_graph import halve_model

STEMS = ("encoder_model", "decoder_model_merged")
VARIANTS = ("", "_fp16")
END_ID, MAX_LENGTH = 0, 24
BEAM_IMAGES = 12
BEAM_CASES: dict[str, dict[str, Any]] = {
    "num_beams 4, num_return_sequences 2": {"num_beams": 4, "num_return_sequences": 2},
    "num_beams 3, length_penalty 0.0, early_stopping True": {
        "num_beams": 3,
        "length_penalty": 0.0,
        "early_stopping": True,
        "max_new_tokens": 10,
    },
}


def load_model(checkpoint: pathlib.Path) -> VisionEncoderDecoderModel:
    model = VisionEncoderDecoderModel.from_pretrained(checkpoint).eval()
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id = config.pad_token_id = END_ID
        config.bos_token_id = config.eos_token_id = END_ID
    model.generation_config.max_length = MAX_LENGTH
    for config in (model.config, model.config.encoder, model.config.decoder):
        config._name_or_path = ""
    return model


def make_processor(side: int) -> ViTImageProcessor:
    return ViTImageProcessor(
        size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=2
    )


def export_graphs(model: VisionEncoderDecoderModel, folder: pathlib.Path) -> None:
    """float32 and float16 graphs; optimum merges the decoder with and without past into one with an If."""
    (folder / "onnx").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        exported = pathlib.Path(scratch)
        onnx_export_from_model(model, exported, task="image-to-text-with-past")
        for name in ("config.json", "generation_config.json"):
            shutil.copy(exported / name, folder / name)
        for stem in STEMS:
            shutil.copy(exported / f"{stem}.onnx", folder / "onnx" / f"{stem}.onnx")
    for stem in STEMS:
        half = halve_model(onnx.load(folder / "onnx" / f"{stem}.onnx"))
        onnx.save(half, folder / "onnx" / f"{stem}_fp16.onnx")


class OnnxCaptioner:
    """Greedy captions of one variant's graphs by ONNX Runtime."""

    def __init__(self, folder: pathlib.Path, variant: str, tokenizer: PreTrainedTokenizerFast) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        files = [str(folder / "onnx" / f"{stem}{variant}.onnx") for stem in STEMS]
        self.encoder, self.decoder = (onnxruntime.InferenceSession(file, options) for file in files)
        self.inputs = {item.name: item for item in self.decoder.get_inputs()}
        self.outputs = [item.name for item in self.decoder.get_outputs()]
        self.tokenizer = tokenizer

    def empty_past(self) -> dict[str, np.ndarray]:
        return {
            name: np.zeros((1, item.shape[1], 0, item.shape[3]), np.float32)
            for name, item in self.inputs.items()
            if name.startswith("past_key_values")
        }

    def caption(self, pixels: np.ndarray) -> str:
        """`pixels`: f32[3, side, side]."""
        states = self.encoder.run(None, {"pixel_values": pixels[None]})[0]
        feeds = {"encoder_hidden_states": states, "use_cache_branch": np.array([False]), **self.empty_past()}
        ids = [END_ID]
        while len(ids) < MAX_LENGTH:
            feeds["input_ids"] = np.array([[ids[-1]]])
            results = dict(
                zip(self.outputs, self.decoder.run(None, {name: feeds[name] for name in self.inputs}))
            )
            ids.append(int(results.pop("logits")[0, -1].argmax()))
            if ids[-1] == END_ID:
                break
            feeds.update(
                {name.replace("present", "past_key_values"): value for name, value in results.items()}
            )
            feeds["use_cache_branch"] = np.array([True])
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def write_json(path: pathlib.Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def write_samples(folder: pathlib.Path, count: int) -> tuple[list[pathlib.Path], dict[str, str]]:
    """The sample images, and their true captions."""
    folder.mkdir(parents=True)
    files, truth = [], {}
    for index in range(count):
        name, image, caption = scenes.sample(index)
        (folder / name).write_bytes(scenes.encode(name, image))
        files.append(folder / name)
        truth[name] = caption
    write_json(folder / "truth.json", truth)
    return files, truth


@torch.no_grad()
def make_case(
    model: VisionEncoderDecoderModel,
    tokenizer: PreTrainedTokenizerFast,
    image: tuple[str, torch.Tensor],
    name: str,
    params: dict[str, Any],
) -> dict[str, Any]:
    file, pixels = image
    out = model.generate(pixels, do_sample=False, return_dict_in_generate=True, output_scores=True, **params)
    texts = tokenizer.batch_decode(out.sequences, skip_special_tokens=True)
    expected = {"sequences": out.sequences.tolist(), "texts": texts}
    if params.get("num_beams", 1) > 1:
        expected["sequences_scores"] = [round(score, 6) for score in out.sequences_scores.tolist()]
    return {
        "name": name,
        "input": {"image": file},
        "params": params,
        "expected": expected,
        "atol": 0.001,
        "rtol": 0.001,
    }


def share_equal(captions: dict[str, str], reference: dict[str, str]) -> float:
    return sum(captions[name] == text for name, text in reference.items()) / len(reference)


def record_answers(
    model: VisionEncoderDecoderModel, tokenizer: PreTrainedTokenizerFast, folder: pathlib.Path, count: int
) -> None:
    """Captions of transformers and of ONNX Runtime for every variant, and pipeline.json."""
    images = folder / "expected" / "images"
    files, truth = write_samples(images, count)
    processor = ViTImageProcessor.from_pretrained(folder)
    pixels = {
        file.name: processor(images=Image.open(file).convert("RGB"), return_tensors="pt").pixel_values
        for file in files
    }
    plain = [
        make_case(model, tokenizer, item, "defaults of generation_config.json", {}) for item in pixels.items()
    ]
    captions = {case["input"]["image"]: case["expected"]["texts"][0] for case in plain}
    write_json(images / "captions.json", captions)
    print(f"transformers: {share_equal(captions, truth):.1%} true captions")
    for variant in VARIANTS:
        runner = OnnxCaptioner(folder, variant, tokenizer)
        answers = {name: runner.caption(values[0].numpy()) for name, values in pixels.items()}
        write_json(images / f"captions_ort{variant}.json", answers)
        print(f"ONNX Runtime{variant}: {share_equal(answers, captions):.1%} as transformers")
    beams = [
        make_case(model, tokenizer, item, name, params)
        for item in list(pixels.items())[:BEAM_IMAGES]
        for name, params in BEAM_CASES.items()
    ]
    write_json(folder / "expected" / "pipeline.json", {"task": "image-to-text", "cases": plain + beams})


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the scene captioner as an ONNX model folder")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--samples", type=int, default=scenes.SAMPLE_COUNT)
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} exists; name a folder that does not")
    torch.set_num_threads(1)
    model = load_model(arguments.checkpoint)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(arguments.checkpoint)
    export_graphs(model, arguments.folder)
    make_processor(model.config.encoder.image_size).save_pretrained(arguments.folder)
    tokenizer.save_pretrained(arguments.folder)
    record_answers(model, tokenizer, arguments.folder, arguments.samples)


if __name__ == "__main__":
    main()
