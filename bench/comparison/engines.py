"""The engines: how each is started, and what it can be compared on."""

from dataclasses import dataclass

from .common import BENCH


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
