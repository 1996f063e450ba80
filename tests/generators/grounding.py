#!/usr/bin/env python3
"""Makes tests/golden/grounding.json: prompts, answers and bins of Florence2Processor of transformers 4.57.

usage: grounding.py <tests/golden/grounding.json>
Needs transformers 4.57 and numpy; torch is used for its tensors where it is installed, else float32 arrays stand in.
"""
import json
import random
import sys
from types import SimpleNamespace

import numpy as np
from transformers.models.florence2 import processing_florence2 as florence2

SIZES = [(640, 427), (320, 320), (1, 1), (1000, 1000), (4032, 3024), (57, 301)]
WORDS = ["car", "a red circle", " the image", "it", "Hello", "World 42", "étoile ", "名札", "a\nb", "\n", " ", "<", "x>y", "\u2028", "\x1c"]
MARKS = ["<sep>", "<poly>", "</poly>", "<s>", "</s>", "<pad>", "<od>", "<box>", "<loc_", "<loc_>", "<loc_x>", "<ground>", "<obj>"]
CONFIG = {
    "ocr": {"PATTERN": "(.+?)" + r"<loc_(\d+)>" * 8, "AREA_THRESHOLD": 0.01},
    "phrase_grounding": {"banned_grounding_tokens": ["it", "the image", "a photo"]},
}
PROMPTS = ["", "free text", "<OD>", "<OD> ", "<OD>car", "<od>", "a <REGION_TO_OCR><loc_1> b", "<OPEN_VOCABULARY_DETECTION>  a cat ",
           "<OPEN_VOCABULARY_DETECTION>", "<CAPTION_TO_PHRASE_GROUNDING>{x}", "<REGION_TO_OCR><REGION_TO_OCR>twice", "<UNKNOWN>"]


class Array(np.ndarray):
    """What quantize and dequantize ask of a torch tensor; numbers are computed in float32 as torch does."""

    def split(self, _, dim):
        return np.split(self.astype(np.float32).view(Array), self.shape[-1], axis=dim)

    def int(self):
        return self.astype(np.int32).view(Array)

    def floor(self):
        return np.floor(self)

    def clamp(self, low, high):
        return np.clip(self, low, high)


def stand_in():
    array = lambda values: np.array(values).view(Array)
    return SimpleNamespace(tensor=array, cat=lambda parts, dim: np.concatenate(parts, axis=dim).view(Array))


def processor(config):
    florence2.ProcessorMixin.__init__ = lambda self, *a, **k: None
    tokenizer = SimpleNamespace(all_special_tokens=[], image_token="<image>", image_token_id=0)
    types = set(florence2.Florence2Processor(SimpleNamespace(image_seq_length=1), tokenizer).tasks_answer_post_processing_type.values())
    return florence2.Florence2Processor(SimpleNamespace(image_seq_length=1), tokenizer, post_processor_config={**{t: {} for t in types}, **config})


def location(r):
    return f"<loc_{r.choice([r.randrange(1000), r.randrange(1000), 0, 999, 1000, 12345])}>"


def text(r):
    parts = []
    for _ in range(r.randrange(1, 7)):
        parts.append(r.choice(WORDS) if r.random() < 0.8 else r.choice(MARKS))
        for _ in range(r.choice([0, 1, 3, 4, 4, 4, 8, 8, 9, 12])):
            parts.append(location(r) if r.random() < 0.93 else r.choice(MARKS))
    return r.choice(["</s><s>", ""]) + "".join(parts) + r.choice(["</s>", ""])


def attempt(call):
    try:
        return call()
    except ValueError:
        return None


def main(path):
    florence2.torch = getattr(florence2, "torch", None) or stand_in()
    plain, configured = processor({}), processor(CONFIG)
    r = random.Random(5)
    answers = []
    for _ in range(24):
        for task in plain.tasks_answer_post_processing_type:
            with_config = r.random() < 0.5
            case = {"task": task, "text": text(r), "size": r.choice(SIZES), "config": with_config}
            p = configured if with_config else plain
            case["expected"] = p.post_process_generation(text=case["text"], task=task, image_size=case["size"])[task]
            answers.append(case)
    prompts = [{"text": p, "expected": attempt(lambda: plain._construct_prompts(p)[0])} for p in PROMPTS]  # null: refused
    prompts += [{"text": t + more, "expected": plain._construct_prompts(t + more)[0]} for t, more in
                [(t, "") for t in plain.task_prompts_without_inputs] + [(t, " a cat ") for t in plain.task_prompts_with_input]]
    bins = []
    for size in SIZES:
        pixels = [r.uniform(-5, 1.1 * size[i % 2]) for i in range(8)]
        bins.append({"size": size, "pixels": pixels, "bins": plain.post_processor.quantize(florence2.torch.tensor(pixels).reshape(-1, 2), size).flatten().tolist()})
    out = {"config": CONFIG, "prompts": prompts, "answers": answers, "bins": bins}
    with open(path, "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(f'"{k}": ' + ("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False) for x in v) + "]" if isinstance(v, list) else json.dumps(v)) for k, v in out.items()) + "}\n")


main(sys.argv[1])
