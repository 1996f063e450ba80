"""Joins a decoder's graph of the first call and that of later calls into one file; weights stand once."""

import hashlib
import math
from collections.abc import Iterable, Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.numpy_helper import to_array

SMALL = 16  # elements; shapes and axes stay in their branch

Content = tuple[int, tuple[int, ...], bytes]


def content_of(tensor: TensorProto) -> Content:
    """Equal for tensors that differ in their names alone."""
    data = tensor.raw_data or to_array(tensor).tobytes()
    return tensor.data_type, tuple(tensor.dims), hashlib.blake2b(data).digest()


class SharedWeights:
    """Large weights of both branches by content."""

    def __init__(self) -> None:
        self.tensors: list[TensorProto] = []
        self.names: dict[Content, str] = {}

    def name_of(self, tensor: TensorProto) -> str:
        content = content_of(tensor)
        if content not in self.names:
            name = (
                tensor.name if tensor.name not in self.names.values() else f"{tensor.name}_{len(self.names)}"
            )
            self.names[content] = name
            self.tensors.append(tensor)
            self.tensors[-1].name = name
        return self.names[content]


def rename(nodes: Iterable[NodeProto], names: dict[str, str]) -> None:
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                rename(attribute.g.node, names)
                for item in (*attribute.g.output, *attribute.g.initializer):
                    item.name = names.get(item.name, item.name)


def defined(graph: GraphProto) -> Iterator[str]:
    """Values that nodes of the graph and of its subgraphs make."""
    for node in graph.node:
        yield from (name for name in node.output if name)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from defined(attribute.g)
                yield from (tensor.name for tensor in attribute.g.initializer)


def make_branch(
    name: str, graph: GraphProto, outputs: list[ValueInfoProto], weights: SharedWeights
) -> GraphProto:
    """`outputs`: those of the If; what the graph lacks of them is empty."""
    names = {value: f"{name}/{value}" for value in defined(graph)}
    own = []
    for tensor in graph.initializer:
        if math.prod(tensor.dims) > SMALL:
            old = tensor.name
            names[old] = weights.name_of(tensor)
        else:
            names[tensor.name] = f"{name}/{tensor.name}"
            own.append(tensor)
    rename(graph.node, names)
    for tensor in own:
        tensor.name = names[tensor.name]
    have = {value.name for value in graph.output}
    nodes = [*graph.node, *(empty(name, value) for value in outputs if value.name not in have)]
    results = [
        helper.make_tensor_value_info(f"{name}/{value.name}", value.type.tensor_type.elem_type, None)
        for value in outputs
    ]
    return helper.make_graph(nodes, name, [], results, own)


def empty(branch: str, value: ValueInfoProto) -> NodeProto:
    """A Constant [0, heads, 1, width] in place of keys or values that the caller has already."""
    kind, dims = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
    shape = [0, dims[1].dim_value, 1, dims[3].dim_value]
    tensor = helper.make_tensor("", kind, shape, b"", raw=True)
    return helper.make_node(
        "Constant", [], [f"{branch}/{value.name}"], f"{branch}/{value.name}", value=tensor
    )


def common_outputs(first: GraphProto, later: GraphProto) -> list[ValueInfoProto]:
    """Declared so that it is true of both branches."""
    of_later = {value.name: value for value in later.output}
    return [of_later.get(value.name) or perhaps_empty(value) for value in first.output]


def perhaps_empty(value: ValueInfoProto) -> ValueInfoProto:
    """Its sizes under names of their own, for empty() has others than the inputs of those names."""
    result = ValueInfoProto()
    result.CopyFrom(value)
    for dim in result.type.tensor_type.shape.dim:
        if dim.dim_param:
            dim.dim_param = f"present_{dim.dim_param}"
    return result


def join_decoders(first: ModelProto, later: ModelProto) -> ModelProto:
    """`later` runs where the new input use_cache_branch, bool[1], is true. Both models are used up."""
    weights = SharedWeights()
    outputs = common_outputs(first.graph, later.graph)
    inputs = {value.name: value for value in (*first.graph.input, *later.graph.input)}
    branches = {
        "else_branch": make_branch("first", first.graph, outputs, weights),
        "then_branch": make_branch("later", later.graph, outputs, weights),
    }
    node = helper.make_node(
        "If", ["use_cache_branch"], [value.name for value in outputs], "use_cache", **branches
    )
    choice = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    graph = helper.make_graph([node], "decoder", [*inputs.values(), choice], outputs, weights.tensors)
    return helper.make_model(
        graph, opset_imports=first.opset_import, ir_version=max(first.ir_version, later.ir_version)
    )
