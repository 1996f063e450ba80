#!/usr/bin/env python3
"""ONNX Runtime's CPU provider on an encoder and an optimum merged decoder, as a peer of `vulcap bench`.

    ort_cpu.py --model DIR --pixels FILE --shape N,3,H,W [--dtype fp32|fp16|q8|q4] [--threads 2]
               [--batch-size 1] [--n-gen 0]

FILE holds the pixel values, f32, row-major. Captions the first image, says so, and then captions all of them
for every line on stdin; the lines on stdout are those of bench/README.md. Needs onnxruntime and numpy.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

SUFFIXES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "int8": "_int8", "uint8": "_uint8", "q4": "_q4"}
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
LONGEST = 20  # tokens beside the prompt, where generation_config.json names no length


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pixels", type=Path, required=True)
    parser.add_argument("--shape", required=True)
    parser.add_argument("--dtype", choices=SUFFIXES, default="fp32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--n-gen", type=int, default=0, help="tokens a caption; 0: to the end of each")
    return parser.parse_args()


def graph_file(folder, stem, dtype):
    name = f"{stem}{SUFFIXES[dtype]}.onnx"
    for candidate in (folder / "onnx" / name, folder / name):
        if candidate.is_file():
            return candidate
    raise SystemExit(f"ort_cpu: no {name} in {folder} or {folder}/onnx")


def read_settings(folder):
    """config.json with generation_config.json over it."""
    settings = {}
    for name in ("config.json", "generation_config.json"):
        if (folder / name).is_file():
            settings.update(json.loads((folder / name).read_text()))
    return settings


class Lengths:
    """When a caption ends: after a fixed number of tokens, or at its end token or the longest length."""

    def __init__(self, settings, n_gen):
        end = settings.get("eos_token_id")
        self.ends = [] if n_gen or end is None else [end] if isinstance(end, int) else list(end)
        self.most = n_gen or settings.get("max_new_tokens") or settings.get("max_length", LONGEST + 1) - 1
        self.padding = settings.get("pad_token_id", self.ends[0] if self.ends else 0)


class Captioner:
    def __init__(self, arguments):
        options = ort.SessionOptions()
        options.intra_op_num_threads = arguments.threads

        def open_graph(stem):
            file = graph_file(arguments.model, stem, arguments.dtype)
            return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

        self.encoder = open_graph("encoder_model")
        self.decoder = open_graph("decoder_model_merged")
        settings = read_settings(arguments.model)
        self.start_token = settings["decoder_start_token_id"]
        self.lengths = Lengths(settings, arguments.n_gen)
        self.inputs = {value.name: value for value in self.decoder.get_inputs()}
        outputs = [value.name for value in self.decoder.get_outputs()]
        self.past_names = [name.replace("present", "past_key_values") for name in outputs[1:]]

    def empty_past(self, rows):
        return {
            name: np.zeros((rows, value.shape[1], 0, value.shape[3]), FLOATS[value.type])
            for name, value in self.inputs.items()
            if name.startswith("past")
        }

    def step(self, tokens, hidden, past, cached):
        feeds = {
            "input_ids": tokens[:, None],
            "encoder_hidden_states": hidden,
            "use_cache_branch": np.array([cached]),
            **past,
        }
        logits, *present = self.decoder.run(
            None, {name: x for name, x in feeds.items() if name in self.inputs}
        )
        return logits[:, -1].argmax(-1), dict(zip(self.past_names, present))

    def caption(self, pixels):
        """Greedy, all rows until the last has ended: seconds of the encoder and of each decoder call, and ids."""
        rows = len(pixels)
        encoder_seconds, (hidden, *_) = timed(self.encoder.run, None, {"pixel_values": pixels})
        tokens, past = np.full(rows, self.start_token), self.empty_past(rows)
        ended, ids, decoder_seconds = np.zeros(rows, bool), [tokens], []
        while len(decoder_seconds) < self.lengths.most and not ended.all():
            seconds, (tokens, past) = timed(self.step, tokens, hidden, past, bool(decoder_seconds))
            decoder_seconds.append(seconds)
            tokens = np.where(ended, self.lengths.padding, tokens)
            ended |= np.isin(tokens, self.lengths.ends)
            ids.append(tokens)
        return encoder_seconds, decoder_seconds, [self.trimmed(row) for row in np.stack(ids, 1).tolist()]

    def trimmed(self, row):
        """Up to the row's end token."""
        for index, token in enumerate(row[1:], 1):
            if token in self.lengths.ends:
                return row[: index + 1]
        return row


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def repetition(captioner, pixels, batch_size):
    start = time.perf_counter()
    images, all_ids = [], []
    for at in range(0, len(pixels), batch_size):
        batch = pixels[at : at + batch_size]
        encoder_seconds, decoder_seconds, ids = captioner.caption(batch)
        shares = [seconds / len(batch) for seconds in decoder_seconds]
        image = {"encode": encoder_seconds / len(batch), "prefill": shares[0], "steps": shares[1:]}
        images += [image] * len(batch)
        all_ids += ids
    return {"wall": time.perf_counter() - start, "images": images, "ids": all_ids}


def answer(record):
    print(json.dumps(record), flush=True)


def main():
    arguments = parse_arguments()
    shape = [int(size) for size in arguments.shape.split(",")]
    pixels = np.fromfile(arguments.pixels, np.float32).reshape(shape)
    load_seconds, captioner = timed(Captioner, arguments)
    captioner.caption(pixels[:1])
    device = f"cpu ({arguments.threads} threads)" if arguments.threads else "cpu"
    answer({"engine": f"onnxruntime {ort.__version__}", "device": device, "load": load_seconds})
    for _ in sys.stdin:
        answer(repetition(captioner, pixels, arguments.batch_size))


if __name__ == "__main__":
    main()
