#!/usr/bin/env python3
"""Compares cases of `differential_test --dump DIR` with ONNX Runtime.

    differential_test --device none --seed 1 --count 2000 --dump DIR && differential_ort.py DIR

Needs onnx, onnxruntime and numpy. What ONNX Runtime has no kernel for is counted and left aside. Prints one line a
case that differs, named by its seed, and exits with 1 when there is one.
"""
import collections
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

MISSING = ("NOT_IMPLEMENTED", "bfloat16", "Numpy_type", "data type is not supported")
TOLERANCE = {onnx.TensorProto.FLOAT16: 0.1, onnx.TensorProto.BFLOAT16: 0.6}


def read_tensor(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return tensor


def tolerance(model):
    """By the coarsest float type among inputs, initializers and casts of the graph, as in check.cpp."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = [value.type.tensor_type.elem_type for value in [*graph.input, *graph.value_info, *graph.output]]
    types += [tensor.data_type for tensor in graph.initializer]
    return max([TOLERANCE.get(dtype, 1e-3) for dtype in types])


def difference(got, want, allowed):
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    if want.size == 0:
        return ""
    got, want = got.astype(numpy.float64), want.astype(numpy.float64)
    scale = max(1.0, float(numpy.abs(want).max()))
    wrong = ~(numpy.abs(got - want) <= allowed * scale)
    if not wrong.any():
        return ""
    at = numpy.argmax(wrong.reshape(-1))
    return f"at {at}: ONNX Runtime {got.reshape(-1)[at]}, vulcap's references {want.reshape(-1)[at]}"


def check(folder):
    model = onnx.load(folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    data = folder / "test_data_set_0"
    feeds = {
        value.name: numpy_helper.to_array(read_tensor(data / f"input_{i}.pb"))
        for i, value in enumerate(model.graph.input)
    }
    results = session.run(None, feeds)
    allowed = tolerance(model)
    for i, (value, got) in enumerate(zip(model.graph.output, results)):
        want = numpy_helper.to_array(read_tensor(data / f"output_{i}.pb"))
        text = difference(numpy.asarray(got), want, allowed)
        if text:
            return f"output '{value.name}' {text} ({' '.join(node.op_type for node in model.graph.node)})"
    return ""


def has_empty(folder):
    """Whether a tensor without elements occurs: ONNX Runtime's shapes for those depart from the standard."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(folder / "model.onnx"), data_prop=True).graph
    shapes = [
        [dim.dim_value if dim.HasField("dim_value") else 1 for dim in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.value_info, *graph.output]
    ]
    shapes += [tensor.dims for tensor in graph.initializer]
    return any(0 in shape for shape in shapes)


def main():
    counts = collections.Counter()
    for folder in sorted(pathlib.Path(sys.argv[1]).iterdir(), key=lambda path: int(path.name)):
        try:
            text = check(folder)
        except Exception as error:  # every kind that ONNX Runtime raises
            message = str(error)
            missing = any(part in message for part in MISSING)
            text = "" if missing else message.replace("\n", " ")[:200]
            counts["not implemented by ONNX Runtime"] += missing
        if text and has_empty(folder):
            counts["differ over empty tensors (left aside)"] += 1
            continue
        counts["differ" if text else "cases without difference"] += 1
        if text:
            print(f"--seed {folder.name}: {text}")
    for name, count in counts.items():
        print(count, name)
    sys.exit(1 if counts["differ"] else 0)


if __name__ == "__main__":
    main()
