#!/usr/bin/env python3
"""Makes tests/golden/pixel_values/patches.json; the slow Qwen2VLImageProcessor of transformers 4.57 is the oracle.

usage: patches.py <tests/golden>
needs: transformers, numpy, pillow
"""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor, smart_resize

CONFIGS = [
    dict(min_pixels=4 * 28 * 28, max_pixels=12 * 28 * 28),
    dict(min_pixels=64 * 64, max_pixels=90 * 90, patch_size=8, merge_size=1, temporal_patch_size=3, image_mean=[0.5] * 3, image_std=[0.25] * 3),
    dict(min_pixels=100, max_pixels=20000, patch_size=5, merge_size=3, temporal_patch_size=1, resample=2),
]
IMAGES = ["scene_320x320.png", "noise_203x61.png", "noise_57x301.png", "tiny_5x7.png", "exif_rotated.jpg"]
SIDES = [1, 5, 7, 13, 14, 20, 28, 41, 42, 43, 70, 98, 199, 640, 1333, 4000]


def main(golden):
    cases = []
    for config in CONFIGS:
        processor = Qwen2VLImageProcessor(**config)
        saved = json.loads(processor.to_json_string())
        for name in IMAGES:
            e = processor(images=Image.open(golden / "images" / name).convert("RGB"), return_tensors="np")
            flat = e.pixel_values.ravel()
            samples = [[int(i), float(flat[i])] for i in np.linspace(0, flat.size - 1, 97).astype(int)]
            cases.append(dict(config=saved, image=name, grid=e.image_grid_thw[0].tolist(), shape=list(e.pixel_values.shape), sum=float(flat.sum(dtype=np.float64)), samples=samples))
    sizes = [[w, h, low, high, *reversed(smart_resize(h, w, 28, low, high))] for low, high in ((3136, 9408), (3136, 1003520), (1, 40000)) for w in SIDES for h in SIDES if max(w, h) <= 200 * min(w, h) and (low > 1 or min(w, h) > 14)]
    (golden / "pixel_values" / "patches.json").write_text(json.dumps({"cases": cases, "smart_resize": sizes}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
