"""python -m export FAMILY CHECKPOINT OUT: from a PyTorch checkpoint to a validated ONNX model folder."""

import argparse
import gc
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import warnings

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import onnx
import transformers

from .checkpoint import fetch_revision, read_config
from .exporters import OPSETS, check_opset, export_graph
from .images import write_images
from .join import join_decoders
from .model_file import clean, declare_outputs, save, to_half
from .options import DTYPES, MISMATCH, USAGE, ExportError, Options
from .recipe import MODULES, Export, check_request, families, find_family
from .validate import Report, validate


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    add = parser.add_argument
    add("family", choices=["auto", *MODULES], metavar="FAMILY", help=f"auto, or one of: {', '.join(MODULES)}")
    add(
        "checkpoint",
        metavar="CHECKPOINT",
        help="folder of save_pretrained(), or the name of a model on the hub",
    )
    add("out", type=pathlib.Path, metavar="OUT", help="the new model folder; must not exist")
    add("--task", default="", help="what to export the model for; default: the family's own")
    add("--opset", type=int, help="default: 17, with the dynamo exporter 18")
    add("--exporter", choices=OPSETS, default="torchscript")
    add("--dtype", choices=DTYPES, default="fp32")
    add(
        "--adapter", type=pathlib.Path, metavar="DIR", help="a PEFT LoRA to merge into the weights on the way"
    )
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--with-cache", dest="with_cache", action="store_true", default=None)
    cache.add_argument("--without-cache", dest="with_cache", action="store_false", default=None)
    add("--revision", help="branch, tag or commit of a model on the hub; default: main")
    add("--trust-remote-code", action="store_true", help="run the code that comes with the checkpoint")
    add(
        "--external-data",
        action="store_true",
        help="weights in FILE.onnx_data even where they would fit inside",
    )
    add(
        "--images",
        type=pathlib.Path,
        metavar="DIR",
        help="pictures to validate with; default: two that are drawn",
    )
    add("--prompt", action="append", default=[], help="a prompt to validate with; may be given several times")
    add("--no-validation", action="store_true", help="leave out the comparison with PyTorch and expected/")
    return parser.parse_args(arguments)


def options_of(given: argparse.Namespace) -> Options:
    if given.out.exists():
        raise ExportError(f"{given.out} exists; name a folder that does not", USAGE)
    names = (
        "checkpoint",
        "task",
        "exporter",
        "dtype",
        "adapter",
        "with_cache",
        "trust_remote_code",
        "external_data",
    )
    options = Options(**{name: getattr(given, name) for name in names})
    options.validates = not given.no_validation
    options.opset = given.opset or {"torchscript": 17, "dynamo": 18}[given.exporter]
    check_opset(options)
    if given.revision is not None:
        options.checkpoint = fetch_revision(options.checkpoint, given.revision)
    return options


def write_graphs(export: Export, folder: pathlib.Path, options: Options) -> list[str]:
    """Writes onnx/*.onnx and says what; returns the stems."""
    partners = {stem: merged for merged, pair in export.joined.items() for stem in pair}
    waiting: dict[str, onnx.ModelProto] = {}
    written = []
    (folder / "onnx").mkdir()
    for graph in export.graphs:
        begin = time.monotonic()
        stem, model = graph.stem, clean(export_graph(graph, options))
        declare_outputs(model, graph)
        model = to_half(model) if options.dtype == "fp16" else model
        if stem in partners:
            waiting[stem] = model
            stem = partners[stem]
            if any(part not in waiting for part in export.joined[stem]):
                continue
            model = join_decoders(*(waiting.pop(part) for part in export.joined[stem]))
        path = folder / "onnx" / f"{stem}{options.suffix}.onnx"
        size = save(model, path, options.external_data)
        print(
            f"{path.relative_to(folder)}  {size / 1e6:.1f} MB, {time.monotonic() - begin:.1f} s", flush=True
        )
        written.append(stem)
        del model
        gc.collect()
    return written


def print_report(report: Report) -> None:
    worst: dict[str, tuple[float, float]] = {}
    for row in report.rows:
        stem = row.subject.split("/")[0]
        error, share = worst.get(stem, (0.0, 0.0))
        worst[stem] = max(error, row.error), max(share, row.share)
    for stem, (error, share) in worst.items():
        print(f"{stem}: off from PyTorch by at most {error:.1e}, {share:.1e} of the range")
    for row in report.rows:
        if not row.passed:
            off = row.note or f"{row.error:.1e}, {row.share:.1e} of the range"
            print(f"  {row.subject} {row.output}: {off}")
    for what, same in report.captions:
        if not same:
            print(f"  caption of {what} differs")
    if report.captions:
        same = sum(same for _, same in report.captions)
        print(f"captions: {same} of {len(report.captions)} as PyTorch's")
    if report.unstable:
        print(f"{report.unstable} captions hang on a rounding error and are not in expected/")


def run(given: argparse.Namespace, scratch: pathlib.Path) -> None:
    """Makes the folder in `scratch`, which becomes OUT once it is right."""
    options = options_of(given)
    families()  # some of them tell transformers of configurations that it does not know
    config = read_config(options)
    family = find_family(given.family, config)
    options = check_request(family, options, config)
    cache = f"{'with' if options.with_cache else 'without'} cache, " if family.tasks else ""
    how = f"{cache}opset {options.opset}, {options.exporter}, {options.dtype}"
    print(f"{family.name}{', ' if options.task else ''}{options.task}, {how}", flush=True)
    images = write_images(given.images, scratch / "expected" / "images") if options.validates else {}
    export = family.load(options, config)
    if export.captioner is None and export.retriever is None:
        shutil.rmtree(scratch / "expected", ignore_errors=True)
    export.save_settings(scratch)
    files = write_graphs(export, scratch, options)
    if options.validates:
        report = validate(export, files, scratch, images, tuple(given.prompt), options)
        print_report(report)
        if not report.passed:
            raise ExportError(
                "the exported graphs do not answer as PyTorch does; no folder was written", MISMATCH
            )
    scratch.rename(given.out)
    print(f"wrote {given.out}")


def main(arguments: list[str]) -> int:
    given = parse(arguments)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    try:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{given.out.name}.", dir=given.out.parent) as scratch:
            folder = pathlib.Path(scratch) / given.out.name
            folder.mkdir()
            run(given, folder)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of what removes unfinished files
    sys.exit(main(sys.argv[1:]))
