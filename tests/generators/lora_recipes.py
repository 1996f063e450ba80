"""Makes tests/golden/lora_recipes: adapters of the tiny checkpoints of recipes.py, and answers with them merged.

python tests/generators/lora_recipes.py FOLDER ...
FOLDER is one of tests/golden/recipes. Each gets adapter/, random and as PEFT saves it, and expected/graphs of what its
recipe exports with --adapter, where PEFT merges. Needs what export/requirements.txt lists.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from peft import LoraConfig, get_peft_model

from recipes import FOLDERS, ROOT, export_folder, families

OUT = ROOT / "tests" / "golden" / "lora_recipes"
RANK = 2


def first_layers(model: torch.nn.Module) -> list[str]:
    """Linear maps of the first layer of each stack."""
    kinds = (torch.nn.Linear, transformers.pytorch_utils.Conv1D)
    return [name for name, module in model.named_modules() if isinstance(module, kinds) and ".0." in name]


def write_adapter(checkpoint: pathlib.Path, folder: pathlib.Path) -> None:
    config = transformers.AutoConfig.from_pretrained(checkpoint)
    model = getattr(transformers, config.architectures[0]).from_pretrained(checkpoint)
    adapted = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=first_layers(model)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    adapted.save_pretrained(folder)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["target_modules"].sort()  # a set, otherwise another order each time
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "README.md").unlink(missing_ok=True)


def make(name: str) -> None:
    family, seed, arguments = FOLDERS[name]
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint, merged = pathlib.Path(scratch, "checkpoint"), pathlib.Path(scratch, "merged")
        next(item for item in families() if item.name == family).make_tiny(checkpoint, seed)
        write_adapter(checkpoint, out / "adapter")
        code = export_folder(["auto", str(checkpoint), str(merged), *arguments, "--adapter", str(out / "adapter")])
        if code != 0:
            raise SystemExit(f"{name}: the export ended with {code}")
        for graph in (merged / "expected" / "graphs").iterdir():
            shutil.copytree(graph / "test_data_set_0", out / "expected" / "graphs" / graph.name / "test_data_set_0")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for folder in sys.argv[1:]:
        make(folder)
