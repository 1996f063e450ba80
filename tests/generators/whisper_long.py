"""Writes tests/golden/families/whisper-long: numpy, onnx, onnxruntime and the sources of transformers 4.57 (argument: its
folder). Recordings of several windows, greedy on ONNX Runtime: the loop over windows is written here, its rules are
the reference's own (whisper_rules.py). The model is that of tests/golden/families/whisper with most text tokens
suppressed, so that time stamps and pairs of them come."""
import json
import math
import pathlib
import shutil
import types
import wave

import numpy as np
import onnxruntime

from whisper_rules import WHISPER, function, tensor

ROOT = pathlib.Path(__file__).parent.parent / "golden" / "families"
MODEL, OUT = ROOT / "whisper", ROOT / "whisper-long"
SECONDS, RATE = 9, 16000


def sound():
    r = np.random.default_rng(5)
    t = np.arange(SECONDS * RATE) / RATE
    x = 0.3 * np.sin(2 * np.pi * (200 * t + 150 * t * t)) * (0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * t)) + 0.2 * np.sin(2 * np.pi * 660 * t) * (np.floor(t * 1.3) % 2)
    return np.clip(np.round((x + 0.01 * r.standard_normal(len(t))) * 128), -128, 127).astype(np.int32)


def hertz(mel): return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def features(x, mels=80, n_fft=400, hop=160):
    """WhisperFeatureExtractor of the whole recording (truncation=False, padding="longest")."""
    padded = np.pad(x, n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(x) // hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1])) ** 2
    edges = hertz(np.linspace(0, 15 + math.log(8) * 27 / math.log(6.4), mels + 2))
    bins = np.linspace(0, RATE // 2, n_fft // 2 + 1)[:, None]
    filters = np.maximum(0, np.minimum((bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:])) * 2 / (edges[2:] - edges[:-2])
    log = np.log10(np.maximum(power @ filters, 1e-10)).T
    return ((np.maximum(log, log.max() - 8) + 4) / 4).astype(np.float32)


class Model:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.encoder = onnxruntime.InferenceSession(str(MODEL / "encoder_model.onnx"), options)
        self.decoder = onnxruntime.InferenceSession(str(MODEL / "decoder_model.onnx"), options)

    def encode(self, x): return self.encoder.run(["last_hidden_state"], {"input_features": x[None]})[0]

    def logits(self, ids, hidden): return self.decoder.run(["logits"], {"input_ids": np.array([ids]), "encoder_hidden_states": hidden})[0][0, -1]


def greedy(model, hidden, prompt, g, most):
    rules = function("generation/logits_process.py", "__call__", "WhisperTimeStampLogitsProcessor")
    self = types.SimpleNamespace(no_timestamps_token_id=g["no_timestamps_token_id"], timestamp_begin=g["no_timestamps_token_id"] + 1, eos_token_id=g["eos_token_id"],
                                 begin_index=len(prompt), max_initial_timestamp_index=g["max_initial_timestamp_index"], _detect_timestamp_from_logprob=True)
    ids, lead = list(prompt), np.inf
    while len(ids) < most:
        s = model.logits(ids, hidden).astype(np.float32).copy()
        if len(ids) == len(prompt):
            s[g["begin_suppress_tokens"]] = -np.inf
        s[g["suppress_tokens"]] = -np.inf
        with np.errstate(all="ignore"):
            s = np.asarray(rules(self, tensor([ids]), tensor(s[None])))[0]
        top = np.sort(s)[-2:]
        lead = min(lead, top[1] - top[0])
        ids.append(int(s.argmax()))
        if ids[-1] == g["eos_token_id"]:
            return ids[len(prompt):-1], lead
    return ids[len(prompt):], lead


def transcribe(model, mel, g, config, init, condition, words=()):
    split = function(WHISPER, "_retrieve_segment", "WhisperGenerationMixin")
    window, begin = 2 * config["max_source_positions"], g["no_timestamps_token_id"] + 1
    seek, segments, seeks, first, worst = 0, [], [], None, np.inf
    while seek < mel.shape[1]:
        frames = min(mel.shape[1] - seek, window)
        hidden = model.encode(np.pad(mel[:, seek:seek + frames], ((0, 0), (0, window - frames))))
        before = []
        if condition and (segments or words):
            text = list(words)[1:]
            for s in segments:
                text += s[:-1] if len(s) > 2 and s[-2] >= begin else s
            before = [g["prev_sot_token_id"]] + text[-(config["max_target_positions"] // 2 - 1):]
        elif words:
            before = list(words)
        prompt = before + init
        first = first or prompt
        ids, lead = greedy(model, hidden, prompt, g, g["max_length"])
        worst = min(worst, lead)
        got, offset = split(seek_sequence=tensor(ids, np.int64), seek_outputs=[None], time_offset=tensor([seek * 0.01]), timestamp_begin=begin, seek_num_frames=tensor([frames]),
                            time_precision=0.02, time_precision_features=0.01, input_stride=2, prev_idx=0, idx=0, return_token_timestamps=False, decoder_input_ids=tensor([prompt]))
        segments += [np.asarray(s["tokens"]).tolist() for s in got]
        seeks.append(seek)
        seek += int(offset)
    return sum(segments, []), first, seeks, worst


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "expected" / "audio").mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "encoder_model.onnx", "decoder_model_merged.onnx"):
        shutil.copy(MODEL / name, OUT / name)
    g, config = json.loads((MODEL / "generation_config.json").read_text()), json.loads((MODEL / "config.json").read_text())
    keep = np.random.default_rng(3).choice(g["eos_token_id"], 16, replace=False).tolist()
    g["suppress_tokens"] = [i for i in range(g["no_timestamps_token_id"]) if i not in keep and i != g["eos_token_id"]]
    g["max_length"] = 50
    del g["return_timestamps"]
    (OUT / "generation_config.json").write_text(json.dumps(g))
    q = sound()
    with wave.open(str(OUT / "expected" / "audio" / "long.wav"), "wb") as w:
        w.setnchannels(1), w.setsampwidth(1), w.setframerate(RATE)
        w.writeframes((q + 128).astype(np.uint8).tobytes())
    mel, model = features(q / 128), Model()
    init = [g["decoder_start_token_id"], g["lang_to_id"]["<|en|>"], g["task_to_id"]["transcribe"]]
    cases = []
    for name, condition in (("long recording", False), ("long recording, on the text before", True)):
        ids, prompt, seeks, lead = transcribe(model, mel, g, config, init, condition)
        print(name, seeks, ids, "closest choice", lead)
        params = {"language": "en", "task": "transcribe", "return_timestamps": True} | ({"condition_on_prev_tokens": True} if condition else {})
        cases.append({"name": name, "input": "audio/long.wav", "params": params, "decoder_prompt": prompt, "expected": {"sequences": [ids]}})
    (OUT / "expected" / "pipeline.json").write_text(json.dumps({"task": "automatic-speech-recognition", "cases": cases}))


if __name__ == "__main__":
    main()
