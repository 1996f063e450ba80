"""Writes tests/golden/audio/resample_<from>_<to>.npy: numpy only. The formula of torchaudio.functional.resample
with its defaults (sinc_interp_hann, lowpass_filter_width 6, rolloff 0.99), with the whole kernel matrix as there."""
import math
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).parent.parent / "golden" / "audio"
ZEROS, ROLLOFF = 6, 0.99


def resample(x, orig, new):
    g = math.gcd(orig, new)
    orig, new = orig // g, new // g
    base = min(orig, new) * ROLLOFF
    width = math.ceil(ZEROS * orig / base)
    t = (np.arange(0, -new, -1)[:, None] / new + np.arange(-width, width + orig)[None] / orig) * base
    t = np.clip(t, -ZEROS, ZEROS)
    kernel = (np.cos(t * math.pi / ZEROS / 2) ** 2 * np.sinc(t) * base / orig).astype(np.float32)
    padded = np.pad(x, (width, width + orig))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1])[::orig]
    return (windows @ kernel.T).reshape(-1)[: math.ceil(new * len(x) / orig)].astype(np.float32)


source = np.load(OUT / "tones_half_second_float32.npy")[:2500]
for orig, new in ((44100, 16000), (8000, 16000), (48000, 16000), (11025, 16000), (16000, 22050)):
    np.save(OUT / f"resample_{orig}_{new}.npy", resample(source, orig, new))
