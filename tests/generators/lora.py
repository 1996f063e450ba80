"""Makes tests/golden/lora: small models, PEFT adapters for them, and the models with the adapters merged.

python lora.py [OUT]
Needs numpy and onnx.

Each model is built twice from parameters as PyTorch stores them: as they are (model.onnx), and after PEFT's formula
(merged.onnx): W += lora_alpha / r * B @ A, transposed where fan_in_fan_out says so. How a weight lies in the graph is
decided by the builder alone, so merged.onnx does not depend on how a reader finds that out.
"""

import json
import math
import pathlib
import shutil
import struct
import sys
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Parameters = dict[str, np.ndarray]  # as in PyTorch's state_dict
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "lora")
random = np.random.default_rng(5)


def numbers(*shape: int) -> np.ndarray:
    return (random.standard_normal(shape) * 0.5).astype(np.float32)


def write_safetensors(path: pathlib.Path, tensors: Parameters, bf16: bool = False) -> None:
    header, data = {}, b""
    for name, value in tensors.items():
        raw = (value.view(np.uint32) >> 16).astype(np.uint16).tobytes() if bf16 else np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": "BF16" if bf16 else "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Graph:
    """Collects nodes and weights; x f32[2, width] flows through them."""

    def __init__(self, dtype: int = TensorProto.FLOAT):
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.dtype = dtype

    def weight(self, name: str, value: np.ndarray) -> str:
        if all(known.name != name for known in self.weights):
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value.astype(helper.tensor_dtype_to_np_dtype(self.dtype))), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, name: str = "", scopes: list[str] | None = None, **attributes) -> str:
        node = helper.make_node(op, inputs, [output], name=name, **attributes)
        if scopes is not None:
            entry = node.metadata_props.add()
            entry.key, entry.value = "pkg.torch.onnx.name_scopes", str(scopes)
        self.nodes.append(node)
        return output

    def model(self, x: list[int], output: str, x_type: int | None = None) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("x", x_type or self.dtype, x)]
        outputs = [helper.make_tensor_value_info(output, self.dtype, None)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save(name: str, build: Callable[[Parameters], onnx.ModelProto], base: Parameters, merged: Parameters,
         adapter: Parameters, config: dict, bf16: bool = False, external: bool = False) -> None:
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "adapter").mkdir(parents=True, exist_ok=True)
    for file, parameters in (("model.onnx", base), ("merged.onnx", merged)):
        model = build(parameters)
        place = {"save_as_external_data": True, "location": file + "_data", "size_threshold": 0} if external else {}
        onnx.save(model, folder / file, **place)
    full = {"peft_type": "LORA", "r": 2, "lora_alpha": 3, "bias": "none", "target_modules": ["q_proj", "v_proj"]} | config
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(full, indent=1))
    prefix = "base_model.model."
    write_safetensors(folder / "adapter" / "adapter_model.safetensors", {prefix + k: v for k, v in adapter.items()}, bf16)


