#!/usr/bin/env python3
"""Makes tests/golden/images/odd/, decode.json and resize.json beside it; Pillow 13 is the oracle.

usage: images.py <tests/golden/images>
"""
import io
import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

warnings.simplefilter("ignore")
RNG = np.random.default_rng(20)


# --- PNG of any bit depth, colour type and interlacing ---------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(samples, bits):
    """samples: integers of one row, in order."""
    if bits == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    text = "".join(format(int(s), f"0{bits}b") for s in samples)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(pixels, bits, color, extra=b"", interlaced=False):
    """pixels: [height, width, samples]"""
    height, width, _ = pixels.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x0, y0, dx, dy in passes:
        part = pixels[y0::dy, x0::dx]
        if part.shape[1]:
            raw += b"".join(b"\0" + pack_row(row.reshape(-1).tolist(), bits) for row in part)
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(
        b"IEND", b"")


def noise(height, width, samples, bits):
    return RNG.integers(0, 1 << bits, (height, width, samples))


def palette(count):
    return chunk(b"PLTE", RNG.integers(0, 256, count * 3, dtype=np.uint8).tobytes())


def png_files():
    ramp = np.arange(20000).reshape(1, 20000, 1) % 256
    rgb_ramp = np.concatenate([ramp, 255 - ramp, ramp // 3], axis=2)
    yield "rgb16.png", png(noise(9, 13, 3, 16), 16, 2)
    yield "rgba16.png", png(noise(9, 13, 4, 16), 16, 6)
    yield "gray_alpha16.png", png(noise(9, 13, 2, 16), 16, 4)
    yield "gray16_low.png", png(noise(9, 13, 1, 9), 16, 0)
    yield "gray16_interlaced.png", png(noise(11, 9, 1, 9), 16, 0, interlaced=True)
    yield "gray1.png", png(noise(5, 13, 1, 1), 1, 0)
    yield "gray2.png", png(noise(5, 13, 1, 2), 2, 0)
    yield "gray4.png", png(noise(5, 13, 1, 4), 4, 0)
    yield "gray_trns.png", png(noise(5, 13, 1, 8), 8, 0, chunk(b"tRNS", struct.pack(">H", 7)))
    yield "rgb_trns.png", png(noise(5, 13, 3, 8), 8, 2, chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)))
    yield "palette_trns.png", png(noise(9, 13, 1, 8), 8, 3, palette(256) + chunk(b"tRNS", bytes(range(100))))
    yield "palette1.png", png(noise(9, 13, 1, 1), 1, 3, palette(2))
    yield "palette2.png", png(noise(9, 13, 1, 2), 2, 3, palette(4))
    yield "palette4.png", png(noise(9, 13, 1, 4), 4, 3, palette(16))
    yield "palette_short.png", png(noise(9, 13, 1, 8), 8, 3, palette(100))
    yield "palette4_interlaced.png", png(noise(9, 13, 1, 4), 4, 3, palette(16), interlaced=True)
    yield "gray1_interlaced.png", png(noise(13, 11, 1, 1), 1, 0, interlaced=True)
    yield "rgb_interlaced.png", png(noise(13, 11, 3, 8), 8, 2, interlaced=True)
    yield "rgba16_interlaced.png", png(noise(13, 11, 4, 16), 16, 6, interlaced=True)
    yield "interlaced_1x1.png", png(noise(1, 1, 3, 8), 8, 2, interlaced=True)
    yield "rgb_1x1.png", png(noise(1, 1, 3, 8), 8, 2)
    yield "rgb_20000x1.png", png(rgb_ramp, 8, 2)
    yield "rgb_1x5000.png", png(rgb_ramp.transpose(1, 0, 2)[:5000], 8, 2)
    yield "gamma.png", png(noise(5, 7, 3, 8), 8, 2, chunk(b"gAMA", struct.pack(">I", 100000)))


# --- JPEG: Pillow's encoder, and a small one for sampling factors that it cannot write -------------------------

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
AC_SYMBOLS = [0x00, 0xF0] + [run << 4 | size for run in range(16) for size in range(1, 11)]


class BitWriter:
    def __init__(self):
        self.text = []

    def put(self, value, bits):
        if bits:
            self.text.append(format(value, f"0{bits}b"))

    def signed(self, value, size):
        self.put(value if value >= 0 else value + (1 << size) - 1, size)

    def data(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def dct_matrix():
    k = np.arange(8)
    m = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16) / 2
    m[0] /= np.sqrt(2)
    return m


