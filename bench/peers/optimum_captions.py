#!/usr/bin/env python3
"""transformers with optimum's ONNX Runtime models (CPU) on image files, as a peer of `vulcap bench`.

    optimum_captions.py --model DIR [--threads 2] [--batch-size 1] [--n-gen 0] IMAGE...

Captions the first image, says so, and then captions all of them for every line on stdin; the lines on stdout are
those of bench/README.md. Needs optimum-onnx, onnxruntime, torch and pillow. fp32 only: a decoder file named by
the caller makes optimum ask for decoder_with_past_model.onnx as well.
"""

import argparse
import json
import sys
import time
from importlib.metadata import version

import onnxruntime as ort
from optimum.onnxruntime import ORTModelForVision2Seq
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", choices=["fp32"], default="fp32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--n-gen", type=int, default=0, help="tokens a caption; 0: to the end of each")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    return parser.parse_args()


class Captioner:
    def __init__(self, arguments):
        options = ort.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        self.model = ORTModelForVision2Seq.from_pretrained(
            arguments.model, use_merged=True, use_cache=True, session_options=options, local_files_only=True
        )
        self.processor = AutoImageProcessor.from_pretrained(arguments.model, local_files_only=True)
        self.tokenizer = AutoTokenizer.from_pretrained(arguments.model, local_files_only=True)
        settings = self.model.generation_config
        self.ends = [] if arguments.n_gen else [settings.eos_token_id]
        if arguments.n_gen:
            settings.eos_token_id = settings.forced_eos_token_id = None
            settings.max_new_tokens = arguments.n_gen

    def caption(self, files):
        """[(times, ids, text)], an image each; times of the common parts are shared out evenly."""
        start = time.perf_counter()
        images = [Image.open(file).convert("RGB") for file in files]
        decoded = time.perf_counter()
        pixels = self.processor(images, return_tensors="pt").pixel_values
        preprocessed = time.perf_counter()
        ids = [self.trimmed(row) for row in self.model.generate(pixels).tolist()]
        texts = [self.tokenizer.decode(row, skip_special_tokens=True).strip() for row in ids]
        share = 1 / len(files)
        times = {
            "decode_image": (decoded - start) * share,
            "preprocess": (preprocessed - decoded) * share,
            "total": (time.perf_counter() - start) * share,
        }
        return [(times, row, text) for row, text in zip(ids, texts)]

    def trimmed(self, row):
        for index, token in enumerate(row[1:], 1):
            if token in self.ends:
                return row[: index + 1]
        return row


def repetition(captioner, files, batch_size):
    start = time.perf_counter()
    captioned = []
    for at in range(0, len(files), batch_size):
        captioned += captioner.caption(files[at : at + batch_size])
    times, ids, texts = zip(*captioned)
    return {"wall": time.perf_counter() - start, "images": times, "ids": ids, "captions": texts}


def answer(record):
    print(json.dumps(record), flush=True)


def main():
    arguments = parse_arguments()
    start = time.perf_counter()
    captioner = Captioner(arguments)
    load_seconds = time.perf_counter() - start
    captioner.caption(arguments.images[:1])
    engine = f"optimum-onnx {version('optimum-onnx')}, onnxruntime {ort.__version__}"
    answer({"engine": engine, "device": "cpu", "load": load_seconds})
    for _ in sys.stdin:
        answer(repetition(captioner, arguments.images, arguments.batch_size))


if __name__ == "__main__":
    main()
