"""Writes tests/golden/decoders/phi_cache_position.onnx from phi.onnx (onnx): position_ids [batch, length] is made of the
input cache_position [length], which optimum's exports of transformers 4.48 and later declare."""
import pathlib

import onnx
from onnx import TensorProto, helper

DECODERS = pathlib.Path(__file__).parent.parent / "golden" / "decoders"

model = onnx.load(DECODERS / "phi.onnx")
graph = model.graph
old = next(i for i in graph.input if i.name == "position_ids")
graph.input.remove(old)
graph.input.append(helper.make_tensor_value_info("cache_position", TensorProto.INT64, [old.type.tensor_type.shape.dim[1].dim_param]))
graph.initializer.append(helper.make_tensor("cache_position_axes", TensorProto.INT64, [1], [0]))
graph.node.insert(0, helper.make_node("Unsqueeze", ["cache_position", "cache_position_axes"], ["position_ids"]))
onnx.save(model, DECODERS / "phi_cache_position.onnx")
