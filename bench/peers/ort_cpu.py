#!/usr/bin/env python3
"""ONNX Runtime's CPU provider on an encoder and an optimum merged decoder; prints a graph record.

The record's fields and the seeded input are those of bench/README.md.


    ort_cpu.py --model DIR [--dtype fp32|fp16|q8] [--threads 2] [--steps 16] [--rounds 3] [--pixels FILE.npy]
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

SUFFIXES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "q4": "_q4"}
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", choices=SUFFIXES, default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=16, help="tokens a caption; 0 times the encoder alone")
    parser.add_argument("--rounds", type=int, default=3, help="timed captions, after one that is not timed")
    parser.add_argument("--pixels", type=Path, help="pixel_values as .npy; default: the seeded input")
    return parser.parse_args()


def graph_file(folder, stem, dtype):
    name = f"{stem}{SUFFIXES[dtype]}.onnx"
    for candidate in (folder / "onnx" / name, folder / name):
        if candidate.is_file():
            return candidate
    raise SystemExit(f"ort_cpu: no {name} in {folder} or {folder}/onnx")


def read_json(path):
    return json.loads(path.read_text())


def image_side(folder):
    size = read_json(folder / "preprocessor_config.json")["size"]
    return size if isinstance(size, int) else size.get("height") or size["shortest_edge"]


def seeded_pixels(side):
    hashed = np.arange(3 * side * side, dtype=np.uint32) * np.uint32(2654435761)
    return (hashed / 2.0**31 - 1.0).astype(np.float32).reshape(1, 3, side, side)


class Captioner:
    def __init__(self, arguments):
        options = ort.SessionOptions()
        options.intra_op_num_threads = arguments.threads

        def open_graph(stem):
            file = graph_file(arguments.model, stem, arguments.dtype)
            return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

        self.encoder = open_graph("encoder_model")
        self.decoder = open_graph("decoder_model_merged") if arguments.steps else None
        if not self.decoder:
            return
        self.inputs = {value.name: value for value in self.decoder.get_inputs()}
        outputs = [value.name for value in self.decoder.get_outputs()]
        self.past_names = [name.replace("present", "past_key_values") for name in outputs[1:]]

    def empty_past(self):
        return {
            name: np.zeros((1, value.shape[1], 0, value.shape[3]), FLOATS[value.type])
            for name, value in self.inputs.items()
            if name.startswith("past")
        }

    def step(self, token, hidden, past, cached):
        feeds = {
            "input_ids": np.array([[token]]),
            "encoder_hidden_states": hidden,
            "use_cache_branch": np.array([cached]),
            **past,
        }
        logits, *present = self.decoder.run(
            None, {name: x for name, x in feeds.items() if name in self.inputs}
        )
        return int(logits[0, -1].argmax()), dict(zip(self.past_names, present))


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def caption(captioner, pixels, start_token, steps):
    """Greedy and without a stop: the encoder's seconds, those of each decoder call, and the tokens."""
    encoder_seconds, (hidden, *_) = timed(captioner.encoder.run, None, {"pixel_values": pixels})
    decoder_seconds, tokens, past = [], [start_token], captioner.empty_past() if steps else {}
    for index in range(steps):
        seconds, (token, past) = timed(captioner.step, tokens[-1], hidden, past, index > 0)
        decoder_seconds.append(seconds)
        tokens.append(token)
    return encoder_seconds, decoder_seconds, tokens[1:]


def main():
    arguments = parse_arguments()
    pixels = np.load(arguments.pixels) if arguments.pixels else seeded_pixels(image_side(arguments.model))
    start_token = read_json(arguments.model / "config.json")["decoder_start_token_id"]
    load_seconds, captioner = timed(Captioner, arguments)
    record = {
        "engine": f"onnxruntime {ort.__version__}",
        "device": "cpu",
        "load_seconds": load_seconds,
        "encoder_seconds": [],
        "prefill_seconds": [],
        "step_seconds": [],
        "caption_seconds": [],
    }
    for index in range(arguments.rounds + 1):
        encoder_seconds, decoder_seconds, record["tokens"] = caption(
            captioner, pixels, start_token, arguments.steps
        )
        if index == 0:
            continue
        record["encoder_seconds"].append(encoder_seconds)
        record["prefill_seconds"] += decoder_seconds[:1]
        record["step_seconds"] += decoder_seconds[1:]
        record["caption_seconds"].append(encoder_seconds + sum(decoder_seconds))
    record["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(record))


if __name__ == "__main__":
    main()
