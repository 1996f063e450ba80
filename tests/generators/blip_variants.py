"""Layouts of BLIP and GIT folders that no exporter made for us, with answers of ONNX Runtime.

Needs numpy, onnx, onnxruntime and tokenizers. Usage: python tests/generators/blip_variants.py GOLDEN
GOLDEN holds the folders blip and git, each with expected/pixel_values (pixel values of the Pillow-based processor) and
expected/pipeline.json. Writes tests/golden/families:
  blip-vqa       split_0 (image encoder), split_1 (encoder of questions), split_2 (decoder); answers by a greedy loop here
                 that follows transformers 4.57 BlipForQuestionAnswering.generate
  blip-whole, git-whole   one graph pixel_values, input_ids -> logits, with the answers of the two graphs
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.utils import Extractor
from tokenizers import Tokenizer

GOLDEN = Path(sys.argv[1])
OUT = Path(__file__).resolve().parent.parent / "golden" / "families"
IMAGES = ["scene_320x320.png", "scene_640x427.jpg", "noise_203x61.png"]
QUESTIONS = ["what is in the image?", "a large red", "how many shapes are there in the image ?"]


def start(name, source):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "expected").mkdir(parents=True)
    for path in (GOLDEN / source).glob("*"):
        if path.suffix in (".json", ".txt"):
            shutil.copy(path, folder)
    return folder


def write_cases(folder, cases):
    (folder / "expected" / "pipeline.json").write_text(json.dumps({"task": "image-to-text", "cases": cases}, indent=1) + "\n")


def free_length(model):
    """The encoder's output may have any number of positions."""
    for value in model.graph.input:
        if value.name == "encoder_hidden_states":
            value.type.tensor_type.shape.dim[1].dim_param = "positions"
    return model


def question_encoder(decoder):
    """The decoder's layers without its head: what the head's first product reads is the output."""
    head = next(n for n in decoder.graph.node if "cls.predictions.transform.dense" in " ".join(n.input))
    product = next(n for n in decoder.graph.node if head.input[0] in n.output or head.input[1] in n.output)
    states = product.input[0]
    encoder = Extractor(onnx.shape_inference.infer_shapes(decoder)).extract_model([i.name for i in decoder.graph.input], [states])
    for node in encoder.graph.node:
        node.output[:] = ["last_hidden_state" if name == states else name for name in node.output]
    encoder.graph.output[0].name = "last_hidden_state"
    onnx.checker.check_model(encoder)
    return encoder


def run(session, **inputs):
    return session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})[0]


def blip_vqa():
    folder = start("blip-vqa", "blip")
    decoder = free_length(onnx.load(GOLDEN / "blip" / "onnx" / "text_decoder_model.onnx"))
    shutil.copy(GOLDEN / "blip" / "onnx" / "vision_model.onnx", folder / "split_0.onnx")
    onnx.save(question_encoder(decoder), folder / "split_1.onnx")
    onnx.save(decoder, folder / "split_2.onnx")
    vision, questions, answers = (ort.InferenceSession(folder / f"split_{i}.onnx") for i in range(3))
    text_config = json.loads((folder / "config.json").read_text())["text_config"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cases = []
    for image in IMAGES:
        pixels = np.load(GOLDEN / "blip" / "expected" / "pixel_values" / f"{image}.npy").reshape(1, 3, 48, 48)
        states = run(vision, pixel_values=pixels)
        for question in QUESTIONS:
            asked = np.array([tokenizer.encode(question).ids], np.int64)
            read = run(questions, input_ids=asked, attention_mask=np.ones_like(asked), encoder_hidden_states=states)
            ids = [text_config["bos_token_id"]]
            while len(ids) < 13 and ids[-1] != text_config["sep_token_id"]:
                now = np.array([ids], np.int64)
                logits = run(answers, input_ids=now, attention_mask=np.ones_like(now), encoder_hidden_states=read)[0, -1]
                ids.append(int(logits.argmax()))
                top = np.sort(logits)[-2:]
                assert top[1] - top[0] > 1e-3, "a close decision"
            cases.append({"name": f"greedy, {question}", "input": {"image": image, "prompt": question}, "params": {"max_new_tokens": 12},
                          "expected": {"sequences": [ids], "texts": [tokenizer.decode(ids)]}})
    write_cases(folder, cases)


def whole(name, source, encoder, decoder):
    folder = start(name, source)
    parts = [onnx.load(GOLDEN / source / path) for path in (encoder, decoder)]
    merged = onnx.compose.merge_models(parts[0], parts[1], io_map=[("last_hidden_state", "encoder_hidden_states")], prefix1="image.", prefix2="text.")
    renamed = {"image.pixel_values": "pixel_values", "text.input_ids": "input_ids", "text.attention_mask": "attention_mask", "text.logits": "logits"}
    for node in merged.graph.node:
        node.input[:] = [renamed.get(x, x) for x in node.input]
        node.output[:] = [renamed.get(x, x) for x in node.output]
    for value in [*merged.graph.input, *merged.graph.output]:
        value.name = renamed[value.name]
    onnx.checker.check_model(merged)
    onnx.save(merged, folder / "model.onnx")
    cases = json.loads((GOLDEN / source / "expected" / "pipeline.json").read_text())["cases"]
    write_cases(folder, cases[:9])


blip_vqa()
whole("blip-whole", "blip", "onnx/vision_model.onnx", "onnx/text_decoder_model.onnx")
whole("git-whole", "git", "encoder_model.onnx", "decoder_model.onnx")
