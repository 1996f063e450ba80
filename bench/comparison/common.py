"""What all parts of the comparison share."""

import os
import platform
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
EXIT_FAILED, EXIT_BAR_MISSED = 1, 6
BUSY_MACHINE = 0.1


class BenchError(Exception):
    pass


def host():
    try:
        cpu_info = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in cpu_info if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.machine()
    return {"cpu": cpu, "cpus": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}
