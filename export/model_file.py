"""What is done to a graph before it is a file: cleaned, checked, weights inside or beside it."""

import pathlib

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from .graph import TRACED, Graph
from .join import Content, content_of, rename
from .options import ExportError

LARGEST_INLINE = 1_900_000_000  # bytes; protobuf ends at 2 GiB


def lift_constants(graph: GraphProto) -> None:
    """Constant nodes become initializers: exporters write the same few hundreds of times."""
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        is_tensor = node.op_type == "Constant" and node.attribute[0].name == "value"
        if is_tensor and node.output[0] not in outputs:
            graph.initializer.append(node.attribute[0].t)
            graph.initializer[-1].name = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def share_equal_weights(graph: GraphProto) -> None:
    """Exporters write a weight that two modules share once for each."""
    names: dict[Content, str] = {}
    kept, renamed = [], {}
    for tensor in graph.initializer:
        name = names.setdefault(content_of(tensor), tensor.name)
        if name == tensor.name:
            kept.append(tensor)
        else:
            renamed[tensor.name] = name
    if renamed:
        rename(graph.node, renamed)
        del graph.initializer[:]
        graph.initializer.extend(kept)


def to_half(model: ModelProto) -> ModelProto:
    """float16 inside, float32 at the inputs and outputs, as onnx-community's files."""
    half = OnnxModel(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True))
    half.topological_sort()  # the converter puts its casts of the inputs last
    return half.model


def strip(graph: GraphProto) -> None:
    """Takes out what exporters leave of the machine they ran on: stack traces with paths."""
    graph.doc_string = ""
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                strip(attribute.g)


def declare_outputs(model: ModelProto, graph: Graph) -> None:
    """Writes the outputs' true sizes, where exporters leave names of their own making."""
    results = graph.run(graph.sample(TRACED))
    for value in model.graph.output:
        axes = graph.axes.get(value.name, {})
        shape = [axes.get(axis, size) for axis, size in enumerate(results[value.name].shape)]
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))


def clean(model: ModelProto) -> ModelProto:
    """Changes `model`: equal weights are kept once, traces of the machine go."""
    lift_constants(model.graph)
    share_equal_weights(model.graph)
    strip(model.graph)
    for function in model.functions:
        function.doc_string = ""
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]
    del model.metadata_props[:]
    return model


def save(model: ModelProto, path: pathlib.Path, external: bool) -> int:
    """Writes and checks; the bytes of all files. External weights go to PATH_data, in one file."""
    data = path.with_name(path.name + "_data")
    if external or model.ByteSize() > LARGEST_INLINE:
        onnx.save(
            model,
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=data.name,
            size_threshold=1024,
        )
        data.chmod(path.stat().st_mode)  # onnx makes it for the owner alone
    else:
        onnx.save(model, path)
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        reason = str(error).strip().split("\n")[0]
        raise ExportError(
            f"{path.name}: the exported graph is not valid ONNX: {reason}; try another --opset"
        ) from error
    return path.stat().st_size + (data.stat().st_size if data.exists() else 0)
