"""Whether ONNX Runtime gives the same answers for pairs of models, on drawn inputs.

Prints a line a pair: the largest difference as a share of the output's range, and the second file. Exit code 1
where an output differs by more than 1e-3, or the checker of onnx refuses a second file but not the first; another
where a file does not load.

    same_answers.py BEFORE AFTER [BEFORE AFTER]...        needs onnx, onnxruntime and numpy
"""

import sys

import numpy as np
import onnx
import onnxruntime as ort

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
SIZES = {"batch": 1, "channel": 3, "height": 224, "width": 224, "total": 7, "past": 3}
LARGEST_ERROR = 1e-3


def size_of(dim: int | str | None) -> int:
    if isinstance(dim, int):
        return dim
    if dim and "+" in dim:
        return sum(int(part) if part.strip().isdigit() else size_of(part.strip()) for part in dim.split("+"))
    return next((size for part, size in SIZES.items() if dim and part in dim), 4)


def open_session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def drawn(session: ort.InferenceSession, flag: bool) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    feeds = {}
    for value in session.get_inputs():
        dtype, shape = DTYPES[value.type], [size_of(dim) for dim in value.shape]
        if dtype is np.bool_:
            feeds[value.name] = np.full(shape, flag)
        elif np.issubdtype(dtype, np.floating):
            feeds[value.name] = generator.uniform(-1, 1, shape).astype(dtype)
        else:
            feeds[value.name] = generator.integers(0, 2, shape).astype(dtype)
    return feeds


def share_of_range(got: np.ndarray, want: np.ndarray) -> float:
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    if want.size == 0:
        return 0.0
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(got)):
        return float("inf")
    values = want[finite]
    span = max(float(np.ptp(values)) if values.size else 0.0, 1e-3)
    return float(np.max(np.abs(got - want), initial=0.0, where=finite)) / span


def largest_error(before: str, after: str) -> float:
    first, second = open_session(before), open_session(after)
    names = [value.name for value in first.get_outputs()]
    errors = [0.0]
    for flag in (False, True):
        feeds = drawn(first, flag)
        pairs = zip(second.run(names, feeds), first.run(names, feeds))
        errors += [share_of_range(got, want) for got, want in pairs]
    return max(errors)


def refusal(path: str) -> str:
    try:
        onnx.checker.check_model(path)
    except onnx.checker.ValidationError as error:
        return str(error).strip().split("\n", 1)[0]
    return ""


def main() -> int:
    failed = False
    for before, after in zip(sys.argv[1::2], sys.argv[2::2]):
        error = largest_error(before, after)
        invalid = "" if refusal(before) else refusal(after)
        failed = failed or not error <= LARGEST_ERROR or bool(invalid)
        print(f"{error:.1e} {after} (from {before}) {invalid}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
