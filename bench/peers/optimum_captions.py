#!/usr/bin/env python3
"""optimum with ONNX Runtime's CPU provider, an image at a time; prints a caption record for each.

    optimum_captions.py --model DIR [--threads 2] IMAGE...

fp32 only: a decoder file named by the caller makes optimum ask for decoder_with_past_model.onnx as well.
"""

import argparse
import json
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
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    return parser.parse_args()


def load(arguments):
    options = ort.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    model = ORTModelForVision2Seq.from_pretrained(
        arguments.model, use_merged=True, use_cache=True, session_options=options, local_files_only=True
    )
    processor = AutoImageProcessor.from_pretrained(arguments.model, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model, local_files_only=True)
    return model, processor, tokenizer


def main():
    arguments = parse_arguments()
    model, processor, tokenizer = load(arguments)
    engine = f"optimum-onnx {version('optimum-onnx')}, onnxruntime {ort.__version__}"
    for file in arguments.images:
        start = time.perf_counter()
        pixels = processor(Image.open(file).convert("RGB"), return_tensors="pt").pixel_values
        text = tokenizer.decode(model.generate(pixels)[0], skip_special_tokens=True).strip()
        total = time.perf_counter() - start
        record = {"file": file, "caption": text, "timing": {"total": total}, "engine": engine}
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
