#!/usr/bin/env python3
"""Makes the fp16, int8 and 4-bit variants of a model folder's fp32 graphs: <stem>_fp16.onnx, <stem>_quantized.onnx
(onnxruntime.quantization.quantize_dynamic, a scale a channel) and <stem>_q4.onnx (its MatMulNBits quantiser, blocks of 32).

Needs onnx and onnxruntime.

    quantise.py MODEL_DIR [--dtypes fp16,q8,q4]      writes beside the graphs
"""

import argparse
import sys
import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

sys.path.insert(0, str(Path(__file__).parents[1] / "models" / "recipe"))
from half_graph import halve_model  # noqa: E402

SUFFIXES = ("_fp16", "_quantized", "_q4")
LARGEST_FILE = 1 << 30  # bytes of weights that stay inside the graph's own file


def save(model, path):
    data = path.with_name(path.name + "_data")
    data.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if model.ByteSize() < LARGEST_FILE:
        return onnx.save(model, path)
    onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=1024)


def make_fp16(source, target):
    save(halve_model(onnx.load(source)), target)


def make_q8(source, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        quantize_dynamic(
            source, made, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False, use_external_data_format=True,
            extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True})
        save(onnx.load(made), target)


def make_q4(source, target):
    quantiser = MatMulNBitsQuantizer(onnx.load(source), block_size=32, is_symmetric=True)
    quantiser.process()
    save(quantiser.model.model, target)


MAKERS = {"fp16": ("_fp16", make_fp16), "q8": ("_quantized", make_q8), "q4": ("_q4", make_q4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtypes", default="fp16,q8,q4")
    arguments = parser.parse_args()
    graphs = [p for p in sorted(arguments.folder.rglob("*.onnx")) if not p.stem.endswith(SUFFIXES)]
    if not graphs:
        raise SystemExit(f"quantise: no .onnx file in {arguments.folder}")
    for dtype in arguments.dtypes.split(","):
        suffix, make = MAKERS[dtype]
        for source in graphs:
            target = source.with_name(source.stem + suffix + ".onnx")
            make(source, target)
            size = sum(p.stat().st_size for p in (target, Path(f"{target}_data")) if p.exists())
            print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
