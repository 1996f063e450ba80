"""Writes tests/golden/kernels/<kernel>.txt: small inputs and what ONNX Runtime (or numpy) makes of them.

Usage: python tests/generators/kernels.py   (needs numpy, onnx, onnxruntime)
Lines: "case <row of tests/kernels/case_table.cpp>", "in <buffer> <dtype> <numbers>", "out <buffer> <dtype> <numbers>".
"""
import pathlib

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "golden" / "kernels"
NAMES = {"float32": "f32", "float16": "f16", "int64": "i64", "int32": "i32", "uint8": "u8", "int8": "i8", "bool": "bool"}
random = np.random.default_rng(20)


def ort(op, inputs, opset=20, domain="", **attributes):
    """The first output of one ONNX operator run by ONNX Runtime on the CPU."""
    names = [f"x{i}" for i in range(len(inputs))]
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in zip(names, inputs)
    ]
    node = helper.make_node(op, names, ["y"], domain=domain, **attributes)
    graph = helper.make_graph([node], "one", infos, [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs)))[0]


def uniform(*shape, low=-2.0, high=2.0, dtype=np.float32):
    return random.uniform(low, high, shape).astype(dtype)


def line(kind, index, array):
    flat = np.asarray(array).reshape(-1)
    numbers = " ".join(f"{float(v):.9g}" if flat.dtype.kind == "f" else str(int(v)) for v in flat)
    return f"{kind} {index} {NAMES[flat.dtype.name]} {numbers}\n"


def case(row, inputs, outputs):
    """inputs, outputs: {buffer index: array}"""
    text = f"case {row}\n"
    for index, array in inputs.items():
        text += line("in", index, array)
    for index, array in outputs.items():
        text += line("out", index, array)
    return text


def unary():
    rows = [("Neg", "Neg", {}), ("Abs", "Abs", {}), ("Exp", "Exp", {}), ("Erf", "Erf", {}), ("Tanh", "Tanh", {}),
            ("Sigmoid", "Sigmoid", {}), ("Relu", "Relu", {}), ("Gelu", "Gelu", {}), ("Floor", "Floor", {}),
            ("GeluTanh", "Gelu", {"approximate": "tanh"}), ("Ceil", "Ceil", {}), ("Sin", "Sin", {}), ("Cos", "Cos", {}),
            ("Sign", "Sign", {}), ("LeakyRelu", "LeakyRelu", {"alpha": 0.1}), ("Softplus", "Softplus", {}),
            ("HardSwish", "HardSwish", {}), ("Elu", "Elu", {"alpha": 0.1}), ("Round", "Round", {}),
            ("HardSigmoid", "HardSigmoid", {"alpha": 0.1, "beta": 0.5})]
    x = np.concatenate([uniform(30, low=-6, high=6), np.float32([0, -0.5, 0.5, 1.5, 2.5, -9, 9])])
    text = ""
    for name, op, attributes in rows:
        text += case(f"unary op={name} n={x.size} alpha=0.1 beta=0.5", {0: x}, {1: ort(op, [x], **attributes)})
    positive = uniform(19, low=0.01, high=9)
    for name in ("Sqrt", "Log", "Reciprocal"):
        text += case(f"unary op={name} n=19", {0: positive}, {1: ort(name, [positive])})
    text += case(f"unary op=QuickGelu n={x.size} alpha=1.702", {0: x},
                 {1: ort("QuickGelu", [x], domain="com.microsoft", alpha=1.702)})
    text += case(f"unary op=Silu n={x.size}", {0: x}, {1: (x / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)})
    text += case(f"unary op=Clip n={x.size} alpha=-1 beta=2", {0: x},
                 {1: ort("Clip", [x, np.array(-1, np.float32), np.array(2, np.float32)])})
    return text


def binary():
    text = ""
    a, b = uniform(2, 3, 5), uniform(3, 1)
    for op in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        text += case(f"binary op={op} shape=2,3,5 b=3,1", {0: a, 1: b}, {2: ort(op, [a, b])})
    base, power = uniform(13, low=0.1, high=3), uniform(13)
    text += case("binary op=Pow shape=13", {0: base, 1: power}, {2: ort("Pow", [base, power])})
    for dtype in (np.int32, np.int64):
        a, b = random.integers(-99, 99, 17).astype(dtype), random.integers(1, 9, 17).astype(dtype)
        for op in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
            text += case(f"binary op={op} shape=17 storage={NAMES[a.dtype.name]}", {0: a, 1: b}, {2: ort(op, [a, b])})
    return text


