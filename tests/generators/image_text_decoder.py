#!/usr/bin/env python3
"""Makes the folders llava, idefics3, paligemma and qwen2-vl of tests/golden/families from moondream's graphs there.

usage: image_text_decoder.py <tests/golden/families>
Prompts and pixels come from the processors of transformers 4.57 (Qwen2-VL: its image processor), logits from ONNX
Runtime; the greedy search and M-RoPE's positions are written out here. Needs transformers 4.57 (torch is not needed), tokenizers 0.22, jinja2, Pillow, onnx, onnxruntime, numpy.
"""
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from jinja2.sandbox import ImmutableSandboxedEnvironment
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (GemmaTokenizerFast, Idefics3ImageProcessor, Idefics3Processor, LlavaProcessor, PaliGemmaProcessor,
                          PreTrainedTokenizerFast, Qwen2VLImageProcessor, SiglipImageProcessor)

IMAGES = ["scene_320x320.png", "noise_203x61.png"]
QUESTION = "What is in the image?"
PARAMS = [{"max_new_tokens": 10}, {"max_new_tokens": 10, "repetition_penalty": 1.4}]
CHAT = ("{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}{{ '<image>\\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
CHAT_ENVIRONMENT = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(CHAT)
IMAGE_ID, BOS_ID = 1, 0


def token_file(source, folder, special=(), bos=False, kind=PreTrainedTokenizerFast):
    """The tokenizer of `source` with its youngest tokens replaced by special ones, and perhaps with a start token."""
    data = json.loads((source / "tokenizer.json").read_text())
    vocab, merges = data["model"]["vocab"], data["model"]["merges"]
    parts = {part for merge in merges for part in (merge if isinstance(merge, list) else merge.split(" "))}
    free = [token for token in sorted(vocab, key=vocab.get, reverse=True) if token not in parts and len(token) > 1]
    for content, token in zip(special, free):
        data["added_tokens"].append({"id": vocab.pop(token), "content": content, "single_word": False, "lstrip": False,
                                     "rstrip": False, "normalized": False, "special": True})
        joined = [m for m in merges if "".join(m if isinstance(m, list) else m.split(" ")) != token]
        merges[:] = joined
    data["added_tokens"].sort(key=lambda token: token["id"])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    if bos:
        tokenizer.post_processor = TemplateProcessing("<|endoftext|> $A", special_tokens=[("<|endoftext|>", BOS_ID)])
    fast = kind(tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>",
                unk_token="<|endoftext|>", additional_special_tokens=["<image>", *special])
    fast.save_pretrained(folder)
    (folder / "special_tokens_map.json").unlink()
    return fast


def start(root, name, config):
    source, folder = root / "moondream", root / name
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "onnx").mkdir(parents=True)
    (folder / "expected").mkdir()
    text = json.loads((source / "config.json").read_text())["text_config"]
    keep = {key: text[key] for key in ("vocab_size", "hidden_size", "max_position_embeddings")}
    (folder / "config.json").write_text(json.dumps({**config, "text_config": keep}, indent=1))
    shutil.copy(source / "generation_config.json", folder)
    return source, folder


def share(source, folder, *names):
    for name in names:
        (folder / "onnx" / name).symlink_to(Path("../..") / source.name / "onnx" / name)


