#!/usr/bin/env python3
"""Times single products with quantised weights, ONNX Runtime's CPU provider against `vulcap run`, in one go.

Needs numpy, onnx and onnxruntime.

    products.py [--vulcap build/release/vulcap] [--device cpu] [--threads 2] [--rounds 20] [--kinds fp32,int8,q4,q4l4,nf4] [--rows 1,197]
"""

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SIZES = [(768, 768), (768, 3072), (3072, 768), (768, 50257)]
BLOCK = 32


def graph_of(kind, m, k, n):
    rng = np.random.default_rng(k * n)
    weights, nodes = {}, []
    node = lambda op, inputs, outputs, domain="", **a: nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **a))
    if kind == "fp32":
        weights["w"] = rng.standard_normal((k, n), dtype=np.float32) * np.float32(0.02)
        node("MatMul", ["x", "w"], ["y"])
    elif kind == "int8":
        weights["w"] = rng.integers(-127, 128, (k, n), dtype=np.int8)
        weights["s"] = rng.uniform(1e-4, 2e-4, n).astype(np.float32)
        weights["z"] = np.zeros(n, np.int8)
        node("DynamicQuantizeLinear", ["x"], ["a", "as", "az"])
        node("MatMulInteger", ["a", "w", "az", "z"], ["sums"])
        node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT)
        node("Mul", ["as", "s"], ["scale"])
        node("Mul", ["real", "scale"], ["y"])
    elif kind in ("q4", "q4l4"):
        weights["w"] = rng.integers(0, 256, (n, k // BLOCK, BLOCK // 2), dtype=np.uint8)
        weights["s"] = rng.uniform(1e-3, 2e-3, n * (k // BLOCK)).astype(np.float32)
        node("MatMulNBits", ["x", "w", "s"], ["y"], "com.microsoft", K=k, N=n, bits=4, block_size=BLOCK,
             accuracy_level=4 if kind == "q4l4" else 1)
    else:
        weights["w"] = rng.integers(0, 256, n * k // 2, dtype=np.uint8)
        weights["s"] = rng.uniform(1e-3, 2e-3, n * k // 64).astype(np.float32)
        node("MatMulBnb4", ["x", "w", "s"], ["y"], "com.microsoft", K=k, N=n, block_size=64, quant_type=1)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, kind, [value("x", (m, k))], [value("y", (m, n))],
                              [numpy_helper.from_array(v, name) for name, v in weights.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def ort_milliseconds(model, m, k, arguments):
    options = ort.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).uniform(-1, 1, (m, k)).astype(np.float32)
    times = []
    for _ in range(arguments.rounds + 2):
        begin = time.perf_counter()
        session.run(None, {"x": x})
        times.append((time.perf_counter() - begin) * 1e3)
    return float(np.median(times[2:]))


def vulcap_milliseconds(model, arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product.onnx"
        onnx.save(model, path)
        command = [arguments.vulcap, "run", path, "--device", arguments.device, "--seed", "1", "--rounds", str(arguments.rounds)]
        if arguments.device == "cpu":
            command += ["--threads", str(arguments.threads)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"median ([\d.]+) ms", text).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vulcap", default="build/release/vulcap")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kinds", default="fp32,int8,q4,q4l4,nf4")
    parser.add_argument("--rows", default="1,197")
    arguments = parser.parse_args()
    print(f"{'kind':5} {'m':>4} {'k':>5} {'n':>6} {'ORT ms':>9} {'vulcap ms':>10}")
    for kind in arguments.kinds.split(","):
        for m in map(int, arguments.rows.split(",")):
            for k, n in SIZES:
                model = graph_of(kind, m, k, n)
                peer, own = ort_milliseconds(model, m, k, arguments), vulcap_milliseconds(model, arguments)
                print(f"{kind:5} {m:4} {k:5} {n:6} {peer:9.3f} {own:10.3f}", flush=True)


if __name__ == "__main__":
    main()