def compare():
    text = ""
    for dtype in (np.float32, np.int64):
        a, b = uniform(4, 7, high=4).astype(dtype), uniform(7, high=4).astype(dtype)
        a[0, 0] = b[0]
        for op in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
            text += case(f"compare op={op} shape=4,7 b=7 storage={NAMES[a.dtype.name]}", {0: a, 1: b},
                         {2: ort(op, [a, b])})
    return text


def logic():
    a, b = random.random((4, 7)) < 0.5, random.random((4, 1)) < 0.5
    return "".join(case(f"logic op={op} shape=4,7 b=4,1 storage=bool", {0: a, 1: b}, {2: ort(op, [a, b])})
                   for op in ("And", "Or", "Xor"))


def where():
    text = ""
    for dtype in (np.float32, np.int64):
        c, a, b = random.random((3, 1, 5)) < 0.5, uniform(4, 5, high=9).astype(dtype), uniform(3, 4, 1).astype(dtype)
        text += case(f"where shape=3,4,5 c=3,1,5 a=4,5 b=3,4,1 storage={NAMES[a.dtype.name]}", {0: c, 1: a, 2: b},
                     {3: ort("Where", [c, a, b])})
    return text


def copy():
    x = uniform(2, 3, 5)
    return (case("copy shape=5,2,3 in=1,15,5 out=6,3,1", {0: x}, {1: ort("Transpose", [x], perm=[2, 0, 1])})
            + case("copy shape=2,2,5 in=15,-5,1 in_offset=10 out=10,5,1", {0: x}, {1: x[:, 2:0:-1]})
            + case("copy shape=4,2,3,5 in=0,15,5,1 out=30,15,5,1", {0: x}, {1: np.broadcast_to(x, (4, 2, 3, 5))}))


def gather():
    x, index = uniform(3, 11, 2), np.int64([0, -1, 10, 3, 3, -11])
    return case("gather outer=3 indices=6 inner=2 axis=11", {0: x, 1: index}, {2: ort("Gather", [x, index], axis=1)})


def iota():
    return (case("iota storage=i64 n=7 start=3 step=-2", {}, {0: np.arange(3, -11, -2)})
            + case("iota storage=f32 n=5 start=1 dyn=2 state=4", {}, {0: np.arange(9, 14, dtype=np.float32)}))


def fill():
    return (case("fill storage=f32 n=5 low_word=1069547520", {}, {0: np.full(5, 1.5, np.float32)})
            + case("fill storage=i64 n=3 low_word=4294967291 high_word=4294967295", {}, {0: np.full(3, -5, np.int64)}))


def cast():
    text = ""
    x = np.concatenate([uniform(20, low=-90, high=90), np.float32([0, 0.5, -0.5, 65504, 1e-7, 6e-8])])
    for dtype, proto in ((np.float16, TensorProto.FLOAT16), (np.int64, TensorProto.INT64), (np.int32, TensorProto.INT32),
                         (np.bool_, TensorProto.BOOL)):
        y = ort("Cast", [x], to=proto)
        text += case(f"cast storage=f32 second={NAMES[y.dtype.name]} n={x.size}", {0: x}, {1: y})
    whole = random.integers(-99, 99, 9)
    text += case("cast storage=i64 second=f32 n=9", {0: whole}, {1: whole.astype(np.float32)})
    return text


def matmul():
    a, b, bias, residual = uniform(5, 17), uniform(17, 7), uniform(7), uniform(5, 7)
    product = a.astype(np.float64) @ b
    gelu = ort("Gelu", [(product + bias).astype(np.float32)]) + residual
    batched_a, batched_b = uniform(3, 4, 6), uniform(3, 5, 6)
    half = uniform(17, 7, dtype=np.float16)
    return (case("matmul m=5 n=7 k=17", {0: a, 1: b}, {2: ort("MatMul", [a, b])})
            + case("matmul m=5 n=7 k=17 bias residual act=gelu", {0: a, 1: b, 2: bias, 3: residual}, {4: gelu})
            + case("matmul m=5 n=7 k=17 second=f16", {0: a, 1: half}, {2: ort("MatMul", [a, half.astype(np.float32)])})
            + case("matmul batch=3 m=4 n=5 k=6 transb alpha=0.5", {0: batched_a, 1: batched_b},
                   {2: 0.5 * ort("MatMul", [batched_a, np.ascontiguousarray(batched_b.transpose(0, 2, 1))])}))


