"""Makes tests/golden/apps: tiny graphs that stand in for those of tests/golden/vit-gpt2, most of them with one fault.

python broken_models.py [OUT]     (numpy, onnx)
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 48  # of tests/golden/vit-gpt2
VOCABULARY = 420
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def external(name, shape, location):
    """An f32 initializer whose bytes lie in another file."""
    tensor = TensorProto(name=name, data_type=FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": 0, "length": 4 * int(np.prod(shape))}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def save(path, nodes, inputs, outputs, initializers, domains=()):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(*v) for v in inputs],
                              [helper.make_tensor_value_info(*v) for v in outputs], initializers)
    opsets = [helper.make_opsetid("", 17)] + [helper.make_opsetid(d, 1) for d in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="broken_models.py")
    path.write_bytes(model.SerializeToString())


PIXELS = [("pixel_values", FLOAT, ["batch", 3, 48, 48])]
STATES = [("last_hidden_state", FLOAT, ["batch", "length", WIDTH])]


def encoder(path, weight, extra=(), result="y", domains=()):
    """Rows of 48 pixel values times a matrix."""
    nodes = [helper.make_node("Reshape", ["pixel_values", "rows"], ["x"], "to_rows"),
             helper.make_node("MatMul", ["x", "w"], ["y"], "project"), *extra,
             helper.make_node("Identity", [result], ["last_hidden_state"], "result")]
    save(path, nodes, PIXELS, STATES, [constant("rows", np.int64([0, -1, WIDTH])), weight], domains)


def decoder(path, inputs, outputs=()):
    """Logits that depend on the last token alone; inputs beyond input_ids are declared and not used."""
    rng = np.random.default_rng(5)
    nodes = [helper.make_node("Gather", ["embedding", "input_ids"], ["e"], "embed"),
             helper.make_node("MatMul", ["e", "head"], ["logits"], "score")]
    nodes += [helper.make_node("Identity", ["past_key_values.0.key"], [name], name) for name, _, _ in outputs]
    save(path, nodes, inputs, [("logits", FLOAT, ["batch", "length", VOCABULARY]), *outputs],
         [constant("embedding", rng.standard_normal((VOCABULARY, 4), np.float32)),
          constant("head", rng.standard_normal((4, VOCABULARY), np.float32))])


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    weight = constant("w", np.eye(WIDTH, dtype=np.float32))
    encoder(out / "encoder_external.onnx", external("w", [WIDTH, WIDTH], "weights.bin"))
    encoder(out / "encoder_escaping.onnx", external("w", [WIDTH, WIDTH], "../weights.bin"))
    encoder(out / "encoder_absolute.onnx", external("w", [WIDTH, WIDTH], "/etc/passwd"))
    encoder(out / "encoder_unsupported.onnx", weight,
            [helper.make_node("Twist", ["y"], ["t"], "twist_node", domain="com.acme"),
             helper.make_node("RandomNormalLike", ["t"], ["u"], "first_random"),
             helper.make_node("Twine", ["u"], ["v"], "twine_node", domain="com.acme")], "v", ["com.acme"])
    ids = ("input_ids", INT64, ["batch", "length"])
    states = ("encoder_hidden_states", FLOAT, ["batch", "positions", WIDTH])
    past = ("past_key_values.0.key", FLOAT, ["batch", 4, "past", 12])
    present = [(f"present.0.{part}", FLOAT, ["batch", 4, "total", 12]) for part in ("key", "value")]
    decoder(out / "decoder_plain.onnx", [ids, states])
    decoder(out / "decoder_without_states.onnx", [ids])
    decoder(out / "decoder_without_past_value.onnx", [ids, states, past, ("use_cache_branch", BOOL, [1])], present)
    # input_ids renamed
    model = onnx.load(out / "decoder_plain.onnx")
    model.graph.input[0].name = model.graph.node[0].input[1] = "tokens"
    (out / "decoder_without_ids.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    default = pathlib.Path(__file__).parent.parent / "golden" / "apps"
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
