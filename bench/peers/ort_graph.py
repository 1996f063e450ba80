#!/usr/bin/env python3
"""ONNX Runtime's CPU provider on one graph of any model folder; prints a record of `vulcap bench --graph`.

The record's fields and the seeded inputs are those of bench/README.md.

    ort_graph.py --graph FILE.onnx [--dim NAME=SIZE]... [--n-prompt 1] [--steps 8] [--rounds 3] [--dump DIR]
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--dim", action="append", default=[], help="NAME=SIZE of a symbolic dim; others are 1")
    parser.add_argument("--n-prompt", type=int, default=1, help="positions of a decoder's first call")
    parser.add_argument("--steps", type=int, default=8, help="its further calls, of one position each")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds, after one that is not timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dump", type=Path, help="folder for the outputs as .npy files")
    return parser.parse_args()


# ---- seeded inputs: functions of the element's index


def seeded_reals(shape, dtype, first=0):
    index = np.arange(first, first + int(np.prod(shape)), dtype=np.uint64)
    hashed = (index * np.uint64(2654435761)) % np.uint64(1 << 32)
    return (hashed / 2.0**31 - 1.0).astype(np.float32).astype(dtype).reshape(shape)


def seeded_ids(shape, first=0):
    return ((np.arange(first, first + int(np.prod(shape))) * 7919 + 13) % 1000).reshape(shape)


def sized(value, sizes):
    return [d if isinstance(d, int) else sizes.get(d, 1) for d in value.shape]


def seeded_input(value, shape):
    dtype = DTYPES[value.type]
    if dtype in (np.float32, np.float16):
        return seeded_reals(shape, dtype)
    return np.ones(shape, dtype) if "mask" in value.name else seeded_ids(shape)


# ---- runs


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def run_whole(session, arguments, sizes, record):
    record["kind"] = "encoder"
    feeds = {value.name: seeded_input(value, sized(value, sizes)) for value in session.get_inputs()}
    record["run_seconds"] = []
    for index in range(arguments.rounds + 1):
        seconds, outputs = timed(session.run, None, feeds)
        if index > 0:
            record["run_seconds"].append(seconds)
    return {value.name: x for value, x in zip(session.get_outputs(), outputs)}


def prelude_session(file, options):
    """The part of a decoder that runs once an image, where `vulcap optimize --level 3` has cut it off."""
    for end in range(len(file.stem), 0, -1):
        prelude = file.with_name(f"{file.stem[:end]}_prelude{file.stem[end:]}.onnx")
        if prelude.exists():
            return ort.InferenceSession(str(prelude), options, providers=["CPUExecutionProvider"])
    return None


class Decoder:
    def __init__(self, session, prelude, sizes):
        self.session, self.prelude, self.sizes = session, prelude, sizes
        self.inputs = {value.name: value for value in session.get_inputs()}
        self.outputs = [value.name for value in session.get_outputs()]
        self.cached = any(name.startswith("past") for name in self.inputs)
        self.states = {
            name: seeded_input(self.inputs[name], sized(self.inputs[name], sizes))
            for name in ("encoder_hidden_states", "encoder_attention_mask")
            if name in self.inputs
        }
        self.length = 0
        self.past = {}
        self.hoisted = {}

    def start(self):
        """Forgets all tokens; pasts are empty."""
        self.length = 0
        self.past = {}
        for name, value in self.inputs.items():
            if name.startswith("past"):
                shape = [1, value.shape[1], 0, value.shape[3]]
                if ".encoder." in name:
                    shape[2] = self.sizes.get(value.shape[2], 1)
                self.past[name] = np.zeros(shape, DTYPES[value.type])

    def tokens(self, first, length):
        if "input_ids" in self.inputs:
            return {"input_ids": seeded_ids([1, length], first)}
        value = self.inputs["inputs_embeds"]
        width = value.shape[2]
        return {"inputs_embeds": seeded_reals([1, length, width], DTYPES[value.type], first * width)}

    def feeds(self, length):
        """Of a call on the next `length` tokens, or on all so far where there is no cache."""
        first = self.length if self.cached else 0
        last = self.length + length
        feeds = {**self.tokens(first, last - first), **self.states, **self.past}
        if "attention_mask" in self.inputs:
            feeds["attention_mask"] = np.ones([1, last], np.int64)
        if "position_ids" in self.inputs:
            feeds["position_ids"] = np.arange(first, last).reshape(1, -1)
        if "use_cache_branch" in self.inputs:
            feeds["use_cache_branch"] = np.array([self.length > 0])
        return feeds

    def call(self, feeds, length):
        if self.prelude and self.length == 0:
            states = {value.name: self.states[value.name] for value in self.prelude.get_inputs()}
            names = [value.name for value in self.prelude.get_outputs()]
            self.hoisted = dict(zip(names, self.prelude.run(names, states)))
        logits, *presents = self.session.run(None, {**feeds, **self.hoisted})
        for name, present in zip(self.outputs[1:], presents):
            past = name.replace("present", "past_key_values")
            if ".encoder." not in name or self.length == 0:
                self.past[past] = present
        self.length += length
        return logits[0, -1].astype(np.float32)


def run_decoder(session, options, arguments, sizes, record):
    decoder = Decoder(session, prelude_session(arguments.graph, options), sizes)
    record["kind"] = "decoder" if decoder.cached else "decoder without cache"
    record["prefill_seconds"], record["step_seconds"] = [], []
    for index in range(arguments.rounds + 1):
        decoder.start()
        logits = []
        for step in range(arguments.steps + 1):
            length = arguments.n_prompt if step == 0 else 1
            feeds = decoder.feeds(length)
            seconds, last = timed(decoder.call, feeds, length)
            logits.append(last)
            if index > 0:
                record["step_seconds" if step else "prefill_seconds"].append(seconds)
    return {"logits": np.stack(logits)}


def main():
    arguments = parse_arguments()
    sizes = {"num_channels": 3, "height": 224, "width": 224}
    sizes.update((name, int(size)) for name, size in (dim.split("=") for dim in arguments.dim))
    options = ort.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    load_seconds, session = timed(
        lambda: ort.InferenceSession(str(arguments.graph), options, providers=["CPUExecutionProvider"])
    )
    record = {
        "engine": f"onnxruntime {ort.__version__}",
        "device": "cpu",
        "graph": arguments.graph.stem,
        "load_seconds": load_seconds,
    }
    if any(value.name == "logits" for value in session.get_outputs()):
        outputs = run_decoder(session, options, arguments, sizes, record)
    else:
        outputs = run_whole(session, arguments, sizes, record)
    if arguments.dump:
        for name, x in outputs.items():
            np.save(arguments.dump / f"{arguments.graph.stem}.{name}.npy", x.astype(np.float32))
    record["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(record))


if __name__ == "__main__":
    main()