def softmax():
    x = uniform(3, 17, low=-9, high=9)
    x[1, 3:9] = -np.inf
    return (case("softmax rows=3 cols=17", {0: x}, {1: ort("Softmax", [x], axis=-1)})
            + case("softmax rows=3 cols=17 log", {0: x[:, :3].repeat(6, 1)[:, :17]},
                   {1: ort("LogSoftmax", [x[:, :3].repeat(6, 1)[:, :17]], axis=-1)}))


def layer_norm():
    x, skip, scale, bias = uniform(3, 29), uniform(3, 29), uniform(29), uniform(29)
    y = ort("LayerNormalization", [x, scale, bias], axis=-1, epsilon=1e-5)
    both = ort("LayerNormalization", [x + skip, scale, bias], axis=-1, epsilon=1e-12)
    rms = (x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 1e-5) * scale).astype(np.float32)
    return (case("layer_norm rows=3 cols=29 bias", {0: x, 1: scale, 2: bias}, {3: y})
            + case("layer_norm rows=3 cols=29 skip bias sum epsilon=1e-12", {0: x, 1: skip, 2: scale, 3: bias},
                   {4: both, 5: x + skip})
            + case("layer_norm rows=3 cols=29 rms", {0: x, 1: scale}, {2: rms}))


def reduce():
    text = ""
    x = uniform(3, 7, 2, low=0.1, high=2)
    for index, op in enumerate(("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")):
        y = ort("Reduce" + op, [x, np.int64([1])], keepdims=0)
        text += case(f"reduce op={index} outer=3 reduce=7 inner=2", {0: x}, {1: y})
    return text


def attention():
    q, k, v = uniform(2, 5, 3, 8), uniform(2, 9, 3, 8), uniform(2, 9, 3, 8)
    scores = np.einsum("bihd,bjhd->bhij", q, k).astype(np.float64) / np.sqrt(8)

    def attend(masked):
        return np.einsum("bhij,bjhd->bihd", ort("Softmax", [masked.astype(np.float32)], axis=-1), v)

    causal = np.where(np.arange(9)[None, :] <= np.arange(5)[:, None] + 4, scores, -np.inf)
    mask = np.where(random.random((2, 9)) < 0.3, -np.inf, 0).astype(np.float32)
    shape = "batch=2 heads=3 q=5 kv=9 d=8"
    operands = {0: q, 1: k, 2: v}
    return (case(f"attention {shape}", operands, {3: attend(scores)})
            + case(f"attention {shape} causal", operands, {3: attend(causal)})
            + case(f"attention {shape} mask=row", {**operands, 3: mask}, {4: attend(scores + mask[:, None, None, :])}))


def im2col():
    x, w = uniform(2, 3, 6, 5), np.eye(27, dtype=np.float32).reshape(27, 3, 3, 3)
    y = ort("Conv", [x, w], pads=[1, 1, 1, 1], strides=[2, 1])
    columns = y.reshape(2, 27, -1).transpose(0, 2, 1)
    return case("im2col batch=2 channels=3 h=6 w=5 kernel=3,3 stride=2,1 pad=1,1", {0: x}, {1: columns})


def gather_nd():
    x, along = uniform(4, 5, 6), random.integers(-5, 5, (4, 2, 6))
    parts, batched = random.integers(-4, 4, (3, 2)), random.integers(-5, 5, (4, 3, 1))
    return (case("gather_nd x=4,5,6 index=4,2,6 axis=1", {0: x, 1: along}, {2: ort("GatherElements", [x, along], axis=1)})
            + case("gather_nd x=4,5,6 index=3,2", {0: x, 1: parts}, {2: ort("GatherND", [x, parts])})
            + case("gather_nd x=4,5,6 index=4,3,1 batch=1", {0: x, 1: batched},
                   {2: ort("GatherND", [x, batched], batch_dims=1)}))


