#!/usr/bin/env python3
"""Write reference.json: what the onnx package reads from the .onnx files of this folder. Needs onnx and numpy.

Per file: opsets, inputs and outputs [name, element type, dims], the operator census (subgraphs included) and every
tensor [name, element type, dims, crc32 of its little-endian bytes], initializers and Constant values alike.
"""
import collections
import json
import zlib
from pathlib import Path

import onnx
from onnx import numpy_helper


def value(info):
    tensor = info.type.tensor_type
    return [info.name, tensor.elem_type, [d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim]]


def data(tensor, folder):
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        onnx.external_data_helper.load_external_data_for_tensor(tensor, folder)
    return tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()


def visit(graph, folder, ops, tensors):
    def add(name, tensor):
        dims = list(tensor.dims)
        tensors.append([name, tensor.data_type, dims, zlib.crc32(data(tensor, folder))])

    for initializer in graph.initializer:
        add(initializer.name, initializer)
    for node in graph.node:
        ops[node.op_type] += 1
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                add(node.output[0], attribute.t)
            if attribute.type == onnx.AttributeProto.GRAPH:
                visit(attribute.g, folder, ops, tensors)


def describe(path):
    model = onnx.load(path, load_external_data=False)
    ops, tensors = collections.Counter(), []
    visit(model.graph, str(path.parent), ops, tensors)
    given = {initializer.name for initializer in model.graph.initializer}
    return {
        "opsets": {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import},
        "inputs": [value(i) for i in model.graph.input if i.name not in given],
        "outputs": [value(o) for o in model.graph.output],
        "ops": dict(sorted(ops.items())),
        "tensors": sorted(tensors),
    }


if __name__ == "__main__":
    here = Path(__file__).parent
    reference = {path.name: describe(path) for path in sorted(here.glob("*.onnx"))}
    lines = [f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}" for name, entry in reference.items()]
    (here / "reference.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
