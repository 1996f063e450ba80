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
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

BENCH = Path(__file__).resolve().parent
EXIT_FAILED, EXIT_BAR_MISSED = 1, 6
SUFFIXES = {"fp32": "", "fp16": "_fp16", "q8": "_quantized", "q4": "_q4"}
# Below this the process itself, not the weights, decides the peak memory.
LEAST_WEIGHT_BYTES_FOR_RATIO = 100_000_000
BUSY_MACHINE = 0.1
GRAPH_TIMES = ("load", "encoder", "prefill", "step", "caption")
TITLES = {
    "load": "load",
    "encoder": "encoder",
    "prefill": "first decoder call",
    "step": "cached step",
    "caption": "encoder and all tokens",
    "first_caption": "process start to first caption",
    "image": "an image after the first",
    "image_own_clock": "the same by the engine's clock",
    "peak_bytes": "peak memory",
    "peak_over_weights": "peak memory / weight files",
    "equal": "captions equal to the reference",
    "same_tokens": "same tokens as vulcap",
    "other_load": "share of the CPUs used by others",
}


class BenchError(Exception):
    pass


# ---- engines


def shared_options(settings):
    return ["--model", str(settings.model), "--dtype", settings.dtype, "--threads", str(settings.threads)]


def graph_options(settings):
    return shared_options(settings) + ["--rounds", str(settings.repeats)]


def vulcap_command(settings, workload, images):
    device = ["--device", settings.device]
    if workload == "graphs":
        return [
            settings.vulcap,
            "bench",
            *graph_options(settings),
            *device,
            "--steps",
            str(settings.steps),
            "--json",
        ]
    return [settings.vulcap, "caption", *shared_options(settings), *device, "--format", "jsonl", *images]


def ort_cpu_command(settings, _):
    return [
        settings.python,
        str(BENCH / "peers/ort_cpu.py"),
        *graph_options(settings),
        "--steps",
        str(settings.steps),
    ]


def ort_webgpu_command(settings, _):
    return [
        settings.node,
        str(BENCH / "peers/ort_webgpu.mjs"),
        *graph_options(settings),
        "--node-modules",
        settings.node_modules,
    ]


def transformers_js_command(settings, images):
    device = {"cpu": "cpu", "vulkan": "webgpu"}[settings.device]
    return [
        settings.node,
        str(BENCH / "peers/transformers_js.mjs"),
        *shared_options(settings),
        "--device",
        device,
        "--node-modules",
        settings.node_modules,
        *images,
    ]


def optimum_command(settings, images):
    return [
        settings.optimum_python,
        str(BENCH / "peers/optimum_captions.py"),
        *shared_options(settings),
        *images,
    ]


@dataclass(frozen=True)
class Peer:
    workload: str
    devices: tuple
    command: object


PEERS = {
    "ort-cpu": Peer("graphs", ("cpu",), ort_cpu_command),
    "ort-webgpu": Peer("graphs", ("vulkan",), ort_webgpu_command),
    "transformers-js": Peer("images", ("cpu", "vulkan"), transformers_js_command),
    "optimum": Peer("images", ("cpu",), optimum_command),
}


# ---- one process


@dataclass
class Finished:
    lines: list  # (seconds since the process started, text)
    peak_bytes: int
    other_load: float  # of all CPUs, by other processes, while it ran; None where /proc/stat is missing


def busy_cpu_seconds():
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft_irq, steal = fields
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def environment(settings, cache_folder):
    variables = dict(os.environ, XDG_CACHE_HOME=cache_folder, MESA_SHADER_CACHE_DIR=cache_folder)
    if settings.icd:
        variables["VK_ICD_FILENAMES"] = variables["VK_DRIVER_FILES"] = str(Path(settings.icd).resolve())
    if settings.library_path:
        variables["LD_LIBRARY_PATH"] = ":".join(
            filter(None, [settings.library_path, variables.get("LD_LIBRARY_PATH")])
        )
    variables.setdefault("LP_NUM_THREADS", str(settings.threads))
    return variables