def scatter_nd():
    x, along, update = uniform(4, 5, 3), random.integers(-5, 5, (4, 2, 3)), uniform(4, 2, 3)
    parts, rows = random.integers(-4, 4, (6, 1)), uniform(6, 5, 3)
    text = ""
    for number, name in enumerate(("add", "mul", "min", "max"), 1):
        text += case(f"scatter_nd x=4,5,3 index=4,2,3 axis=1 op={number}", {0: x, 1: along, 2: update},
                     {0: ort("ScatterElements", [x, along, update], axis=1, reduction=name)})
        text += case(f"scatter_nd x=4,5,3 index=6,1 op={number}", {0: x, 1: parts, 2: rows},
                     {0: ort("ScatterND", [x, parts, rows], reduction=name)})
    single = np.int64([[2], [0], [-1]])
    text += case("scatter_nd x=4,5,3 index=3,1", {0: x, 1: single, 2: rows[:3]},
                 {0: ort("ScatterND", [x, single, rows[:3]])})
    return text


def top_k():
    x = uniform(3, 7, 2)
    x[0, 3] = x[0, 5]
    text = ""
    for largest in (0, 1):
        order = np.argsort(-x if largest else x, axis=1, kind="stable")[:, :4]
        text += case(f"top_k outer=3 reduce=7 inner=2 k=4{' largest' * largest}", {0: x},
                     {1: np.take_along_axis(x, order, 1), 2: order})
    last = ort("ArgMax", [x], axis=1, select_last_index=1)
    text += case("top_k outer=3 reduce=7 inner=2 largest last", {0: x}, {2: last})
    return text


def cumulative():
    x, axis = uniform(3, 7, 2), np.array(1)
    return (case("cumulative outer=3 reduce=7 inner=2", {0: x}, {1: ort("CumSum", [x, axis])})
            + case("cumulative outer=3 reduce=7 inner=2 exclusive reverse", {0: x},
                   {1: ort("CumSum", [x, axis], exclusive=1, reverse=1)})
            + case("cumulative outer=3 reduce=7 inner=2 product", {0: x}, {1: np.cumprod(x, axis=1)}))


def grid_sample():
    text = ""
    flat, deep = uniform(2, 3, 5, 7), uniform(2, 3, 4, 5, 3)
    for mode, name in enumerate(("nearest", "linear", "cubic")):
        for padding, outside in enumerate(("zeros", "border", "reflection")):
            places = uniform(2, 4, 6, 2, low=-1.3, high=1.3)
            text += case(f"grid_sample mode={mode} padding={padding}", {0: flat, 1: places},
                         {2: ort("GridSample", [flat, places], mode=name, padding_mode=outside)})
    places = uniform(2, 3, 2, 4, 3, low=-1.3, high=1.3)
    text += case("grid_sample mode=1 padding=1 axes=3 in=4,5,3 out=3,2,4 align", {0: deep, 1: places},
                 {2: ort("GridSample", [deep, places], mode="linear", padding_mode="border", align_corners=1)})
    return text


def roi_align():
    x, regions = uniform(2, 3, 9, 11), np.float32([[0.3, 1, 6.5, 7], [2, 1.5, 9, 8]])
    batch, sizes = np.int64([1, 0]), {"output_height": 3, "output_width": 2}
    operands = {0: x, 1: regions, 2: batch}
    return (case("roi_align regions=2 half", operands, {3: ort("RoiAlign", [x, regions, batch], **sizes)})
            + case("roi_align regions=2 samples=2 scale=0.5", operands,
                   {3: ort("RoiAlign", [x, regions, batch], sampling_ratio=2, spatial_scale=0.5,
                           coordinate_transformation_mode="output_half_pixel", **sizes)}))


def col2im():
    image, kernel, wide, strided = np.array([5, 6]), np.array([2, 3]), uniform(2, 18, 24), uniform(2, 18, 18)
    return (case("col2im image=1,5,6 kernel=1,2,3 pad=0,0,1", {0: wide},
                 {1: ort("Col2Im", [wide, image, kernel], pads=[0, 1, 0, 1])})
            + case("col2im image=1,5,6 kernel=1,2,3 pad=0,1,1 stride=1,2,1", {0: strided},
                   {1: ort("Col2Im", [strided, image, kernel], pads=[1, 1, 1, 1], strides=[2, 1])}))


