#!/usr/bin/env python3
"""vulcap and its peers on one machine in one run: a Markdown table of times, memory and captions.

Every engine runs in a process of its own, the engines take turns (A B A B ...), and each process starts
with an empty shader cache. Times are medians over the rounds with their range; a ratio is the median of the
ratios within each round. Peers of graphs (ort-cpu, ort-webgpu) meet `vulcap bench`; peers of images
(transformers-js, optimum) meet `vulcap caption`. Python 3.9 or newer on Linux, standard library only.
bench/README.md has the record formats and how to install the peers.
"""

import argparse
import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from comparison.common import BENCH, EXIT_BAR_MISSED, EXIT_FAILED, SUFFIXES, BenchError, host
from comparison.engines import PEERS
from comparison.measures import read_model_files_once, run_rounds
from comparison.report import report


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    environment_or = os.environ.get
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--peers", default="ort-cpu", help=f"comma list of {', '.join(PEERS)}")
    parser.add_argument("--peers-only", action="store_true", help="without vulcap")
    parser.add_argument("--vulcap", default="build/release/vulcap")
    parser.add_argument("--device", choices=["cpu", "vulkan"], default="cpu")
    parser.add_argument("--dtype", choices=SUFFIXES, default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="processes an engine")
    parser.add_argument(
        "--repeats", type=int, default=3, help="timed runs within a process of `graphs`, after a warm-up"
    )
    parser.add_argument(
        "--steps", type=int, default=16, help="tokens a caption in `graphs`; 0 times the encoder alone"
    )
    parser.add_argument(
        "--images", type=Path, help="folder with images and captions.json; default MODEL/expected/images"
    )
    parser.add_argument("--limit", type=int, help="only the first N images")
    parser.add_argument(
        "--icd", default=environment_or("BENCH_ICD"), help="Vulkan driver manifest, for every engine"
    )
    parser.add_argument(
        "--library-path", default=environment_or("BENCH_LIBRARY_PATH"), help="put before LD_LIBRARY_PATH"
    )
    parser.add_argument(
        "--python", default=environment_or("BENCH_PYTHON", sys.executable), help="has onnxruntime and numpy"
    )
    parser.add_argument("--optimum-python", default=environment_or("BENCH_OPTIMUM_PYTHON", sys.executable))
    parser.add_argument("--node", default=environment_or("BENCH_NODE", "node"))
    parser.add_argument("--node-modules", default=environment_or("BENCH_NODE_MODULES", "node_modules"))
    parser.add_argument("--json", type=Path, help="write settings, raw runs and summary here")
    parser.add_argument(
        "--check", action="store_true", help=f"exit code {EXIT_BAR_MISSED} where a bar of bars.json is missed"
    )
    return parser


def parse_arguments():
    parser = make_parser()
    settings = parser.parse_args()
    settings.model = settings.model.resolve()
    settings.images = settings.images or settings.model / "expected" / "images"
    settings.peers = settings.peers.split(",")
    for name in settings.peers:
        if name not in PEERS:
            parser.error(f"unknown peer {name}; known: {', '.join(PEERS)}")
        if settings.device not in PEERS[name].devices:
            parser.error(f"{name} does not run on --device {settings.device}")
    if min(settings.rounds, settings.repeats) < 1:
        parser.error("--rounds and --repeats are at least 1")
    return settings


def reference_captions(settings):
    file = settings.images / "captions.json"
    try:
        captions = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"reference captions {file}: {error}") from error
    return dict(list(captions.items())[: settings.limit])


def public_settings(settings):
    names = ("peers", "device", "dtype", "threads", "rounds", "repeats", "steps", "limit")
    return {"model": settings.model.name, **{name: getattr(settings, name) for name in names}}


def compare(settings):
    bars = json.loads((BENCH / "bars.json").read_text())
    result = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": host(),
        "settings": public_settings(settings),
        "workloads": {},
    }
    read_model_files_once(settings)
    all_met = True
    for workload in ("graphs", "images"):
        peers = [name for name in settings.peers if PEERS[name].workload == workload]
        if not peers:
            continue
        engines = peers if settings.peers_only else ["vulcap", *peers]
        reference = reference_captions(settings) if workload == "images" else {}
        runs = run_rounds(workload, engines, settings, reference)
        summary, met = report(workload, engines, runs, settings, bars, len(reference))
        result["workloads"][workload] = {"summary": summary, "runs": runs}
        all_met = all_met and met
    if settings.json:
        settings.json.write_text(json.dumps(result, indent=1) + "\n")
    return all_met


def main():
    settings = parse_arguments()
    try:
        all_met = compare(settings)
    except BenchError as error:
        print(f"compare: {error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_BAR_MISSED if settings.check and not all_met else 0


if __name__ == "__main__":
    sys.exit(main())