def run_process(command, settings):
    with tempfile.TemporaryDirectory() as cache_folder, tempfile.TemporaryFile("w+") as errors:
        busy_before, start = busy_cpu_seconds(), time.perf_counter()
        try:
            child = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(settings, cache_folder),
            )
        except OSError as error:
            raise BenchError(f"cannot start {command[0]}: {error.strerror}") from error
        lines = [(time.perf_counter() - start, line) for line in child.stdout]
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            tail = errors.read().strip().splitlines()[-5:]
            raise BenchError(
                f"exit code {child.returncode} from: {' '.join(command[:2])} ...\n  " + "\n  ".join(tail)
            )
    other = None
    if busy_before is not None:
        own = usage.ru_utime + usage.ru_stime
        other = max(0.0, busy_cpu_seconds() - busy_before - own) / (wall * os.cpu_count())
    return Finished(lines, usage.ru_maxrss * 1024, other)


def records(finished, command):
    try:
        return [(seconds, json.loads(line)) for seconds, line in finished.lines if line.strip()]
    except json.JSONDecodeError as error:
        raise BenchError(f"a line that is not JSON from: {' '.join(command[:2])} ... ({error})") from error


# ---- measures


def graph_measures(finished, command):
    _, record = records(finished, command)[-1]
    samples = {name: record[f"{name}_seconds"] for name in GRAPH_TIMES if record.get(f"{name}_seconds")}
    measures = {name: statistics.median(x) if isinstance(x, list) else x for name, x in samples.items()}
    return {**measures, "record": record}


def image_measures(finished, command, reference):
    lines = records(finished, command)
    if len(lines) != len(reference):
        raise BenchError(
            f"{len(lines)} captions for {len(reference)} images from: {' '.join(command[:2])} ..."
        )
    arrivals = [seconds for seconds, _ in lines]
    own_clock = [record["timing"]["total"] for _, record in lines]
    captions = {Path(record["file"]).name: record["caption"] for _, record in lines}
    measures = {
        "first_caption": arrivals[0],
        "equal": sum(captions.get(f) == text for f, text in reference.items()),
    }
    if len(lines) > 1:
        span = arrivals[-1] - arrivals[0]
        if span < 0.5 * sum(own_clock[1:]):
            raise BenchError(
                f"captions came together, not flushed one by one, from: {' '.join(command[:2])} ..."
            )
        measures["image"] = span / (len(lines) - 1)
        measures["image_own_clock"] = statistics.mean(own_clock[1:])
    return {**measures, "captions": captions, "own_clock_seconds": own_clock, "arrival_seconds": arrivals}


def run_engine(name, workload, settings, reference):
    images = [str(settings.images / file) for file in reference]
    if name == "vulcap":
        command = vulcap_command(settings, workload, images)
    else:
        command = PEERS[name].command(settings, images)
    finished = run_process(command, settings)
    memory = {"peak_bytes": finished.peak_bytes, "other_load": finished.other_load}
    if workload == "images":
        return {**image_measures(finished, command, reference), **memory}
    weights = weight_file_bytes(settings, name)
    if weights >= LEAST_WEIGHT_BYTES_FOR_RATIO:
        memory["peak_over_weights"] = finished.peak_bytes / weights
    return {**graph_measures(finished, command), **memory}


def graph_files(settings, stems):
    names = [f"{stem}{SUFFIXES[settings.dtype]}.onnx" for stem in stems]
    folders = [settings.model / "onnx", settings.model]
    return [file for name in names for folder in folders for file in folder.glob(name + "*")]


def weight_file_bytes(settings, engine):
    stems = ["encoder_model"]
    if settings.steps and engine != "ort-webgpu":
        stems.append("decoder_model_merged")
    return sum(file.stat().st_size for file in graph_files(settings, stems))


def same_tokens(runs):
    """Whether each engine that reports tokens gave those of vulcap."""
    tokens = {name: own[-1]["record"].get("tokens") for name, own in runs.items()}
    expected = tokens.get("vulcap")
    return {name: ids == expected for name, ids in tokens.items() if name != "vulcap" and ids and expected}


# ---- all rounds


def read_model_files_once(settings):
    for file in graph_files(settings, ["encoder_model", "decoder_model_merged"]):
        with open(file, "rb") as stream:
            while stream.read(1 << 24):
                pass


