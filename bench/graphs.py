#!/usr/bin/env python3
"""Every graph of model folders, vulcap against ONNX Runtime on the CPU: time, memory and difference.

Both engines run one graph in a process of its own, in turns, on the same seeded inputs (README.md). A ratio is
the median of the ratios within each round; below 1 vulcap is faster. Decoders make one call of a prompt and
eight of one token. Python 3.9 or newer on Linux; onnxruntime and numpy only for the peer's --python.

    graphs.py --model DIR [--model DIR]... [--only PART_OF_A_NAME] [--rounds 5] [--json FILE] [--check]
"""

import argparse
import json
import statistics
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from comparison import npy
from comparison.common import BENCH, BUSY_MACHINE, EXIT_BAR_MISSED, EXIT_FAILED, BenchError, host
from comparison.process import records, run_process

MEASURES = ("load", "run", "prefill", "step")
SIZES = BENCH / "graph_sizes.json"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, action="append", required=True, help="model folder")
    parser.add_argument("--only", default="", help="graphs whose MODEL/NAME holds this text")
    parser.add_argument("--rounds", type=int, default=5, help="processes an engine and graph")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs within a process, after a warm-up")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", type=Path, default=SIZES, help="dims and prompt lengths by folder and graph")
    parser.add_argument("--vulcap", default="build/release/vulcap")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=Path, help="write all samples and the summary here")
    parser.add_argument(
        "--check", action="store_true", help=f"exit code {EXIT_BAR_MISSED} where a bar of bars.json is missed"
    )
    return parser.parse_args()


def graphs_of(settings):
    """[(name, file, sizes)]"""
    sizes = json.loads(settings.sizes.read_text())
    found = []
    for model in settings.model:
        files = sorted([*model.glob("*.onnx"), *model.glob("onnx/*.onnx")])
        if not files:
            raise BenchError(f"no .onnx file in {model} or its onnx folder")
        for file in files:
            name = f"{model.resolve().name}/{file.stem}"
            if settings.only in name:
                found.append((name, file, sizes.get(model.resolve().name, {}).get(file.stem, {})))
    return found


def commands(settings, file, sizes, dumps):
    shared = ["--graph", str(file), "--threads", str(settings.threads), "--steps", str(settings.steps)]
    shared += ["--rounds", str(settings.repeats), "--n-prompt", str(sizes.get("prompt", 1))]
    for name, size in sizes.get("dims", {}).items():
        shared += ["--dim", f"{name}={size}"]
    ours = [settings.vulcap, "bench", "--device", "cpu", "-o", "json", *shared, "--dump", str(dumps / "vulcap")]
    peer = [settings.python, str(BENCH / "peers/ort_graph.py"), *shared, "--dump", str(dumps / "ort")]
    return {"vulcap": ours, "ort": peer}


def sample(command, settings):
    finished = run_process(command, settings)
    _, record = records(finished, command)[-1]
    times = {name: record[f"{name}_seconds"] for name in MEASURES if record.get(f"{name}_seconds")}
    medians = {name: statistics.median(x) if isinstance(x, list) else x for name, x in times.items()}
    return {**medians, "peak": finished.peak_bytes, "other_load": finished.other_load, "record": record}


def largest_error(dumps):
    expected = sorted((dumps / "ort").glob("*.npy"))
    return max(npy.error_over_range(dumps / "vulcap" / file.name, file) for file in expected)


def measure(settings, file, sizes):
    """{"runs": {engine: [sample]}, "ratios": {measure: [vulcap / ort]}, "error": of outputs over their range}"""
    with tempfile.TemporaryDirectory() as folder:
        dumps = Path(folder)
        for engine in ("vulcap", "ort"):
            (dumps / engine).mkdir()
        runs = {"vulcap": [], "ort": []}
        for index in range(settings.rounds):
            order = list(commands(settings, file, sizes, dumps).items())
            for engine, command in order if index % 2 == 0 else reversed(order):
                runs[engine].append(sample(command, settings))
        error = largest_error(dumps)
    ratios = {
        name: [a[name] / b[name] for a, b in zip(runs["vulcap"], runs["ort"])]
        for name in (*MEASURES, "peak")
        if name in runs["vulcap"][0] and name in runs["ort"][0]
    }
    return {"runs": runs, "ratios": ratios, "error": error}


def row(name, measured):
    def ratio(key):
        values = measured["ratios"].get(key)
        return f"{statistics.median(values):.2f}" if values else "-"

    def milliseconds(engine):
        first = measured["runs"][engine]
        key = "run" if "run" in first[0] else "step"
        return f"{1e3 * statistics.median(run[key] for run in first):.3g}"

    kind = measured["runs"]["vulcap"][0]["record"]["kind"]
    cells = [name, kind, milliseconds("vulcap"), milliseconds("ort")]
    cells += [f"**{ratio('run' if kind == 'encoder' else 'step')}**", ratio("prefill"), ratio("load")]
    return "| " + " | ".join([*cells, ratio("peak"), f"{measured['error']:.1e}"]) + " |"


def verdicts(name, measured, bars):
    """[(text, met)]"""
    result = [(f"{name} error: {measured['error']:.1e}, bar {bars['error']:g}", measured["error"] <= bars["error"])]
    for key, values in measured["ratios"].items():
        if key in bars:
            ratio = statistics.median(values)
            result.append((f"{name} {key}: {ratio:.2f}x of ort, bar {bars[key]:g}x", ratio <= bars[key]))
    return result


def compare(settings):
    bars = json.loads((BENCH / "bars.json").read_text())["graph_over_ort"]
    print("| graph | kind | vulcap ms | ort ms | ratio | prefill | load | memory | error |")
    print("|" + " --- |" * 9)
    results, judged = {}, []
    for name, file, sizes in graphs_of(settings):
        measured = results[name] = measure(settings, file, sizes)
        print(row(name, measured), flush=True)
        judged += verdicts(name, measured, bars)
    loads = [run["other_load"] or 0 for m in results.values() for own in m["runs"].values() for run in own]
    if loads and max(loads) > BUSY_MACHINE:
        print(f"\n- busy machine: others used up to {100 * max(loads):.0f} % of the CPUs")
    print("\n" + "\n".join(f"- MISSED: {text}" for text, met in judged if not met))
    if settings.json:
        time = datetime.now(timezone.utc).isoformat(timespec="seconds")
        whole = {"time": time, "host": host(), "threads": settings.threads, "graphs": results}
        settings.json.write_text(json.dumps(whole, indent=1) + "\n")
    return all(met for _, met in judged)


def main():
    settings = parse_arguments()
    try:
        all_met = compare(settings)
    except BenchError as error:
        print(f"graphs: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_BAR_MISSED if settings.check and not all_met else 0


if __name__ == "__main__":
    sys.exit(main())
