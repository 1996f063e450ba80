"""What a user asks for, and how a request fails."""

import dataclasses
import pathlib
import sys

USAGE, BAD_MODEL, MISMATCH = 2, 3, 6  # exit codes, as those of the vulcap program
DTYPES = ("fp32", "fp16")


class ExportError(Exception):
    """One line for the user: what, where, why, what to do."""

    def __init__(self, message: str, code: int = BAD_MODEL) -> None:
        super().__init__(message)
        self.code = code


def warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


@dataclasses.dataclass
class Options:
    checkpoint: str  # a folder, or the name of a model on the hub
    task: str = ""  # "": the family's own
    opset: int = 17
    exporter: str = "torchscript"  # or "dynamo"
    dtype: str = "fp32"  # of the files; one of DTYPES
    adapter: pathlib.Path | None = None  # a PEFT LoRA to merge into the weights
    with_cache: bool | None = None  # None: with a cache where the family knows one
    trust_remote_code: bool = False
    validates: bool = True  # compares with PyTorch and writes expected/
    external_data: bool = False  # weights beside the graph even where they would fit into it

    @property
    def suffix(self) -> str:
        """Of file names, as onnx-community writes them: "_fp16"."""
        return "" if self.dtype == "fp32" else f"_{self.dtype}"