def run_rounds(workload, engines, settings, reference):
    runs = {name: [] for name in engines}
    for index in range(settings.rounds):
        for name in engines:
            start = time.perf_counter()
            runs[name].append(run_engine(name, workload, settings, reference))
            seconds = time.perf_counter() - start
            print(f"round {index + 1}/{settings.rounds} {workload} {name}: {seconds:.1f} s", file=sys.stderr)
    return runs


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(runs):
    """{"engines": {engine: {measure: median, min, max}}, "ratios": {peer: the same of vulcap / peer}}."""
    measured = {
        name: {m: [run[m] for run in own] for m in TITLES if own[0].get(m) is not None}
        for name, own in runs.items()
    }
    summary = {name: {m: spread(values) for m, values in own.items()} for name, own in measured.items()}
    ours = measured.get("vulcap", {})
    ratios = {}
    for peer in measured.keys() - {"vulcap"} if ours else ():
        ratios[peer] = {
            m: spread([a / b for a, b in zip(ours[m], theirs)])
            for m, theirs in measured[peer].items()
            if m in ours and m not in ("equal", "other_load") and min(theirs) > 0
        }
    return {"engines": summary, "ratios": ratios}


def bar_of(measure, peer, settings, bars):
    """The bar for vulcap's ratio to `peer`, or for vulcap's own value where `peer` is None."""
    if peer is None:
        return bars["vulcap"].get(settings.device, {}).get(measure)
    return bars["vulcap_over_peer"].get(peer, {}).get(measure)


def judge(summary, settings, bars, image_count):
    """[(text, met)] for each bar that this run measures."""
    verdicts = []
    for measure, value in summary["engines"].get("vulcap", {}).items():
        bar = image_count if measure == "equal" else bar_of(measure, None, settings, bars)
        if bar is not None:
            met = value["median"] >= bar if measure == "equal" else value["median"] <= bar
            verdicts.append((f"{TITLES[measure]}: {value['median']:.3g}, bar {bar:g}", met))
    for peer, ratios in summary["ratios"].items():
        for measure, ratio in ratios.items():
            bar = bar_of(measure, peer, settings, bars)
            if bar is not None:
                text = f"{TITLES[measure]}: {ratio['median']:.3f}x of {peer}, bar {bar:g}x"
                verdicts.append((text, ratio["median"] <= bar))
    return verdicts


# ---- report


def number(measure, value, image_count):
    if measure == "peak_bytes":
        return f"{value / 1e6:.0f} MB"
    if measure == "peak_over_weights":
        return f"{value:.2f}x"
    if measure == "other_load":
        return f"{100 * value:.0f} %"
    if measure == "equal":
        return f"{value:g} of {image_count}"
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def cell(measure, value, image_count):
    if value is None:
        return "-"
    low, middle, high = (number(measure, value[key], image_count) for key in ("min", "median", "max"))
    return middle if low == high else f"{middle} ({low} to {high})"


def ratio_cell(ratio):
    return f"**{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else "-"


def table(summary, engines, image_count):
    peers = [name for name in engines if name in summary["ratios"]]
    rows = [["", *engines, *(f"vulcap / {peer}" for peer in peers)]]
    rows.append(["---"] * len(rows[0]))
    for measure, title in TITLES.items():
        values = [summary["engines"][name].get(measure) for name in engines]
        if any(values):
            ratios = [ratio_cell(summary["ratios"][peer].get(measure)) for peer in peers]
            rows.append([title, *(cell(measure, value, image_count) for value in values), *ratios])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def host():
    try:
        cpu_info = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in cpu_info if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.machine()
    return {"cpu": cpu, "cpus": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def report(workload, engines, runs, settings, bars, image_count):
    """Prints the table and the verdicts; returns (summary with verdicts, whether every bar is met)."""
    summary = summarise(runs)
    title = f"{workload}: {settings.model.name}, {settings.dtype}, {settings.device}"
    print(f"\n### {title}, {settings.threads} threads, {settings.rounds} rounds\n")
    print(table(summary, engines, image_count) + "\n")
    for peer, equal in same_tokens(runs).items() if workload == "graphs" else ():
        print(f"- {TITLES['same_tokens']}, {peer}: {'yes' if equal else 'NO'}")
    loads = [own.get("other_load", {"max": 0})["max"] for own in summary["engines"].values()]
    if max(loads) > BUSY_MACHINE:
        print(
            f"- busy machine: others used up to {100 * max(loads):.0f} % of the CPUs; repeat on a quiet one"
        )
    verdicts = judge(summary, settings, bars, image_count)
    for text, met in verdicts:
        print(f"- {'met' if met else 'MISSED'}: {text}")
    summary["bars"] = [{"text": text, "met": met} for text, met in verdicts]
    return summary, all(met for _, met in verdicts)


# ---- command line


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
