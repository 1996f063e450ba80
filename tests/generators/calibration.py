"""Makes tests/golden/calibration: ONNX Runtime's answers on files that `vulcap quantize --calibrate` wrote.

Prints for each output how far ONNX Runtime's two ways of running the file (as it stands, and with QDQ fused into
integer operators) are from the fp32 file and from each other, as shares of the range.

Needs numpy, onnx and onnxruntime:  python tests/generators/calibration.py build/release/vulcap
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import numpy_helper

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "calibration"
FAMILIES = TESTS / "golden" / "families"
SCENES = TESTS.parent / "models" / "scenes-vit-gpt2"
# Model folder, data and options of each golden folder.
CASES: dict[str, tuple[Path, Path, list[str]]] = {
    "resnet": (FAMILIES / "resnet-image-classification", FAMILIES / "task-images", ["--to", "int8"]),
    "mobilenet": (FAMILIES / "mobilenet-image-classification", FAMILIES / "task-images", ["--to", "int8", "--per-channel"]),
    "scenes": (SCENES, SCENES / "expected" / "images", ["--to", "uint8", "--calibration-samples", "4"]),
}
SIZES = {"batch": 1, "channel": 3, "height": 96, "width": 96, "past": 2, "encoder": 65}


def session(path: Path, level: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}_ALL")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def size(dim: int | str | None) -> int:
    if isinstance(dim, int):
        return dim
    return next((number for part, number in SIZES.items() if part in str(dim)), 5)


def draw(graph: ort.InferenceSession) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    inputs: dict[str, np.ndarray] = {}
    for item in graph.get_inputs():
        shape = [size(dim) for dim in item.shape]
        if item.type == "tensor(float)":
            inputs[item.name] = random.uniform(-1, 1, shape).astype(np.float32)
        elif item.type == "tensor(bool)":
            inputs[item.name] = np.zeros(shape, bool)
        else:
            inputs[item.name] = random.integers(0, 30, shape)
    return inputs


def share(got: np.ndarray, want: np.ndarray) -> float:
    span = float(want.max() - want.min()) if want.size else 0.0
    return float(np.abs(got - want).max()) / max(span, 1e-3) if want.size else 0.0


def write_answers(quantised: Path, original: Path, golden: Path) -> None:
    plain = session(quantised, "DISABLE")
    inputs = draw(plain)
    names = [output.name for output in plain.get_outputs()]
    answers = plain.run(names, inputs)
    fused = session(quantised, "ENABLE").run(names, inputs)
    real = session(original, "DISABLE").run(names, inputs)
    golden.mkdir(parents=True, exist_ok=True)
    for i, (name, array) in enumerate(inputs.items()):
        (golden / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    for i, (name, array) in enumerate(zip(names, answers)):
        (golden / f"output_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    for name, a, b, c in zip(names, answers, fused, real):
        if not name.startswith("present"):
            print(f"{quantised.stem} {name}: from fp32 {share(a, c):.4f}, fused {share(b, c):.4f}, apart {share(a, b):.4f}")


def write_case(program: str, name: str) -> None:
    folder, data, options = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out"
        command = [program, "quantize", str(folder), "-o", str(out), "--calibrate", str(data), "--no-report", *options]
        subprocess.run(command, check=True)
        for path in sorted(out.rglob("*.onnx")):
            stem = path.stem.rsplit("_", 1)[0]
            original = folder / path.relative_to(out).with_name(f"{stem}.onnx")
            write_answers(path, original, GOLDEN / name / "expected" / "graphs" / path.stem / "test_data_set_0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="vulcap")
    program = parser.parse_args().program
    for name in CASES:
        write_case(program, name)


if __name__ == "__main__":
    main()
