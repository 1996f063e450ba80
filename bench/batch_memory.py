#!/usr/bin/env python3
"""Host memory of a long batch job: captions many images and fits a line through its resident memory.

    bench/batch_memory.py --images 20000 [-b 16] [--model DIR] [--program build/release/vulcap]

The images are names for the embedded model's samples, in a temporary folder. Prints one JSON object: the slope in
MB per 10,000 images, fitted from the tenth part of the job on, with the first, last and highest reading, images a
second and the exit code. Ends with 1 where the slope is 1 MB or more, or the job failed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "models/scenes-vit-gpt2/expected/images"


def resident_mb(process):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None


class LineCounter:
    """Lines of a file that grows."""

    def __init__(self, path):
        self.path, self.offset, self.lines = path, 0, 0

    def count(self):
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.offset)
                new = file.read()
            self.offset += len(new)
            self.lines += new.count(b"\n")
        return self.lines


def slope(points):
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def make_images(folder, count):
    samples = sorted(SAMPLES.glob("*.png")) + sorted(SAMPLES.glob("*.jpg"))
    for i in range(count):
        sample = samples[i % len(samples)]
        (folder / f"image_{i:06}{sample.suffix}").symlink_to(sample)


def run(arguments, folder):
    output = folder / "out.jsonl"
    images = folder / "images"
    images.mkdir()
    make_images(images, arguments.images)
    command = [arguments.program, "batch", str(images), "-o", str(output), "-b", str(arguments.batch_size),
               "--device", arguments.device, "--quiet"]
    if arguments.model:
        command += ["--model", arguments.model]
    begin = time.monotonic()
    job = subprocess.Popen(command)
    lines, points = LineCounter(output), []
    while job.poll() is None:
        time.sleep(0.2)
        memory = resident_mb(job.pid) if job.poll() is None else None
        if memory:
            points.append((lines.count(), memory))
    seconds = time.monotonic() - begin
    late = [point for point in points if point[0] >= arguments.images / 10]
    return {
        "images": lines.count(), "batch_size": arguments.batch_size, "exit_code": job.returncode,
        "images_per_second": round(lines.lines / seconds, 1), "readings": len(late),
        "first_mb": round(late[0][1], 2), "last_mb": round(late[-1][1], 2),
        "peak_mb": round(max(memory for _, memory in points), 2),
        "slope_mb_per_10000": round(slope(late) * 10000, 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("-b", "--batch-size", type=int, default=16)
    parser.add_argument("--model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--program", default=str(ROOT / "build/release/vulcap"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(arguments, pathlib.Path(folder))
    print(json.dumps(result))
    sys.exit(0 if result["exit_code"] == 0 and result["slope_mb_per_10000"] < 1 else 1)


if __name__ == "__main__":
    main()
