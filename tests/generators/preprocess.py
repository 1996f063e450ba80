#!/usr/bin/env python3
"""Makes tests/golden/images/preprocess.json: pixel_values of the slow image processors of transformers 4.57.

usage: preprocess.py <tests/golden/images>
Needs transformers 4.57, Pillow 13 and numpy. Each case: config, image, shape (with frames in front where the processor makes several), CRC-32 of the float32 bytes, samples.
"""
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import transformers
from PIL import Image

CLIP = "CLIPImageProcessor"
CONFIGS = [
    {"image_processor_type": "ViTImageProcessor", "size": {"height": 33, "width": 47}},
    {"image_processor_type": "ViTImageProcessor"},
    {"image_processor_type": "ViTImageProcessor", "size": 40, "resample": 0, "image_mean": 0.4, "image_std": [0.2, 0.3, 0.4]},
    {"image_processor_type": "ViTImageProcessor", "size": [20, 31], "resample": 5, "do_rescale": False},
    {"image_processor_type": "ViTImageProcessor", "size": 24, "resample": 4, "do_normalize": False},
    {"image_processor_type": "ViTImageProcessor", "size": 24, "resample": 1, "do_normalize": False, "do_rescale": False},
    {"image_processor_type": "ViTImageProcessor", "do_resize": False},
    {"image_processor_type": "ViTImageProcessor", "size": 24, "do_normalize": None, "rescale_factor": 0.0078125},
    {"image_processor_type": "DeiTImageProcessor"},
    {"image_processor_type": "DeiTImageProcessor", "size": 30, "crop_size": 41},
    {"image_processor_type": "DeiTImageProcessor", "size": 37, "crop_size": {"height": 24, "width": 50}},
    {"image_processor_type": "BeitImageProcessor", "size": 51, "crop_size": 32},
    {"image_processor_type": CLIP},
    {"image_processor_type": CLIP, "size": 31, "crop_size": 28},
    {"image_processor_type": CLIP, "size": {"shortest_edge": 31, "longest_edge": 40}, "do_center_crop": False},
    {"image_processor_type": CLIP, "size": {"shortest_edge": 30}, "crop_size": 77},
    {"image_processor_type": CLIP, "size": {"shortest_edge": 77}, "crop_size": {"height": 30, "width": 91}},
    {"image_processor_type": CLIP, "size": {"height": 30, "width": 35}, "crop_size": 31},
    {"image_processor_type": CLIP, "size": {"height": 64, "width": 64}, "do_center_crop": False,
     "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    {"image_processor_type": CLIP, "size": 36, "use_square_size": True, "do_center_crop": False},
    {"image_processor_type": CLIP, "do_resize": False, "crop_size": 128},
    {"image_processor_type": "BitImageProcessor", "size": 33, "crop_size": 32, "do_convert_rgb": True},
    {"image_processor_type": "BlipImageProcessor"},
    {"image_processor_type": "BlipImageProcessor", "size": 33},
    {"image_processor_type": "SiglipImageProcessor"},
    {"image_processor_type": "SiglipImageProcessor", "size": {"height": 30, "width": 20}, "resample": 2},
    {"image_processor_type": "ConvNextImageProcessor"},
    {"image_processor_type": "ConvNextImageProcessor", "size": 100, "crop_pct": 0.95},
    {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}},
    {"image_processor_type": "ConvNextImageProcessor", "size": 64, "do_resize": False},
    {"image_processor_type": "MobileNetV1ImageProcessor", "size": 40, "crop_size": 33},
    {"image_processor_type": "MobileNetV2ImageProcessor"},
    {"image_processor_type": "PvtImageProcessor", "size": 50},
    {"image_processor_type": "Idefics3ImageProcessor", "size": {"longest_edge": 100}, "max_image_size": {"longest_edge": 40}},
    {"image_processor_type": "Idefics3ImageProcessor", "size": {"longest_edge": 75}, "max_image_size": {"longest_edge": 24},
     "do_image_splitting": False, "do_pad": True, "resample": 2},
    {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 32},
     "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]},
    {"image_processor_type": "SmolVLMImageProcessor", "do_resize": False, "max_image_size": {"longest_edge": 64}},
]
IMAGES = ["noise_203x61.png", "noise_57x301.png", "scene_640x427.jpg", "tiny_5x7.png"]


def main():
    folder = Path(sys.argv[1])
    cases = []
    for config in CONFIGS:
        processor = getattr(transformers, config["image_processor_type"])(
            **{k: v for k, v in config.items() if k != "image_processor_type"})
        for name in IMAGES:
            values = processor(images=Image.open(folder / name).convert("RGB"), return_tensors="np")["pixel_values"]
            values = np.ascontiguousarray(values[0], dtype=np.float32)
            at = np.linspace(0, values.size - 1, 5).astype(int)
            cases.append({"config": config, "image": name, "shape": list(values.shape),
                          "crc32": zlib.crc32(values.tobytes()),
                          "samples": [[int(i), float(values.reshape(-1)[i])] for i in at]})
    (folder / "preprocess.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