def put_block(writer, block, previous, step):
    m = dct_matrix()
    levels = np.rint(m @ (block - 128.0) @ m.T / step).astype(int).reshape(-1)[ZIGZAG].tolist()
    size = abs(levels[0] - previous).bit_length()
    writer.put(size, 4)
    writer.signed(levels[0] - previous, size)
    run = 0
    last = max([i for i in range(64) if levels[i]] + [0])
    for level in levels[1:last + 1]:
        if level == 0:
            run += 1
            continue
        for _ in range(run // 16):
            writer.put(AC_SYMBOLS.index(0xF0), 8)
        size = abs(level).bit_length()
        writer.put(AC_SYMBOLS.index((run % 16) << 4 | size), 8)
        writer.signed(level, size)
        run = 0
    if last < 63:
        writer.put(AC_SYMBOLS.index(0), 8)
    return levels[0]


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(height, width, factors, step=8):
    """factors: (horizontal, vertical) sampling of each component; smooth content with some noise."""
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    mcus_x, mcus_y = -(-width // (8 * hmax)), -(-height // (8 * vmax))
    planes = []
    for i, (h, v) in enumerate(factors):
        y, x = np.mgrid[0:mcus_y * v * 8, 0:mcus_x * h * 8]
        wave = 128 + 90 * np.sin((x * (i + 1) / h + y / v) / 7.0) + RNG.normal(0, 12, x.shape)
        planes.append(np.clip(wave, 0, 255))
    writer, previous = BitWriter(), [0] * len(factors)
    for my in range(mcus_y):
        for mx in range(mcus_x):
            for c, (h, v) in enumerate(factors):
                for by in range(my * v, my * v + v):
                    for bx in range(mx * h, mx * h + h):
                        block = planes[c][by * 8:by * 8 + 8, bx * 8:bx * 8 + 8]
                        previous[c] = put_block(writer, block, previous[c], step)
    components = b"".join(bytes([c + 1, h << 4 | v, 0]) for c, (h, v) in enumerate(factors))
    ac_counts = bytes([0] * 7 + [len(AC_SYMBOLS)] + [0] * 8)
    return (b"\xff\xd8" + segment(0xDB, b"\0" + bytes([step] * 64)) +
            segment(0xC0, struct.pack(">BHHB", 8, height, width, len(factors)) + components) +
            segment(0xC4, b"\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12))) +
            segment(0xC4, b"\x10" + ac_counts + bytes(AC_SYMBOLS)) +
            segment(0xDA, bytes([len(factors)]) + b"".join(bytes([c + 1, 0]) for c in range(len(factors))) +
                    b"\0\x3f\0") + writer.data() + b"\xff\xd9")


def photo(height, width):
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin((x * a + y * b) / 9.0) * 100 + 128 + RNG.normal(0, 10, x.shape) for a, b in
             ((1, 0.3), (0.2, 1), (0.7, -0.6))]
    return Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8))


def save(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def jpeg_files():
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"pillow_{name}_37x29.jpg", save(photo(29, 37), subsampling=sampling, quality=80)
    yield "progressive_420_37x29.jpg", save(photo(29, 37), subsampling=2, quality=60, progressive=True)
    yield "progressive_gray.jpg", save(photo(29, 37).convert("L"), progressive=True)
    yield "restart.jpg", save(photo(29, 37), restart_marker_blocks=2)
    yield "rgb_space.jpg", save(photo(29, 37), keep_rgb=True)
    yield "quality100.jpg", save(photo(29, 37), quality=100, subsampling=0)
    yield "quality5.jpg", save(photo(64, 65), quality=5)
    cmyk = save(photo(29, 37).convert("CMYK"), quality=90)
    yield "cmyk_37x29.jpg", cmyk
    at = cmyk.index(b"Adobe") + 11
    yield "ycck.jpg", cmyk[:at] + b"\2" + cmyk[at + 1:]
    yield "cmyk_no_adobe.jpg", cmyk.replace(b"Adobe", b"Other")
    yield "rgb_1x1.jpg", save(photo(1, 1))
    yield "rgb_3000x1.jpg", save(photo(1, 3000), quality=40)
    yield "sampled_411.jpg", jpeg(19, 45, [(4, 1), (1, 1), (1, 1)])
    yield "sampled_440.jpg", jpeg(45, 19, [(1, 2), (1, 1), (1, 1)])
    yield "sampled_410.jpg", jpeg(33, 70, [(4, 2), (1, 1), (1, 1)])
    yield "sampled_1x4.jpg", jpeg(70, 33, [(1, 4), (1, 1), (1, 1)])
    yield "sampled_mixed.jpg", jpeg(40, 40, [(2, 2), (2, 1), (1, 2)])
    yield "sampled_chroma_larger.jpg", jpeg(40, 40, [(1, 1), (2, 2), (2, 2)])
    yield "sampled_gray_2x2.jpg", jpeg(24, 24, [(1, 1)])


# --- expectations ------------------------------------------------------------------------------------------------

def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def decode_cases(folder):
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".png", ".jpg"):
            rgb = np.asarray(Image.open(path).convert("RGB"))
            yield {"file": path.relative_to(folder).as_posix(), "width": rgb.shape[1], "height": rgb.shape[0],
                   "crc32": crc(rgb)}


def resize_cases(folder):
    sizes = {
        "noise_203x61.png": [(203, 61), (224, 224), (48, 48), (203, 30), (100, 61), (1, 1), (407, 5), (17, 331),
                             (202, 60), (204, 62), (768, 768)],
        "noise_57x301.png": [(224, 224), (29, 29), (57, 300), (56, 301), (3, 1000), (58, 2), (384, 384), (47, 281), (47, 280),
                             (67, 302), (67, 299)],
        "scene_640x427.jpg": [(224, 224), (384, 384), (335, 224), (31, 17)],
        "tiny_5x7.png": [(224, 224), (4, 6), (1, 7), (5, 1), (333, 2)],
        "odd/rgb_1x1.png": [(1, 1), (5, 9), (224, 224)],
        "odd/rgb_20000x1.png": [(224, 224), (20000, 2), (333, 1), (1, 1), (19999, 1)],
        "odd/rgb_1x5000.png": [(224, 224), (1, 333), (2, 4999)],
    }
    for name, targets in sizes.items():
        image = Image.open(folder / name).convert("RGB")
        for width, height in targets:
            for resample in range(6):
                yield {"file": name, "width": width, "height": height, "filter": resample,
                       "crc32": crc(np.asarray(image.resize((width, height), resample=resample)))}


def write_cases(path, cases):
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def main():
    folder = Path(sys.argv[1])
    (folder / "odd").mkdir(parents=True, exist_ok=True)
    for name, data in [*png_files(), *jpeg_files()]:
        (folder / "odd" / name).write_bytes(data)
    write_cases(folder / "decode.json", decode_cases(folder))
    write_cases(folder / "resize.json", resize_cases(folder))


main()