def det():
    a = uniform(3, 4, 4)
    return case("det batch=3 n=4", {0: a}, {1: ort("Det", [a])})
def rotary():
    x, rows = uniform(2, 5, 3, 8), uniform(11, 4)
    sine, ids = uniform(11, 4), random.integers(0, 11, (2, 5))

    def turn(interleaved):
        y = ort("RotaryEmbedding", [x.transpose(0, 2, 1, 3), rows, sine, ids.astype(np.int64)], opset=23,
                interleaved=interleaved)
        return y

    operands = {0: x, 1: rows, 2: sine, 3: ids.astype(np.int64)}
    return (case("rotary ids=own", operands, {4: turn(0)}) + case("rotary ids=own interleaved", operands, {4: turn(1)}))


def kv_update():
    x, past, lengths = uniform(2, 2, 3, 4), uniform(2, 3, 5, 4), np.int32([7, 4])
    y = np.zeros((2, 3, 7, 4), np.float32)
    for b in range(2):
        start = lengths[b] - 2
        y[b, :, :start] = past[b, :, :start]
        y[b, :, start:start + 2] = x[b].transpose(1, 0, 2)
    return case("kv_update lengths", {0: x, 1: past, 2: lengths}, {3: y})


def linear_attention():
    q, k, v = uniform(2, 3, 4, 5), uniform(2, 3, 2, 5), uniform(2, 3, 2, 6)
    decay, beta, past = uniform(2, 3, 2, 5, low=-1, high=0), uniform(2, 3, 2, low=0, high=1), uniform(2, 2, 5, 6)
    state, y = past.astype(np.float64), np.zeros((2, 3, 4, 6))
    for t in range(3):
        state = state * np.exp(decay[:, t, :, :, None])
        fresh = beta[:, t, :, None] * (v[:, t] - np.einsum("bhdm,bhd->bhm", state, k[:, t]))
        state = state + k[:, t, :, :, None] * fresh[:, :, None, :]
        y[:, t] = 0.5 * np.einsum("bhd,bhdm->bhm", q[:, t], state.repeat(2, axis=1))
    return case("linear_attention decay=key delta past scale=0.5", {0: q, 1: k, 2: v, 3: decay, 4: beta, 5: past},
                {6: y.astype(np.float32), 7: state.astype(np.float32)})


def bytes_of(*shape, dtype=np.uint8):
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max + 1, shape).astype(dtype)


def quantize():
    x, scale, zero = uniform(2, 5, 7, low=-4, high=4), uniform(5, low=0.01, high=0.02), bytes_of(5)
    return case("quantize per=axis zero second=u8", {0: x, 1: scale, 2: zero},
                {3: ort("QuantizeLinear", [x, scale, zero], axis=1)})


def dequantize():
    x, scale, zero = bytes_of(2, 5, 7, dtype=np.int8), uniform(2, 3, 7), bytes_of(2, 3, 7, dtype=np.int8)
    y = ort("DequantizeLinear", [x, scale, zero], opset=21, axis=1, block_size=2)
    return case("dequantize per=block block=2 zero storage=i8 second=f32", {0: x, 1: scale, 2: zero}, {3: y})


def quantize_range():
    x = uniform(1, 9)
    low, high = min(0, x.min()), max(0, x.max())
    scale = np.float32(high - low) / np.float32(255)
    return case("quantize_range n=9", {0: x, 1: x}, {2: np.float32([scale])})


def matmul_integer():
    a, b, a_zero, b_zero = bytes_of(5, 9), bytes_of(9, 7, dtype=np.int8), bytes_of(1), bytes_of(7, dtype=np.int8)
    return case("matmul_integer a_zero=one b_zero=each", {0: a, 1: b, 2: a_zero, 3: b_zero},
                {4: ort("MatMulInteger", [a, b, a_zero, b_zero])})


def matmul_quantized():
    a, b, scale = uniform(3, 64), bytes_of(7, 2, 16), uniform(14, low=0.01, high=0.02)
    y = ort("MatMulNBits", [a, b, scale], domain="com.microsoft", K=64, N=7, bits=4, block_size=32)
    nf4 = ort("MatMulBnb4", [a, b.reshape(-1), scale], domain="com.microsoft", K=64, N=7, block_size=32, quant_type=1)
    return (case("matmul_quantized", {0: a, 1: b, 2: scale}, {3: y})
            + case("matmul_quantized table=nf4", {0: a, 1: b, 2: scale}, {3: nf4}))