class Model:
    """inputs_embeds in one piece through the decoder with an empty past, at every step anew."""
    def __init__(self, folder, first_position=0):
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = lambda name: ort.InferenceSession(str((folder / "onnx" / name).resolve()), options)
        self.vision, self.embed = session("vision_encoder.onnx"), session("embed_tokens.onnx")
        self.decoder, self.first = session("decoder_model_merged.onnx"), first_position

    def features(self, inputs):
        names = {i.name for i in self.vision.get_inputs()}
        feeds = {name: value for name, value in inputs.items() if name in names}
        if "pixel_attention_mask" in feeds:
            feeds["pixel_attention_mask"] = feeds["pixel_attention_mask"].astype(bool)
        features = self.vision.run(None, feeds)[0]
        return features.reshape(-1, features.shape[-1])

    def positions(self, ids):
        return np.arange(self.first, self.first + len(ids))[None]

    def logits(self, ids, features):
        ids = np.array(ids)
        embeds = self.embed.run(None, {"input_ids": np.where(ids == IMAGE_ID, 0, ids)[None]})[0][0].copy()
        embeds[ids == IMAGE_ID] = features
        feeds = {"inputs_embeds": embeds[None], "attention_mask": np.ones((1, len(ids)), np.int64),
                 "position_ids": self.positions(ids)}
        for i in self.decoder.get_inputs():
            if i.name.startswith("past"):
                feeds[i.name] = np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32)
            elif i.name == "num_logits_to_keep":
                feeds[i.name] = np.array(1, np.int64)
        return self.decoder.run(["logits"], feeds)[0][0, -1]

    def generate(self, ids, features, max_new_tokens, repetition_penalty=1.0):
        ids = list(ids)
        for _ in range(max_new_tokens):
            scores = self.logits(ids, features).copy()
            seen = np.unique(ids)
            scores[seen] = np.where(scores[seen] < 0, scores[seen] * repetition_penalty, scores[seen] / repetition_penalty)
            best = np.sort(scores)[-2:]
            assert best[1] - best[0] > 1e-3, "a tie"
            ids.append(int(scores.argmax()))
            if ids[-1] == BOS_ID:
                break
        return ids


def processed(processor, image, text):
    # As processor.apply_chat_template does before it tokenises.
    more = {"add_special_tokens": False} if text.startswith(processor.tokenizer.bos_token) else {}
    inputs = processor(images=[image], text=[text], return_tensors="np", **more)
    return {key: np.asarray(value) for key, value in inputs.items()}


def record(root, folder, tokenizer, process, model, prompts):
    """`prompts`: (what the user says, the text that is processed with the image)."""
    cases = []
    for name in IMAGES:
        image = Image.open(root / "images" / name).convert("RGB")
        for said, text in prompts:
            inputs = process(image, text)
            ids = inputs["input_ids"][0].tolist()
            features = model.features(inputs)
            for params in PARAMS:
                sequence = model.generate(ids, features, **params)
                expected = {"sequences": [sequence], "texts": [tokenizer.decode(sequence[len(ids):], skip_special_tokens=True)]}
                case = ", ".join(f"{key} {value}" for key, value in params.items())
                cases.append({"name": case, "input": {"image": name, **({} if said is None else {"prompt": said})},
                              "params": params, "expected": expected, "atol": 1e-3, "rtol": 1e-3})
    (folder / "expected/pipeline.json").write_text(json.dumps(
        {"task": "image-text-to-text", "cases": cases, "note": "ids begin with the prompt, texts do not"}, indent=1))


def user_message(question):
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}


def chat(processor, question):
    return processor.apply_chat_template([user_message(question)], add_generation_prompt=True, tokenize=False)


def llava(root):
    source, folder = start(root, "llava", {"model_type": "llava", "image_token_index": IMAGE_ID})
    share(source, folder, "vision_encoder.onnx", "embed_tokens.onnx", "decoder_model_merged.onnx")
    tokenizer = token_file(source, folder, bos=True)
    (folder / "chat_template.jinja").write_text(CHAT)
    pixels = SiglipImageProcessor.from_pretrained(source)
    pixels.save_pretrained(folder)
    processor = LlavaProcessor(pixels, tokenizer, patch_size=14, vision_feature_select_strategy="full", chat_template=CHAT)
    record(root, folder, tokenizer, partial(processed, processor), Model(folder),
           [(QUESTION, chat(processor, QUESTION)), ("Look: <image> It shows", "Look: <image> It shows")])


