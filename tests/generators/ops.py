"""Writes tests/golden/ops/<name>.onnx for each row of rows.txt: the one-node model, its inputs as the unused initializers
"given/<input>" and, for rows that are not refused, ONNX Runtime's answers as "expected/<output>"; onnx.reference answers
where ONNX Runtime has no kernel. Values follow from the row's name, so a new row leaves the files of the others as they are.

usage: python3 tests/generators/ops.py [golden folder]      needs numpy, onnx, onnxruntime
"""

import pathlib
import re
import sys
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

DTYPES = {
    "f32": np.float32, "f16": np.float16, "f64": np.float64, "i64": np.int64, "i32": np.int32, "i8": np.int8,
    "u8": np.uint8, "i16": np.int16, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "bool": np.bool_,
}
# Operators of the empty domain whose outputs onnx's shape inference leaves open.
NOT_INFERRED = {"SimplifiedLayerNormalization", "GroupNormalization"}
OPERAND = re.compile(r"^(const )?(\w+)\[([\d,]*)\](?::(\w+))?(?:\{([^}]*)\})?$")


def numbers(text, dtype):
    if np.issubdtype(dtype, np.integer):
        return [int(v) for v in text.split(",")]
    return [float(v) for v in text.split(",")]


def make_values(rng, dtype, shape, hint, listed):
    count = int(np.prod(shape, dtype=np.int64))
    if listed:
        values = numbers(listed, dtype)
        flat = [values[i % len(values)] for i in range(count)]
        return np.array(flat, dtype=dtype).reshape(shape)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(dtype)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0 if np.issubdtype(dtype, np.unsignedinteger) else -9, 10, shape).astype(dtype)
    if hint == "pos":
        return rng.uniform(0.1, 2.0, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def parse_attribute(text):
    if text.startswith("["):
        return [parse_attribute(v) for v in text[1:-1].split(",")]
    if text.startswith('"'):
        return text[1:-1]
    typed = re.match(r"^(\w+)\{(.*)\}$", text)
    if typed:
        dtype = DTYPES[typed.group(1)]
        return numpy_helper.from_array(np.array(numbers(typed.group(2), dtype), dtype=dtype))
    return float(text) if "." in text else int(text)


def parse_rows(path):
    seen = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        refused = line.startswith("! ")
        head, operands = line.removeprefix("! ").split(" | ")
        name, *attributes = head.split(" ")
        seen[name] = seen.get(name, 0) + 1
        operator, opset = name.rsplit("-", 1)
        domain, _, op = operator.rpartition(".")
        yield {
            "line": line,
            "name": f"{name}_{seen[name]}",
            "refused": refused,
            "op": op,
            "domain": domain,
            "opset": int(opset),
            "attributes": dict(a.split("=", 1) for a in attributes),
            "operands": operands.split(", "),
        }


def build(row, rng):
    attributes = {k: parse_attribute(v) for k, v in row["attributes"].items()}
    outputs = [f"y{i}" for i in range(attributes.pop("outputs", 1))]
    inputs, given, initializers, names = [], {}, [], []
    for i, text in enumerate(row["operands"]):
        if text == "_":
            names.append("")
            continue
        const, dtype_name, dims, hint, listed = OPERAND.match(text).groups()
        shape = tuple(int(d) for d in dims.split(",")) if dims else ()
        values = make_values(rng, DTYPES[dtype_name], shape, hint, listed)
        name = f"x{i}"
        names.append(name)
        if const:
            initializers.append(numpy_helper.from_array(values, name))
        else:
            given[name] = values
            inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values.dtype), shape))
    node = helper.make_node(row["op"], names, outputs, name="node", domain=row["domain"], **attributes)
    declared = [helper.make_empty_tensor_value_info(y) for y in outputs]
    graph = helper.make_graph([node], row["name"], inputs, declared, initializers)
    opsets = [helper.make_opsetid("", 21 if row["domain"] else max(row["opset"], 7))]
    if row["domain"]:
        opsets.append(helper.make_opsetid(row["domain"], row["opset"]))
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 7
    return model, given, outputs


def run(model, given, refused):
    inferred = onnx.shape_inference.infer_shapes(model)
    node = model.graph.node[0]
    untyped = any(o.type.WhichOneof("value") is None for o in inferred.graph.output)
    if untyped and not node.domain and node.op_type not in NOT_INFERRED:
        raise RuntimeError("the types of the outputs are not known")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(inferred.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, given)
    except Exception as error:
        lacks = ("NOT_IMPLEMENTED", "Type Error", "No corresponding Numpy type", "is not a registered function", "ValidateOpset")
        if refused or not any(text in str(error) for text in lacks):
            raise
        results = ReferenceEvaluator(inferred).run(None, given)
    for i, output in enumerate(inferred.graph.output):
        elem_type = output.type.tensor_type.elem_type
        if elem_type and results[i].dtype == np.uint8:  # ONNX Runtime's name for floats of 8 bits
            results[i] = results[i].view(helper.tensor_dtype_to_np_dtype(elem_type))
    for output, result in zip(inferred.graph.output, results):
        if output.type.WhichOneof("value") is None:
            output.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.asarray(result).dtype)
    return results, inferred


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "ops"
    stale = set(folder.glob("*.onnx"))
    failed = 0
    for row in parse_rows(folder / "rows.txt"):
        model, given, outputs = build(row, np.random.default_rng(zlib.crc32(row["name"].encode())))
        try:
            results, final = run(model, given, row["refused"])
        except Exception as error:  # a refusal of ONNX Runtime in whatever form
            if not row["refused"]:
                failed += 1
                print(f"ONNX Runtime refuses: {row['line']}\n    {str(error)[:200]}")
            results, final = [], model
            for output in final.graph.output:
                output.type.tensor_type.elem_type = TensorProto.FLOAT
        else:
            if row["refused"]:
                print(f"ONNX Runtime accepts: {row['line']}")
        for name, values in given.items():
            final.graph.initializer.append(numpy_helper.from_array(values, "given/" + name))
        for name, values in zip(outputs, results):
            final.graph.initializer.append(numpy_helper.from_array(np.asarray(values), "expected/" + name))
        onnx.save(final, folder / (row["name"] + ".onnx"))
        stale.discard(folder / (row["name"] + ".onnx"))
    for old in stale:
        old.unlink()
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
