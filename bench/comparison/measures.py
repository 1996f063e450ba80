"""From the records of engines to measures, over all rounds."""

import statistics
import sys
import time
from pathlib import Path

from .common import SUFFIXES, BenchError
from .engines import PEERS, vulcap_command
from .process import records, run_process

# Below this the process itself, not the weights, decides the peak memory.
LEAST_WEIGHT_BYTES_FOR_RATIO = 100_000_000
GRAPH_TIMES = ("load", "encoder", "prefill", "step", "caption")


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
