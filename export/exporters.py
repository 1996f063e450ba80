"""PyTorch's two exporters, with their traps taken care of (README.md says which and why)."""

import contextlib
import functools
import io
import logging
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterator

import onnx
import torch
from optimum.exporters.onnx.model_patcher import eager_mask_without_vmap, sdpa_mask_without_vmap
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from .checkpoint import one_line
from .graph import TRACED, Graph
from .options import USAGE, ExportError, Options

# Opsets that each exporter writes without converting versions afterwards.
OPSETS = {"torchscript": (13, 20), "dynamo": (18, 23)}


def check_opset(options: Options) -> None:
    low, high = OPSETS[options.exporter]
    if not low <= options.opset <= high:
        raise ExportError(
            f"--opset {options.opset}: the {options.exporter} exporter writes {low} to {high}; choose one",
            USAGE,
        )


@contextlib.contextmanager
def traceable_masks() -> Iterator[None]:
    """Attention masks by broadcasting in place of vmap, which neither exporter can follow."""
    table = ALL_MASK_ATTENTION_FUNCTIONS
    saved = {name: table[name] for name in ("sdpa", "eager")}
    table.register("sdpa", sdpa_mask_without_vmap)
    table.register("eager", eager_mask_without_vmap)
    try:
        yield
    finally:
        for name, function in saved.items():
            table.register(name, function)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters print whole graphs when they fail, and warn of every constant in a trace."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def write_torchscript(graph: Graph, path: pathlib.Path, opset: int) -> None:
    inputs = graph.sample(TRACED)
    torch.onnx.export(
        graph.module,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=graph.outputs,
        dynamic_axes=graph.axes,
        opset_version=opset,
        do_constant_folding=True,
        dynamo=False,
    )


class Positional(torch.nn.Module):
    """Takes a list, so that one description of its sizes covers any number of inputs."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        return self.module(*inputs)


def write_dynamo(graph: Graph, path: pathlib.Path, opset: int) -> None:
    inputs = graph.sample(TRACED)
    shapes = [dict(graph.axes.get(name, {})) for name in inputs]
    torch.onnx.export(
        Positional(graph.module).eval(),
        (list(inputs.values()),),
        str(path),
        input_names=list(inputs),
        output_names=graph.outputs,
        dynamic_shapes=[shapes],
        opset_version=opset,
        dynamo=True,
        external_data=True,
        optimize=True,
        verbose=False,
    )


WRITERS: dict[str, Callable[[Graph, pathlib.Path, int], None]] = {
    "torchscript": write_torchscript,
    "dynamo": write_dynamo,
}


def export_graph(graph: Graph, options: Options) -> onnx.ModelProto:
    """The graph with all its weights in memory."""
    # A fresh wrapper is in training mode; the exporter hands that on to the whole model: dropout would run.
    graph.module.eval()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "model.onnx"
        with torch.no_grad(), traceable_masks(), quiet():
            try:
                write = getattr(graph, "write", None) or functools.partial(WRITERS[options.exporter], graph)
                write(path, options.opset)
            except OSError:  # a full disk, which is no fault of the exporter
                raise
            except Exception as error:  # exporters raise what they like
                reason = f"{type(error).__name__}: {one_line(error)}"
                raise ExportError(
                    f"{graph.stem}: the {options.exporter} exporter failed: {reason}; try "
                    "the other exporter (--exporter) or another --opset"
                ) from error
        return onnx.load(path)
