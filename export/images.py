"""Pictures to validate with: the user's, or two that are drawn here."""

import pathlib

import numpy as np
from PIL import Image

from .options import USAGE, ExportError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def draw() -> dict[str, Image.Image]:
    """Colour ramps with a disc, and coarse noise."""
    y, x = np.mgrid[0:37, 0:45]
    ramps = np.stack([x * 5, y * 6, 255 - x * 3], -1).astype(np.uint8)
    ramps[(x - 15) ** 2 + (y - 18) ** 2 < 90] = (230, 60, 20)
    coarse = np.random.default_rng(7).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    return {
        "ramps.png": Image.fromarray(ramps),
        "blocks.png": Image.fromarray(coarse.repeat(12, 0).repeat(8, 1)),
    }


def write_images(source: pathlib.Path | None, target: pathlib.Path) -> dict[str, Image.Image]:
    """Puts the pictures into `target` and returns them as RGB, by name."""
    if source is not None and not source.is_dir():
        raise ExportError(f"--images {source}: no such folder", USAGE)
    found = [] if source is None else sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
    if source is not None and not found:
        raise ExportError(f"--images {source}: holds no picture ({', '.join(sorted(SUFFIXES))})", USAGE)
    target.mkdir(parents=True)
    for path in found:
        (target / path.name).write_bytes(path.read_bytes())
    if source is None:
        for name, image in draw().items():
            image.save(target / name)
    return {path.name: Image.open(path).convert("RGB") for path in sorted(target.iterdir())}