def framed_vision(source, folder):
    """pixel_values [batch, frames, 3, side, side] and pixel_attention_mask around moondream's encoder."""
    model = onnx.load(source / "onnx/vision_encoder.onnx")
    graph = model.graph
    side = graph.input[0].type.tensor_type.shape.dim[3].dim_value
    for node in graph.node:
        node.input[:] = ["frames" if name == "pixel_values" else name for name in node.input]
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", "frames", 3, side, side]))
    graph.input.append(helper.make_tensor_value_info("pixel_attention_mask", TensorProto.BOOL, ["batch", "frames", side, side]))
    graph.initializer.append(helper.make_tensor("frame_shape", TensorProto.INT64, [4], [-1, 3, side, side]))
    graph.initializer.append(helper.make_tensor("mask_shape", TensorProto.INT64, [4], [-1, 1, side, side]))
    graph.node.insert(0, helper.make_node("Mul", ["all_frames", "mask"], ["frames"]))
    graph.node.insert(0, helper.make_node("Reshape", ["pixel_values", "frame_shape"], ["all_frames"]))
    graph.node.insert(0, helper.make_node("Reshape", ["mask_values", "mask_shape"], ["mask"]))
    graph.node.insert(0, helper.make_node("Cast", ["pixel_attention_mask"], ["mask_values"], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    onnx.save(model, folder / "onnx/vision_encoder.onnx")
    return side


def idefics3(root):
    source, folder = start(root, "idefics3", {"model_type": "idefics3", "image_token_id": IMAGE_ID})
    share(source, folder, "embed_tokens.onnx", "decoder_model_merged.onnx")
    side = framed_vision(source, folder)
    rows = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    tokenizer = token_file(source, folder, ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *rows], bos=True)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "<|endoftext|>" + CHAT}))
    pixels = Idefics3ImageProcessor(size={"longest_edge": 2 * side}, max_image_size={"longest_edge": side})
    pixels.save_pretrained(folder)
    processor = Idefics3Processor(pixels, tokenizer, image_seq_len=16, chat_template="<|endoftext|>" + CHAT)
    record(root, folder, tokenizer, partial(processed, processor), Model(folder), [(QUESTION, chat(processor, QUESTION))])


def shortened_decoder(source, folder):
    """num_logits_to_keep as an input of moondream's decoder, and embeddings that tell at which position they stand."""
    model = onnx.load(source / "onnx/decoder_model_merged.onnx")
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["placed_embeds" if name == "inputs_embeds" else name for name in node.input]
        node.output[:] = ["all_logits" if name == "logits" else name for name in node.output]
    graph.input.append(helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, []))
    for name, values in (("one_shape", [1]), ("last", [2**62]), ("length_axis", [1])):
        graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], values))
    graph.initializer.append(helper.make_tensor("position_step", TensorProto.FLOAT, [48], np.linspace(-0.06, 0.06, 48)))
    graph.initializer.append(helper.make_tensor("last_axis", TensorProto.INT64, [1], [2]))
    for node in (helper.make_node("Add", ["inputs_embeds", "places"], ["placed_embeds"]),
                 helper.make_node("Mul", ["columns", "position_step"], ["places"]),
                 helper.make_node("Unsqueeze", ["real_positions", "last_axis"], ["columns"]),
                 helper.make_node("Cast", ["position_ids"], ["real_positions"], to=TensorProto.FLOAT)):
        graph.node.insert(0, node)
    graph.node.append(helper.make_node("Reshape", ["num_logits_to_keep", "one_shape"], ["kept"]))
    graph.node.append(helper.make_node("Neg", ["kept"], ["first_kept"]))
    graph.node.append(helper.make_node("Slice", ["all_logits", "first_kept", "last", "length_axis"], ["logits"]))
    onnx.checker.check_model(model)
    onnx.save(model, folder / "onnx/decoder_model_merged.onnx")


def paligemma(root):
    source, folder = start(root, "paligemma", {"model_type": "paligemma", "image_token_index": IMAGE_ID})
    share(source, folder, "vision_encoder.onnx", "embed_tokens.onnx")
    shortened_decoder(source, folder)
    tokenizer = token_file(source, folder, kind=GemmaTokenizerFast)
    pixels = SiglipImageProcessor.from_pretrained(source)
    pixels.image_seq_length = 16
    pixels.save_pretrained(folder)
    processor = PaliGemmaProcessor(pixels, tokenizer)
    record(root, folder, tokenizer, partial(processed, processor), Model(folder, first_position=1),
           [("caption en", "<image>caption en"), (None, "<image>")])


