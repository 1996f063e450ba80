#!/usr/bin/env python3
"""What `vulcap optimize` makes of the graphs of model folders: nodes and ONNX Runtime's time before and after.

ONNX Runtime runs the file as it is and as it was written, each in a process of its own, in turns, on the same
seeded inputs; a ratio is the median of the ratios within each round, below 1 the written file is faster.
Decoders make one call of a prompt and eight of one token, with the cache that they have. Python 3.9 or newer on
Linux with onnx, onnxruntime and numpy.

    optimise.py --model DIR [--model DIR]... [--only PART_OF_A_NAME] [--level 2] [--rounds 5] [--json FILE]
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import onnx

from comparison import npy
from comparison.common import BENCH, EXIT_FAILED, BenchError
from comparison.process import records, run_process
from graphs import SIZES, graphs_of

MEASURES = ("load", "run", "prefill", "step")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", required=True, help="model folder")
    parser.add_argument("--only", default="", help="graphs whose MODEL/NAME holds this text")
    parser.add_argument("--level", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="processes a file")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs within a process, after a warm-up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", type=Path, default=SIZES, help="dims and prompt lengths by folder and graph")
    parser.add_argument("--vulcap", default="build/release/vulcap")
    parser.add_argument("--json", type=Path, help="write all samples here")
    return parser.parse_args()


def nodes_of(graph):
    """Nodes of a graph and of the graphs in it."""
    inner = (a.g for node in graph.node for a in node.attribute if a.HasField("g"))
    return len(graph.node) + sum(map(nodes_of, inner))


def nodes_in(file):
    return nodes_of(onnx.load(file, load_external_data=False).graph)


def sample(file, sizes, dump, settings):
    command = [sys.executable, str(BENCH / "peers/ort_graph.py"), "--graph", str(file), "--dump", str(dump)]
    command += ["--threads", str(settings.threads), "--rounds", str(settings.repeats)]
    command += ["--n-prompt", str(sizes.get("prompt", 1))]
    for name, size in sizes.get("dims", {}).items():
        command += ["--dim", f"{name}={size}"]
    _, record = records(run_process(command, settings), command)[-1]
    times = {name: record[f"{name}_seconds"] for name in MEASURES if record.get(f"{name}_seconds")}
    return {name: statistics.median(x) if isinstance(x, list) else x for name, x in times.items()}


def measure(file, sizes, settings):
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        made = Path(folder) / file.name
        command = [settings.vulcap, "optimize", str(file), "-o", str(made), "--level", str(settings.level)]
        report = run_process(command, settings)
        files = {"before": file, "after": made}
        runs, dumps = {"before": [], "after": []}, {key: Path(folder) / key for key in files}
        for dump in dumps.values():
            dump.mkdir()
        for index in range(settings.rounds):
            for key in files if index % 2 == 0 else reversed(files):
                runs[key].append(sample(files[key], sizes, dumps[key], settings))
        expected = sorted(dumps["before"].glob("*.npy"))
        return {
            "nodes": {"before": nodes_in(file), "after": nodes_in(made)},
            "runs": runs,
            "error": max(npy.error_over_range(dumps["after"] / x.name, x) for x in expected),
            "report": [line for _, line in report.lines],
        }


def row(name, measured):
    def milliseconds(key, which):
        return f"{1e3 * statistics.median(run[key] for run in measured['runs'][which]):.3g}"

    def ratio(key):
        pairs = zip(measured["runs"]["after"], measured["runs"]["before"])
        return f"{statistics.median(a[key] / b[key] for a, b in pairs):.2f}"

    key = "run" if "run" in measured["runs"]["before"][0] else "step"
    nodes = measured["nodes"]
    cells = [name, str(nodes["before"]), str(nodes["after"]), milliseconds(key, "before")]
    cells += [milliseconds(key, "after"), ratio(key), ratio("load"), f"{measured['error']:.1e}"]
    return "| " + " | ".join(cells) + " |"


def compare(settings):
    print("| graph | nodes | after | ort ms | after | ratio | load | error |")
    print("|" + " --- |" * 8)
    results = {}
    for name, file, sizes in graphs_of(settings):
        results[name] = measure(file, sizes, settings)
        print(row(name, results[name]), flush=True)
    if settings.json:
        settings.json.write_text(json.dumps({"level": settings.level, "graphs": results}, indent=1) + "\n")


def main():
    settings = parse_arguments()
    try:
        with tempfile.TemporaryDirectory() as settings.scratch:
            compare(settings)
    except BenchError as error:
        print(f"optimise: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
