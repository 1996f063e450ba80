"""One process of an engine: its lines with their times, its peak memory, and how busy the machine was."""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .common import BenchError


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
