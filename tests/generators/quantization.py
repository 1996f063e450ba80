"""Makes tests/golden/quantization: what ONNX Runtime's quantisers make of small matrices, and its answers on files that
`vulcap quantize` wrote.

Needs numpy, onnx and onnxruntime:  python tests/generators/quantization.py build/release/vulcap
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_bnb4
from onnxruntime.quantization.quant_utils import quantize_data

GOLDEN = Path(__file__).parents[1] / "golden" / "quantization"
FLOAT = TensorProto.FLOAT
NF4 = 1
# The golden files by what was asked for.
VARIANTS: dict[str, list[str]] = {
    "fp16": ["--to", "fp16"],
    "int8": ["--to", "int8"],
    "int8_per_channel": ["--to", "int8", "--per-channel", "--reduce-range"],
    "uint8": ["--to", "uint8"],
    "uint8_per_channel": ["--to", "uint8", "--per-channel"],
    "q4": ["--to", "q4"],
    "q4_asymmetric": ["--to", "q4", "--asymmetric", "--block", "16"],
    "q4f16": ["--to", "q4f16"],
    "bnb4": ["--to", "bnb4"],
}


def numbers(*shape: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def save(name: str, array: np.ndarray) -> None:
    (GOLDEN / "numbers").mkdir(parents=True, exist_ok=True)
    np.save(GOLDEN / "numbers" / f"{name}.npy", array)


def n_bit_blocks(matrix: np.ndarray, block: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = matrix.shape
    blocks = -(-rows // block)
    padded = np.pad(matrix, ((0, blocks * block - rows), (0, 0)))
    packed = np.zeros((columns, blocks, block // 2), np.uint8)
    scales = np.zeros((columns, blocks), np.float32)
    zeros = np.zeros((columns, (blocks + 1) // 2), np.uint8)
    quantize_matmul_4bits(packed, padded, scales, zeros, block, columns, rows, symmetric)
    return packed, scales, zeros


def write_blocks() -> None:
    matrix = numbers(124, 5, seed=1)
    matrix[:, 2] = 0
    matrix[32:64, 3] = np.abs(matrix[32:64, 3])
    save("matrix", matrix)
    for symmetric in (True, False):
        name = "q4_symmetric" if symmetric else "q4_asymmetric"
        packed, scales, zeros = n_bit_blocks(matrix, 32, symmetric)
        save(f"{name}_numbers", packed)
        save(f"{name}_scales", scales)
        if not symmetric:
            save(f"{name}_zero_points", zeros)
    rows, columns = matrix.shape
    packed = np.zeros((rows * columns + 1) // 2, np.uint8)
    absmax = np.zeros(-(-rows * columns // 64), np.float32)
    quantize_matmul_bnb4(packed, matrix.T.copy(), absmax, 64, NF4, columns, rows)
    save("nf4_numbers", packed)
    save("nf4_scales", absmax)


def write_affine() -> None:
    matrix = np.load(GOLDEN / "numbers" / "matrix.npy")
    forms = {
        "int8_symmetric": (TensorProto.INT8, True, False),
        "int8_asymmetric": (TensorProto.INT8, False, False),
        "int8_symmetric_reduced": (TensorProto.INT8, True, True),
        "uint8_asymmetric": (TensorProto.UINT8, False, False),
        "uint8_asymmetric_reduced": (TensorProto.UINT8, False, True),
    }
    for name, (dtype, symmetric, reduce) in forms.items():
        zero, scale, stored = quantize_data(matrix, dtype, symmetric, reduce_range=reduce)
        save(f"{name}_numbers", np.asarray(stored))
        save(f"{name}_scales", np.asarray(scale, np.float32).reshape(()))
        save(f"{name}_zero_points", np.asarray(zero).reshape(()))


def constant(graph: GraphProto, name: str, array: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def node(graph: GraphProto, op: str, inputs: list[str], output: str, **attributes: object) -> str:
    graph.node.append(helper.make_node(op, inputs, [output], f"/{output}/{op}", **attributes))
    return output


def norm(graph: GraphProto, x: str, prefix: str, width: int) -> str:
    """LayerNormalization written out, as exporters did before opset 17."""
    mean = node(graph, "ReduceMean", [x], f"{prefix}.mean", axes=[-1])
    centred = node(graph, "Sub", [x, mean], f"{prefix}.centred")
    square = node(graph, "Pow", [centred, "two"], f"{prefix}.square")
    variance = node(graph, "ReduceMean", [square], f"{prefix}.variance", axes=[-1])
    root = node(graph, "Sqrt", [node(graph, "Add", [variance, "epsilon"], f"{prefix}.shifted")], f"{prefix}.root")
    quotient = node(graph, "Div", [centred, root], f"{prefix}.quotient")
    scale = constant(graph, f"{prefix}.weight", 1 + numbers(width, seed=40, scale=0.1))
    return node(graph, "Mul", [quotient, scale], f"{prefix}.out")


def attention(graph: GraphProto, x: str, width: int) -> str:
    """One head, with a causal mask computed from the length as a number far outside of fp16."""
    parts = {}
    for i, name in enumerate("qkv"):
        weight = constant(graph, f"attention.{name}.weight", numbers(width, width, seed=50 + i, scale=width**-0.5))
        parts[name] = node(graph, "MatMul", [x, weight], f"attention.{name}")
    keys = node(graph, "Transpose", [parts["k"]], "attention.keys", perm=[0, 2, 1])
    scores = node(graph, "MatMul", [parts["q"], keys], "attention.scores")
    length = node(graph, "Gather", [node(graph, "Shape", [x], "shape"), "one"], "length")
    positions = node(graph, "Cast", [node(graph, "Range", ["zero", length, "one"], "range")], "positions", to=FLOAT)
    columns = node(graph, "Unsqueeze", [positions, "axis0"], "columns")
    rows = node(graph, "Unsqueeze", [positions, "axis1"], "rows")
    later = node(graph, "Cast", [node(graph, "Greater", [columns, rows], "later")], "later.float", to=FLOAT)
    mask = node(graph, "Mul", [later, "lowest"], "mask")
    probabilities = node(graph, "Softmax", [node(graph, "Add", [scores, mask], "masked")], "probabilities", axis=-1)
    return node(graph, "MatMul", [probabilities, parts["v"]], "attention.out")


def branch(name: str, x: str, shared: str, width: int, classes: int) -> GraphProto:
    """Ends in logits: one branch by Gemm, the other by MatMul; both read a weight of the outer graph."""
    graph = GraphProto(name=name)
    flat = node(graph, "Reshape", [x, "rows_shape"], f"{name}.flat")
    hidden = node(graph, "Gemm", [flat, shared, "fc.bias"], f"{name}.hidden", transB=1)
    active = node(graph, "Relu", [hidden], f"{name}.active")
    weight = constant(graph, f"{name}.head.weight", numbers(width, classes, seed=len(name), scale=width**-0.5))
    node(graph, "Gemm" if name == "then" else "MatMul", [active, weight], f"{name}.logits")
    graph.output.append(helper.make_tensor_value_info(f"{name}.logits", FLOAT, None))
    return graph


def model() -> ModelProto:
    """An image and tokens to logits: Conv, tables, a norm written out, attention, If with weights in and outside of it,
    and a table that is read as a matrix too."""
    width, classes, words = 48, 32, 40
    graph = GraphProto(name="graph")
    graph.input.extend(
        [
            helper.make_tensor_value_info("pixel_values", FLOAT, ["batch", 3, 8, 8]),
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("first", TensorProto.BOOL, [1]),
        ]
    )
    small = {"two": 2.0, "epsilon": 1e-12, "lowest": float(np.finfo(np.float32).min)}
    for name, value in small.items():
        constant(graph, name, np.array(value, np.float32))
    integers = {"zero": 0, "one": 1, "axis0": [0], "axis1": [1], "rows_shape": [-1, width], "tokens": [0, width, -1]}
    for name, value in integers.items():
        constant(graph, name, np.array(value, np.int64))
    constant(graph, "patches.weight", numbers(width, 3, 4, 4, seed=2, scale=0.1))
    constant(graph, "patches.bias", numbers(width, seed=3, scale=0.1))
    pixels = node(graph, "Conv", ["pixel_values", "patches.weight", "patches.bias"], "patches", strides=[4, 4])
    image = node(graph, "Transpose", [node(graph, "Reshape", [pixels, "tokens"], "cells")], "image", perm=[0, 2, 1])
    text = node(graph, "Gather", [constant(graph, "words.weight", numbers(words, width, seed=4)), "input_ids"], "text")
    hidden = norm(graph, node(graph, "Concat", [image, text], "joined", axis=1), "norm", width)
    hidden = node(graph, "Add", [hidden, attention(graph, hidden, width)], "residual")
    constant(graph, "fc.weight", numbers(width, width, seed=5, scale=width**-0.5))
    constant(graph, "fc.bias", numbers(width, seed=6, scale=0.1))
    branches = {f"{name}_branch": branch(name, "residual", "fc.weight", width, classes) for name in ("then", "else")}
    node(graph, "If", ["first"], "logits", **branches)
    tied = node(graph, "Transpose", ["words.weight"], "words.transposed", perm=[1, 0])
    node(graph, "MatMul", ["residual", tied], "word_scores")
    graph.output.append(helper.make_tensor_value_info("logits", FLOAT, ["rows", classes]))
    graph.output.append(helper.make_tensor_value_info("word_scores", FLOAT, ["batch", "tokens", words]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_answers(path: Path, inputs: dict[str, np.ndarray], number: int) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    folder = GOLDEN / "graph" / "expected" / "graphs" / path.stem / f"test_data_set_{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, array) in enumerate(inputs.items()):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    for i, (name, array) in enumerate(zip(names, session.run(names, inputs))):
        (folder / f"output_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())


def write_graph(program: str) -> None:
    folder = GOLDEN / "graph"
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model(), folder / "model.onnx")
    for name, options in VARIANTS.items():
        out = folder / f"model_{name}.onnx"
        subprocess.run([program, "quantize", str(folder / "model.onnx"), "-o", str(out), *options], check=True)
    for path in sorted(folder.glob("*.onnx")):
        for number, first in enumerate((True, False)):
            inputs = {
                "pixel_values": numbers(1, 3, 8, 8, seed=7 + number),
                "input_ids": np.array([[3, 1, 4, 1, 5]], np.int64),
                "first": np.array([first]),
            }
            write_answers(path, inputs, number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="vulcap")
    write_blocks()
    write_affine()
    write_graph(parser.parse_args().program)


if __name__ == "__main__":
    main()
