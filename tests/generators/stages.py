"""Writes tests/golden/stages/<name>.onnx: graphs whose sizes, branches or loops depend on data, with their inputs as the
unused initializers "given/<input>" and ONNX Runtime's answers as "expected/<output>".

usage: python3 tests/generators/stages.py [golden folder]      needs numpy, onnx, onnxruntime
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

RNG = np.random.default_rng(7)


def value(name, dtype, shape):
    return h.make_tensor_value_info(name, dtype, shape)


def constant(name, array):
    return numpy_helper.from_array(np.array(array), name)


def reshape_by_input():
    nodes = [h.make_node("Reshape", ["x", "shape"], ["r"]), h.make_node("Relu", ["r"], ["y"])]
    given = {"x": RNG.standard_normal((2, 6)).astype(np.float32), "shape": np.array([3, -1], np.int64)}
    return nodes, given, {"y": (T.FLOAT, None)}, []


def size_from_data():
    nodes = [
        h.make_node("Greater", ["x", "zero"], ["mask"]),
        h.make_node("Cast", ["mask"], ["ints"], to=T.INT64),
        h.make_node("ReduceSum", ["ints"], ["count"], keepdims=0),
        h.make_node("Range", ["i0", "count", "i1"], ["range"]),
        h.make_node("Cast", ["range"], ["y"], to=T.FLOAT),
    ]
    constants = [constant("zero", np.float32(0)), constant("i0", np.int64(0)), constant("i1", np.int64(1))]
    return nodes, {"x": RNG.standard_normal((3, 5)).astype(np.float32)}, {"y": (T.FLOAT, None)}, constants


def branch_on_data():
    then = h.make_graph([h.make_node("Add", ["x", "one"], ["t"])], "then", [], [value("t", T.FLOAT, None)])
    other = h.make_graph([h.make_node("Sub", ["x", "one"], ["e"])], "else", [], [value("e", T.FLOAT, None)])
    nodes = [
        h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        h.make_node("Greater", ["sum", "zero"], ["positive"]),
        h.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other),
    ]
    constants = [constant("zero", np.float32(0)), constant("one", np.float32(1))]
    return nodes, {"x": RNG.standard_normal((3, 5)).astype(np.float32)}, {"y": (T.FLOAT, None)}, constants


def loop(name, given):
    body = h.make_graph(
        [
            h.make_node("Mul", ["state", "factor"], ["product"]),
            h.make_node("Add", ["product", "x"], ["next"]),
            h.make_node("ReduceSum", ["next"], ["sum"], keepdims=0),
            h.make_node("Less", ["sum", "limit"], ["go_on"]),
            h.make_node("Cast", ["i"], ["index"], to=T.FLOAT),
            h.make_node("Add", ["next", "index"], ["row"]),
        ],
        "body",
        [value("i", T.INT64, []), value("c", T.BOOL, []), value("state", T.FLOAT, [4])],
        [value("go_on", T.BOOL, []), value("next", T.FLOAT, [4]), value("row", T.FLOAT, [4])],
    )
    nodes = [
        h.make_node("Neg", ["given"], ["x"]),
        h.make_node("Loop", ["trips" if "trips" in given else "", "yes", "start"], ["last", "rows"], body=body, name=name),
        h.make_node("Relu", ["last"], ["y"]),
    ]
    constants = [constant("yes", np.bool_(True)), constant("factor", np.float32(1.5)), constant("limit", np.float32(60))]
    return nodes, given, {"y": (T.FLOAT, None), "rows": (T.FLOAT, None)}, constants


def loop_data(**more):
    return {
        "given": -np.array([1, 2, 3, 4], np.float32), "start": np.zeros(4, np.float32), **more,
    }


def scan():
    body = h.make_graph(
        [h.make_node("Add", ["sum", "item"], ["next"]), h.make_node("Mul", ["next", "scale"], ["out"])],
        "body",
        [value("sum", T.FLOAT, [3]), value("item", T.FLOAT, [3])],
        [value("next", T.FLOAT, [3]), value("out", T.FLOAT, [3])],
    )
    nodes = [
        h.make_node("Scan", ["start", "x"], ["last", "outs"], body=body, num_scan_inputs=1, scan_input_axes=[1],
                    scan_input_directions=[1], scan_output_axes=[1], scan_output_directions=[1]),
    ]
    given = {"start": np.ones(3, np.float32), "x": RNG.standard_normal((3, 5)).astype(np.float32)}
    return nodes, given, {"last": (T.FLOAT, None), "outs": (T.FLOAT, None)}, [constant("scale", np.float32(0.5))]


def sequences():
    nodes = [
        h.make_node("SplitToSequence", ["x"], ["parts"], axis=1, keepdims=0),
        h.make_node("SequenceErase", ["parts", "one"], ["fewer"]),
        h.make_node("SequenceInsert", ["fewer", "row", "position"], ["more"]),
        h.make_node("ConcatFromSequence", ["more"], ["y"], axis=0, new_axis=1),
        h.make_node("SequenceLength", ["more"], ["n"]),
        h.make_node("SequenceAt", ["more", "position"], ["z"]),
    ]
    given = {
        "x": RNG.standard_normal((2, 3)).astype(np.float32), "row": np.array([7, 8], np.float32),
        "position": np.array(-1, np.int64),
    }
    outputs = {"y": (T.FLOAT, None), "n": (T.INT64, None), "z": (T.FLOAT, None)}
    return nodes, given, outputs, [constant("one", np.int64(1))]


CASES = {
    "reshape_by_input": reshape_by_input,
    "size_from_data": size_from_data,
    "branch_on_data": branch_on_data,
    "loop_until": lambda: loop("until", loop_data()),
    "loop_trips": lambda: loop("trips", loop_data(trips=np.array(2, np.int64))),
    "loop_none": lambda: loop("none", loop_data(trips=np.array(0, np.int64))),
    "scan": scan,
    "sequences": sequences,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden" / "stages"
    for name, make in CASES.items():
        nodes, given, outputs, constants = make()
        inputs = [value(k, h.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
        graph = h.make_graph(nodes, name, inputs, [value(k, *v) for k, v in outputs.items()], constants)
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
        model.ir_version = 8
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        results = session.run(None, given)
        for key, array in given.items():
            model.graph.initializer.append(numpy_helper.from_array(array, "given/" + key))
        for key, array in zip(outputs, results):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), "expected/" + key))
        onnx.save(model, folder / (name + ".onnx"))


if __name__ == "__main__":
    main()
