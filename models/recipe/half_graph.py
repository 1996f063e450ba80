"""Turns a float32 ONNX model into a float16 one whose inputs and outputs stay float32, subgraphs included.

The file has the form of onnx-community's `_fp16` files: a Cast behind each input and before each output.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT, FLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = float(np.finfo(np.float16).max)


def graphs_of(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs_of(attribute.g)


def halve_tensor(tensor: TensorProto) -> None:
    if tensor.data_type == FLOAT:
        values = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def halve_node(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            halve_tensor(attribute.t)
        elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
            attribute.i = FLOAT16


def rename(graph: GraphProto, old: str, new: str) -> None:
    """In the graph and in the subgraphs that see the value: a subgraph may have its own of that name."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
        for attribute in node.attribute:
            own = {name for inner in attribute.g.node for name in inner.output}
            if attribute.type == AttributeProto.GRAPH and old not in own:
                rename(attribute.g, old, new)


def is_float(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type == FLOAT


def cast(old: str, new: str, name: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [old], [new], name, to=to)


def add_casts(graph: GraphProto) -> None:
    inputs = [item.name for item in graph.input if is_float(item)]
    outputs = [item.name for item in graph.output if is_float(item)]
    for name in inputs + outputs:
        rename(graph, name, f"{name}_half")
    first = [cast(name, f"{name}_half", f"{name}_to_half", FLOAT16) for name in inputs]
    last = [cast(f"{name}_half", name, f"{name}_to_float", FLOAT) for name in outputs]
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)


def halve_model(model: ModelProto) -> ModelProto:
    """Changes `model` itself and returns it."""
    graph = model.graph
    for inner in graphs_of(graph):
        del inner.value_info[:]
        for tensor in inner.initializer:
            halve_tensor(tensor)
        for node in inner.node:
            halve_node(node)
        for value in inner.output if inner is not graph else ():
            if is_float(value):
                value.type.tensor_type.elem_type = FLOAT16
    add_casts(graph)
    return model