def conv():
    x, w, bias = uniform(2, 6, 7, 5), uniform(9, 2, 3, 3), uniform(9)
    y = ort("Conv", [x, w, bias], group=3, pads=[1, 1, 1, 1], strides=[2, 1])
    depthwise, filters = uniform(1, 4, 9), uniform(4, 1, 3)
    z = ort("Conv", [depthwise, filters], group=4, dilations=[2], pads=[2, 2])
    return (case("conv batch=2 groups=3 in=2 out=3 kernel=3,3 stride=2,1 pad=1,1 bias", {0: x, 1: w, 2: bias}, {3: y})
            + case("conv groups=4 kernel=3 dilation=2 pad=2 h=1 w=9", {0: depthwise, 1: filters}, {2: z}))


def pool():
    x = uniform(1, 6, 7, 5)
    window = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}
    row = "kernel=3,2 stride=2,2 pad=1,0"
    return (case(f"pool op=0 {row}", {0: x}, {1: ort("MaxPool", [x], **window)})
            + case(f"pool op=1 {row}", {0: x}, {1: ort("AveragePool", [x], **window)})
            + case(f"pool op=1 {row} countpads", {0: x}, {1: ort("AveragePool", [x], count_include_pad=1, **window)})
            + case(f"pool op=2 power=3 {row}", {0: x}, {1: ort("LpPool", [x], opset=18, p=3, **window)}))


def resize():
    x, index, weight = uniform(2, 5, 3), random.integers(0, 5, (8, 2)).astype(np.int32), uniform(8, 3)
    mixed = (x[:, index] * weight[None, :, :2, None]).sum(2) + weight[None, :, 2, None]
    return case("resize", {0: x, 1: index, 2: weight}, {3: mixed.astype(np.float32)})


def deform():
    x, w = uniform(1, 4, 7, 5), np.eye(36, dtype=np.float32).reshape(36, 4, 3, 3)
    offset, mask = uniform(1, 36, 7, 5), uniform(1, 18, 7, 5)
    bias = np.zeros(36, np.float32)
    y = ort("DeformConv", [x, w, offset, bias, mask], pads=[1, 1, 1, 1], offset_group=2, kernel_shape=[3, 3])
    return case("deform kernel=3,3 pad=1,1 channels=4 groups=2 masked", {0: x, 1: offset, 2: mask}, {3: y})


def cell():
    """One step of a GRU and an LSTM from zero weights: the products are what the cell is given."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    gx, gh, other, h, c = uniform(4, 3, 28), uniform(3, 28), uniform(21), uniform(3, 7), uniform(3, 7)
    i, o, f, g = np.split((gx[1] + gh).astype(np.float64), 4, axis=1)
    cells = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    lstm = case("cell kind=1", {0: gx, 1: gh, 2: other, 3: h, 4: c},
                {3: (sigmoid(o) * np.tanh(cells)).astype(np.float32), 4: cells.astype(np.float32)})
    gx, gh = uniform(4, 3, 21), uniform(3, 21)
    z, r, last = np.split(gx[1].astype(np.float64), 3, axis=1)
    z, r = sigmoid(z + gh[:, :7]), sigmoid(r + gh[:, 7:14])
    hidden = (1 - z) * np.tanh(last + r * gh[:, 14:]) + z * h
    return lstm + case("cell kind=2 flags=32", {0: gx, 1: gh, 3: h}, {3: hidden.astype(np.float32)})


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for make in (unary, binary, compare, logic, where, copy, gather, iota, fill, cast, matmul, softmax, layer_norm, reduce,
                 attention, im2col, gather_nd, scatter_nd, top_k, cumulative, grid_sample, roi_align, col2im, det,
                 rotary, kv_update, linear_attention,
                 quantize, dequantize, quantize_range, matmul_integer, matmul_quantized,
                 conv, pool, resize, deform, cell):
        (FOLDER / f"{make.__name__}.txt").write_text(make())


if __name__ == "__main__":
    main()
