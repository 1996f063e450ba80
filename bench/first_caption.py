#!/usr/bin/env python3
"""Time from the start of a process to its first caption, on the CPU: vulcap beside Python with onnxruntime and transformers.

usage: bench/first_caption.py [--vulcap build/release/vulcap] [--python PYTHON] [-m MODEL] [-r 9] [IMAGE]

PYTHON is an interpreter with onnxruntime and transformers; with --optimum also optimum's ORTModelForVision2Seq. Rounds are
interleaved: each starts every contender once, as a new process. Files are in the page cache after the first, uncounted
round. Time is taken by the parent, from just before the process starts until the caption has come through its stdout. The
captions must be equal.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Encoder and merged decoder with its cache by onnxruntime itself, preprocessing and tokenizer by transformers.
ONNXRUNTIME = """
import sys, json, numpy, onnxruntime
from pathlib import Path
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer
folder, image = Path(sys.argv[1]), sys.argv[2]
onnx = folder / "onnx" if (folder / "onnx").is_dir() else folder
encoder = onnxruntime.InferenceSession(onnx / "encoder_model.onnx", providers=["CPUExecutionProvider"])
decoder = onnxruntime.InferenceSession(onnx / "decoder_model_merged.onnx", providers=["CPUExecutionProvider"])
tokenizer = AutoTokenizer.from_pretrained(folder)
pixels = AutoImageProcessor.from_pretrained(folder)(Image.open(image).convert("RGB"), return_tensors="np")["pixel_values"]
states = encoder.run(None, {"pixel_values": pixels})[0]
config = json.loads((folder / "config.json").read_text())
settings = {**config, **config.get("decoder", {})}
if (folder / "generation_config.json").exists():
    settings.update(json.loads((folder / "generation_config.json").read_text()))
past = {i.name: numpy.zeros((1, i.shape[1], 0, i.shape[3]), numpy.float32)
        for i in decoder.get_inputs() if i.name.startswith("past_key_values")}
ids = [settings["decoder_start_token_id"]]
step = numpy.array([ids], numpy.int64)
names = [o.name for o in decoder.get_outputs()]
inputs = {i.name for i in decoder.get_inputs()}
cached = False
while len(ids) < settings.get("max_length", 20):
    feed = {"input_ids": step, "encoder_hidden_states": states, "use_cache_branch": numpy.array([cached]), **past}
    out = dict(zip(names, decoder.run(None, {k: v for k, v in feed.items() if k in inputs})))
    token = int(out["logits"][0, -1].argmax())
    ids.append(token)
    if token == settings["eos_token_id"]:
        break
    past = {k: out[k.replace("past_key_values", "present")] if not (cached and ".encoder." in k) else past[k] for k in past}
    cached, step = True, numpy.array([[token]], numpy.int64)
print(tokenizer.decode(ids, skip_special_tokens=True).strip(), flush=True)
"""

OPTIMUM = """
import sys
from PIL import Image
from optimum.onnxruntime import ORTModelForVision2Seq
from transformers import AutoImageProcessor, AutoTokenizer
folder, image = sys.argv[1:3]
model = ORTModelForVision2Seq.from_pretrained(folder, use_merged=True)
pixels = AutoImageProcessor.from_pretrained(folder)(Image.open(image).convert("RGB"), return_tensors="pt").pixel_values
tokenizer = AutoTokenizer.from_pretrained(folder)
print(tokenizer.batch_decode(model.generate(pixels), skip_special_tokens=True)[0].strip(), flush=True)
"""


def first_line(command, environment):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    line = process.stdout.readline()
    seconds = time.perf_counter() - begin
    _, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed: {errors.strip()[-2000:]}")
    return seconds, line.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("image", nargs="?", default=str(ROOT / "models/scenes-vit-gpt2/expected/images/scene_000.png"))
    parser.add_argument("--vulcap", default=str(ROOT / "build/release/vulcap"))
    parser.add_argument("--python", help="with onnxruntime and transformers; without it vulcap stands alone")
    parser.add_argument("--optimum", action="store_true", help="optimum's pipeline too")
    parser.add_argument("-m", "--model", default=str(ROOT / "models/scenes-vit-gpt2"))
    parser.add_argument("-r", "--rounds", type=int, default=9)
    options = parser.parse_args()

    contenders = {"vulcap": [options.vulcap, "caption", "-q", "--device", "cpu", "-m", options.model, options.image]}
    if options.python:
        contenders["onnxruntime + transformers"] = [options.python, "-c", ONNXRUNTIME, options.model, options.image]
        if options.optimum:
            contenders["optimum"] = [options.python, "-c", OPTIMUM, options.model, options.image]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

    samples = {name: [] for name in contenders}
    captions = {}
    for round_ in range(options.rounds + 1):
        for name, command in contenders.items():
            seconds, captions[name] = first_line(command, environment)
            if round_ > 0:
                samples[name].append(seconds)
    if len(set(captions.values())) != 1:
        sys.exit(f"the captions differ: {json.dumps(captions, indent=1)}")

    print(f"caption: {captions['vulcap']}\n{'process start to first caption, cpu':36} median      min      max   ratio")
    base = statistics.median(samples["vulcap"])
    for name, times in samples.items():
        median = statistics.median(times)
        print(f"{name:36} {median * 1e3:6.1f} ms {min(times) * 1e3:6.1f} {max(times) * 1e3:8.1f} {median / base:7.1f}")


if __name__ == "__main__":
    main()