def qwen_vision(folder, width, hidden, merge):
    """pixel_values [patches, width], image_grid_thw [1, 3] -> image_features [patches / merge^2, hidden]."""
    random = np.random.default_rng(7)
    part = hidden // merge**2
    tensors = {"weight": random.standard_normal((width, part)).astype(np.float32) / 9, "shape": np.array([-1, hidden]),
               "scale": np.float32(0.01)}
    nodes = [helper.make_node("MatMul", ["pixel_values", "weight"], ["parts"]),
             helper.make_node("Reshape", ["parts", "shape"], ["rows"]),
             helper.make_node("Cast", ["image_grid_thw"], ["grid"], to=TensorProto.FLOAT),
             helper.make_node("ReduceSum", ["grid"], ["sum"], keepdims=0),
             helper.make_node("Mul", ["sum", "scale"], ["shift"]), helper.make_node("Add", ["rows", "shift"], ["image_features"])]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "vision", [info("pixel_values", TensorProto.FLOAT, ["patches", width]),
                                                info("image_grid_thw", TensorProto.INT64, ["images", 3])],
                              [info("image_features", TensorProto.FLOAT, ["features", hidden])],
                              [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "onnx/vision_encoder.onnx")


def mrope_decoder(source, folder):
    """position_ids [3, batch, length], of which moondream's decoder sees t + 2 (h - t) + 3 (w - t)."""
    model = onnx.load(source / "onnx/decoder_model_merged.onnx")
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["flat_positions" if name == "position_ids" else name for name in node.input]
    inputs = [i if i.name != "position_ids" else
              helper.make_tensor_value_info("position_ids", TensorProto.INT64, [3, "batch_size", "sequence_length"]) for i in graph.input]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.initializer.append(helper.make_tensor("plane_weights", TensorProto.INT64, [3, 1, 1], [-4, 2, 3]))
    graph.initializer.append(helper.make_tensor("plane_axis", TensorProto.INT64, [1], [0]))
    graph.node.insert(0, helper.make_node("ReduceSum", ["weighted", "plane_axis"], ["flat_positions"], keepdims=0))
    graph.node.insert(0, helper.make_node("Mul", ["position_ids", "plane_weights"], ["weighted"]))
    onnx.checker.check_model(model)
    onnx.save(model, folder / "onnx/decoder_model_merged.onnx")


class MropeModel(Model):
    grid = (0, 0)  # rows and columns of image tokens

    def positions(self, ids):
        at, result, cell = 0, [], 0
        rows, columns = self.grid
        for token in ids:
            if token == IMAGE_ID:
                result.append((at, at + cell // columns, at + cell % columns))
                cell += 1
                at += max(rows, columns) if cell == rows * columns else 0
            else:
                result.append((at, at, at))
                at += 1
        return np.array(result).T[:, None]


def qwen2_vl(root):
    source, folder = start(root, "qwen2-vl", {"model_type": "qwen2_vl", "image_token_id": IMAGE_ID})
    share(source, folder, "embed_tokens.onnx")
    tokenizer = token_file(source, folder)
    (folder / "chat_template.jinja").write_text(CHAT)
    pixels = Qwen2VLImageProcessor(patch_size=7, merge_size=2, min_pixels=4 * 14**2, max_pixels=12 * 14**2)
    pixels.save_pretrained(folder)
    qwen_vision(folder, 3 * 2 * 7**2, 48, 2)
    mrope_decoder(source, folder)
    model = MropeModel(folder)

    def process(image, text):
        inputs = dict(pixels(images=[image], return_tensors="np"))
        _, rows, columns = inputs["image_grid_thw"][0]
        model.grid = (rows // 2, columns // 2)
        text = text.replace("<image>", "<image>" * (rows * columns // 4))
        return {**inputs, "input_ids": np.array([tokenizer(text).input_ids])}

    text = CHAT_ENVIRONMENT.render(messages=[user_message(QUESTION)], add_generation_prompt=True)
    record(root, folder, tokenizer, process, model, [(QUESTION, text)])


for make in (llava, idefics3, paligemma, qwen2_vl):
    make(Path(sys.argv[1]))