def low_rank(base: Parameters, modules: dict[str, tuple[int, float]], transposed: bool = False) -> tuple[Parameters, Parameters]:
    """Adapter and merged parameters for {module: (rank, scale)}."""
    adapter, merged = {}, dict(base)
    for module, (rank, scale) in modules.items():
        weight = base[module + ".weight"]
        outputs, inputs = weight.shape[::-1] if transposed else (weight.shape[0], weight.size // weight.shape[0])
        a, b = numbers(rank, inputs), numbers(outputs, rank)
        delta = (b.astype(np.float64) @ a) * scale
        merged[module + ".weight"] = (weight + (delta.T if transposed else delta).reshape(weight.shape)).astype(np.float32)
        kernel = weight.shape[2:]
        adapter[module + ".lora_A.weight"] = a.reshape((rank, -1, *kernel)) if kernel else a
        adapter[module + ".lora_B.weight"] = b.reshape((outputs, rank, *[1] * len(kernel)))
    return adapter, merged


def linears(prefix: str = "model.layers", width: int = 6, value: int = 6) -> Parameters:
    base = {}
    for layer in range(2):
        base[f"{prefix}.{layer}.attn.q_proj.weight"] = numbers(width, width)
        base[f"{prefix}.{layer}.attn.v_proj.weight"] = numbers(value, width)
        base[f"{prefix}.{layer}.attn.o_proj.weight"] = numbers(width, value)
    return base


def each_linear(parameters: Parameters, layer: Callable[[Graph, str, str, str, np.ndarray], None], graph: Graph | None = None) -> onnx.ModelProto:
    """A chain of linear layers; `layer` adds one to the graph: (graph, module, input, output, weight)."""
    graph = graph or Graph()
    at = "x"
    for i, (name, weight) in enumerate(parameters.items()):
        layer(graph, name.removesuffix(".weight"), at, f"y{i}", weight)
        at = f"y{i}"
    first = next(iter(parameters.values()))
    return graph.model([2, first.shape[1]], at)


def named(graph: Graph, module: str, x: str, y: str, weight: np.ndarray) -> None:
    turned = graph.add("Transpose", [graph.weight(module + ".weight", weight)], y + "_t", perm=[1, 0])
    graph.add("MatMul", [x, turned], y)


def renamed(wrapper: str) -> Callable[[Graph, str, str, str, np.ndarray], None]:
    def layer(graph: Graph, module: str, x: str, y: str, weight: np.ndarray) -> None:
        scope = "/" + (wrapper + module).replace(".layers.", ".layers#").replace(".", "/").replace("#", ".")
        graph.add("MatMul", [x, graph.weight(f"onnx::MatMul_{len(graph.weights) + 100}", weight.T)], y, name=scope + "/MatMul")

    return layer


def plain() -> None:
    base = linears()
    adapter, merged = low_rank(base, {m: (2, 1.5) for m in ("model.layers.0.attn.q_proj", "model.layers.1.attn.v_proj")})
    save("named", lambda p: each_linear(p, named), base, merged, adapter, {})
    save("renamed", lambda p: each_linear(p, renamed("language_model.")), base, merged, adapter, {})
    save("external", lambda p: each_linear(p, renamed("")), base, merged, adapter, {}, external=True)


def scales() -> None:
    base = linears()
    adapter, merged = low_rank(base, {
        "model.layers.0.attn.q_proj": (2, 3 / math.sqrt(2)),
        "model.layers.0.attn.v_proj": (3, 3 / math.sqrt(3)),
        "model.layers.1.attn.q_proj": (2, 8 / math.sqrt(2)),
        "model.layers.1.attn.v_proj": (1, 5.0),
    })
    config = {"use_rslora": True, "rank_pattern": {"layers.0.attn.v_proj": 3, "v_proj": 1},
              "alpha_pattern": {"layers.1.*v_proj": 5, "^model.layers.1.*": 8}}
    save("scales", lambda p: each_linear(p, renamed("")), base, merged, adapter, config)


def chosen_layers() -> None:
    base = linears("transformer.layers")
    adapter, merged = low_rank(base, {"transformer.layers.1.attn.q_proj": (2, 1.5)})
    config = {"layers_to_transform": [1], "layers_pattern": "layers", "exclude_modules": ["v_proj"]}
    save("layers", lambda p: each_linear(p, named), base, merged, adapter, config)


def conv1d() -> None:
    base = {f"transformer.h.{i}.attn.c_attn.weight": numbers(6, 6) for i in range(2)}  # [in, out], square

    def layer(graph: Graph, module: str, x: str, y: str, weight: np.ndarray) -> None:
        bias = graph.weight(module + ".bias", np.zeros(6, np.float32))
        graph.add("Gemm", [x, graph.weight(module + ".weight", weight), bias], y)

    adapter, merged = low_rank(base, {m.removesuffix(".weight"): (2, 1.5) for m in base}, transposed=True)
    save("conv1d", lambda p: each_linear(p, layer), base, merged, adapter, {"target_modules": ["c_attn"], "fan_in_fan_out": True})


def biases() -> None:
    base = {"fc.weight": numbers(5, 4), "fc.bias": numbers(5), "norm.weight": numbers(5), "norm.bias": numbers(5),
            "score.weight": numbers(5, 5), "score.bias": numbers(5)}

    def build(p: Parameters) -> onnx.ModelProto:
        graph = Graph()
        graph.add("Gemm", ["x", graph.weight("fc.weight", p["fc.weight"]), graph.weight("fc.bias", p["fc.bias"])], "a", transB=1)
        graph.add("LayerNormalization", ["a", graph.weight("norm.weight", p["norm.weight"]), graph.weight("norm.bias", p["norm.bias"])], "b")
        graph.add("MatMul", ["b", graph.weight("onnx::MatMul_7", p["score.weight"].T)], "c", name="/score/MatMul")
        graph.add("Add", [graph.weight("score.bias", p["score.bias"]), "c"], "d", name="/score/Add")
        return graph.model([2, 4], "d")

    adapter, merged = low_rank(base, {"fc": (2, 1.5)})
    adapter["fc.lora_B.bias"] = numbers(5)
    for name in ("norm.weight", "score.weight", "score.bias"):
        adapter[name] = merged[name] = numbers(*base[name].shape)
    adapter["norm.base_layer.bias"] = merged["norm.bias"] = numbers(5)
    merged["fc.bias"] = base["fc.bias"] + 1.5 * adapter["fc.lora_B.bias"]
    config = {"target_modules": "all-linear", "bias": "all", "lora_bias": True, "modules_to_save": ["score"]}
    save("biases", build, base, merged, adapter, config)


def embedding() -> None:
    base = {"embed_tokens.weight": numbers(7, 4)}

    def build(p: Parameters) -> onnx.ModelProto:
        graph = Graph()
        graph.add("Gather", [graph.weight("embed_tokens.weight", p["embed_tokens.weight"]), "x"], "a", name="/embed_tokens/Gather")
        graph.add("MatMul", ["a", graph.weight("onnx::MatMul_9", p["embed_tokens.weight"].T)], "b", name="/lm_head/MatMul")  # tied
        return graph.model([3], "b", TensorProto.INT64)

    a, b = numbers(2, 7), numbers(4, 2)
    merged = {"embed_tokens.weight": (base["embed_tokens.weight"] + 1.5 * (b @ a).T).astype(np.float32)}
    adapter = {"embed_tokens.lora_embedding_A": a, "embed_tokens.lora_embedding_B": b}
    save("embedding", build, base, merged, adapter, {"target_modules": ["embed_tokens"]})


def convolution() -> None:
    base = {"conv.weight": numbers(4, 3, 3, 3)}

    def build(p: Parameters) -> onnx.ModelProto:
        graph = Graph()
        graph.add("Conv", ["x", graph.weight("conv.weight", p["conv.weight"])], "y")
        return graph.model([1, 3, 5, 5], "y")

    adapter, merged = low_rank(base, {"conv": (2, 1.5)})
    save("convolution", build, base, merged, adapter, {"target_modules": ["conv"]})


def half() -> None:
    base = {name: value.astype(np.float16).astype(np.float32) for name, value in linears().items()}
    adapter, _ = low_rank(base, {"model.layers.0.attn.q_proj": (2, 1.5)})
    adapter = {name: (value.view(np.uint32) & 0xFFFF0000).view(np.float32) for name, value in adapter.items()}  # bf16
    a, b = (adapter[f"model.layers.0.attn.q_proj.lora_{part}.weight"].astype(np.float64) for part in "AB")
    name = "model.layers.0.attn.q_proj.weight"
    merged = base | {name: base[name] + 1.5 * (b @ a)}
    build = lambda p: each_linear(p, named, Graph(TensorProto.FLOAT16))
    save("half", build, base, merged, adapter, {}, bf16=True)


def branches() -> None:
    base = linears(value=5)

    def build(p: Parameters) -> onnx.ModelProto:
        outer = Graph()
        shared = "model.layers.0.attn.q_proj"
        outer.weight("onnx::MatMul_1_merged_0", p[shared + ".weight"].T)
        bodies = []
        for branch in ("then", "else"):
            inner = Graph()
            inner.add("MatMul", ["x", "onnx::MatMul_1_merged_0"], branch + "_a", name="/model/layers.0/attn/q_proj/MatMul")
            inner.add("MatMul", [branch + "_a", inner.weight("onnx::MatMul_2", p["model.layers.0.attn.v_proj.weight"].T)],
                      branch + "_b", name="/model/layers.0/attn/v_proj/MatMul")
            result = [helper.make_tensor_value_info(branch + "_b", TensorProto.FLOAT, None)]
            bodies.append(helper.make_graph(inner.nodes, branch, [], result, inner.weights))
        outer.weights.append(numpy_helper.from_array(np.array(True), "cond"))
        outer.add("If", ["cond"], "y", then_branch=bodies[0], else_branch=bodies[1])
        return outer.model([2, 6], "y")

    modules = ("model.layers.0.attn.q_proj", "model.layers.0.attn.v_proj")
    adapter, merged = low_rank(base, {m: (2, 1.5) for m in modules})
    save("branches", build, base, merged, adapter, {})


def joined() -> None:
    """onnxruntime-genai's builder joins query, key and value."""
    names = {"q_proj": 8, "k_proj": 4, "v_proj": 4}
    base = {f"model.layers.0.self_attn.{n}.weight": numbers(rows, 8) for n, rows in names.items()}

    def build(p: Parameters) -> onnx.ModelProto:
        graph = Graph()
        weight = graph.weight("model.layers.0.attn.qkv_proj.MatMul.weight", np.concatenate(list(p.values())).T)
        graph.add("MatMul", ["x", weight], "y", name="/model/layers.0/attn/qkv_proj/MatMul")
        return graph.model([2, 8], "y")

    adapter, merged = low_rank(base, {f"model.layers.0.self_attn.{n}": (2, 1.5) for n in names})
    save("joined", build, base, merged, adapter, {"target_modules": list(names)})


def scopes() -> None:
    """torch's newer exporter: scopes in metadata, here with weights in Constant nodes."""
    base = linears()

    def layer(graph: Graph, module: str, x: str, y: str, weight: np.ndarray) -> None:
        graph.nodes.append(helper.make_node("Constant", [], [y + "_w"], value=numpy_helper.from_array(np.ascontiguousarray(weight.T))))
        graph.add("MatMul", [x, y + "_w"], y, name="node_" + y, scopes=["", "model", module, "linear"])

    adapter, merged = low_rank(base, {"model.layers.1.attn.v_proj": (2, 1.5)})
    save("scopes", lambda p: each_linear(p, layer), base, merged, adapter, {"target_modules": r".*\.1\..*_proj"})


def beside_bias() -> None:
    """torch's newer exporter without metadata: only the bias tells which product it is."""
    base = {f"layer.{i}.query.{kind}": numbers(*shape) for i in range(2) for kind, shape in (("weight", (4, 4)), ("bias", (4,)))}

    def build(p: Parameters) -> onnx.ModelProto:
        graph, at = Graph(), "x"
        for i in range(2):
            product = graph.add("MatMul", [at, graph.weight(f"val_{i}", p[f"layer.{i}.query.weight"].T)], f"p{i}", name=f"node_{i}")
            at = graph.add("Add", [product, graph.weight(f"layer.{i}.query.bias", p[f"layer.{i}.query.bias"])], f"y{i}", name=f"sum_{i}")
        return graph.model([2, 4], at)

    adapter, merged = low_rank(base, {"layer.1.query": (2, 1.5)})
    save("beside_bias", build, base, merged, adapter, {"target_modules": ["query"]})


def repeated() -> None:
    """One module called twice, as in ALBERT: the second call reads the weight through an Identity."""
    base = {"layer.query.weight": numbers(4, 4)}

    def build(p: Parameters) -> onnx.ModelProto:
        graph = Graph()
        graph.weight("onnx::MatMul_1", p["layer.query.weight"].T)
        graph.add("Identity", ["onnx::MatMul_1"], "onnx::MatMul_2")
        graph.add("MatMul", ["x", "onnx::MatMul_1"], "a", name="/layer/query/MatMul")
        graph.add("MatMul", ["a", "onnx::MatMul_2"], "b", name="/layer/query_1/MatMul")
        return graph.model([2, 4], "b")

    adapter, merged = low_rank(base, {"layer.query": (2, 1.5)})
    save("repeated", build, base, merged, adapter, {"target_modules": ["query"]})


for case in (plain, scales, chosen_layers, conv1d, biases, embedding, convolution, half, branches, joined, scopes, repeated, beside_bias):
    case()
