"""Makes tests/golden/recipes: tiny random checkpoints as the recipes of export/ turn them into model folders.

python tests/generators/recipes.py [--out DIR] [FOLDER ...]
Needs what export/requirements.txt lists. Answers in expected/ are PyTorch's, compared with ONNX Runtime's.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from export.__main__ import main as export_folder  # noqa: E402
from export.recipe import families  # noqa: E402

# Folder -> family, seed, further arguments of the exporter.
FOLDERS: dict[str, tuple[str, int, list[str]]] = {
    "vit-gpt2": ("vit_gpt2", 1, []),
    "vit-gpt2-dynamo": ("vit_gpt2", 1, ["--exporter", "dynamo"]),
    "blip": ("blip", 2, []),
    "blip-without-cache": ("blip", 2, ["--without-cache"]),
    "blip-answers": ("blip", 1, []),
    "git": ("git", 1, []),
    "git-without-cache": ("git", 1, ["--without-cache"]),
    "florence2": ("florence2", 1, []),
    "florence2-without-cache": ("florence2", 1, ["--without-cache"]),
    "moondream": ("moondream", 1, ["--trust-remote-code"]),
    "prefix-vlm": ("prefix_vlm", 1, ["--without-cache"]),
    "prefix-vlm-cached": ("prefix_vlm", 1, []),
    "colpali": ("colpali", 1, []),
    "colqwen2": ("colqwen2", 1, ["--external-data"]),
    "bart": ("optimum", 1, []),
}
LONG = 100_000  # bytes of JSON that are written without white space


def make(name: str, out: pathlib.Path) -> None:
    family, seed, arguments = FOLDERS[name]
    shutil.rmtree(out / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = pathlib.Path(scratch) / "checkpoint"
        next(item for item in families() if item.name == family).make_tiny(checkpoint, seed)
        code = export_folder(["auto", str(checkpoint), str(out / name), *arguments])
    if code != 0:
        raise SystemExit(f"{name}: the export ended with {code}")
    for path in (out / name).glob("*.json"):
        if path.stat().st_size > LONG:
            path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "golden" / "recipes")
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.folders or FOLDERS:
        make(name, given.out)


if __name__ == "__main__":
    main()
