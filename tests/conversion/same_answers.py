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
SIZES = {"batch": 1, "channel": 3, "total": 7, "past": 3}
SIDES = (224, 96, 64, 48, 32)  # of images, the first that a model takes
LARGEST_ERROR = 1e-3


def size_of(dim: int | str | None, side: int) -> int:
    if isinstance(dim, int):
        return dim
    if dim and "+" in dim:
        return sum(int(part) if part.strip().isdigit() else size_of(part.strip(), side) for part in dim.split("+"))
    if dim and ("height" in dim or "width" in dim):
        return side
    return next((size for part, size in SIZES.items() if dim and part in dim), 4)


def open_session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def drawn(session: ort.InferenceSession, flag: bool, side: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    feeds = {}
    for value in session.get_inputs():
        dtype, shape = DTYPES[value.type], [size_of(dim, side) for dim in value.shape]
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


def run(session: ort.InferenceSession, names: list[str], flag: bool) -> tuple[dict, list[np.ndarray]]:
    """Inputs that the model takes, and its answers."""
    for side in SIDES[:-1]:
        feeds = drawn(session, flag, side)
        try:
            return feeds, session.run(names, feeds)
        except ort.capi.onnxruntime_pybind11_state.Fail:
            pass
    feeds = drawn(session, flag, SIDES[-1])
    return feeds, session.run(names, feeds)


def largest_error(before: str, after: str) -> float:
    first, second = open_session(before), open_session(after)
    names = [value.name for value in first.get_outputs()]
    errors = [0.0]
    for flag in (False, True):
        feeds, expected = run(first, names, flag)
        errors += [share_of_range(got, want) for got, want in zip(second.run(names, feeds), expected)]
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
