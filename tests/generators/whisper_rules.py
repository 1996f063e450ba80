"""Writes tests/golden/speech/*.json: numpy, and the sources of transformers 4.57 (argument: its folder; it need not
be importable). Whisper's own rules are taken out of the reference as they stand and run on numpy arrays that answer
the few calls of torch tensors that occur in them."""
import ast
import copy
import json
import math
import pathlib
import random
import sys
import types

import numpy as np

SOURCE = pathlib.Path(sys.argv[1])
OUT = pathlib.Path(__file__).parent.parent / "golden" / "speech"


def function(path, name, cls):
    """The method's source, compiled as a plain function."""
    text = (SOURCE / path).read_text()
    body = next(n for n in ast.parse(text).body if isinstance(n, ast.ClassDef) and n.name == cls).body
    node = next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)
    node.decorator_list, node.returns = [], None
    for argument in node.args.args:
        argument.annotation = None
    scope = dict(globals(), torch=TORCH, copy=copy, math=math, logger=types.SimpleNamespace(info=lambda *_: None, warning_once=lambda *_: None),
                 TO_LANGUAGE_CODE=LANGUAGE_CODES, TASK_IDS=["translate", "transcribe"], Iterator=list)
    exec(compile(ast.Module([node], []), name, "exec"), scope)
    return scope[name]


class Tensor(np.ndarray):
    device = types.SimpleNamespace(type="cpu")

    def ge(self, other): return (np.asarray(self) >= other).view(Tensor)
    def to(self, dtype): return self.astype(dtype)
    def add_(self, n): self += n
    def nonzero(self): return tensor(np.argwhere(np.asarray(self)))
    def numel(self): return self.size
    def clone(self): return self.copy()
    def float(self): return self.astype(np.float32)
    def expand(self, *_): return self

    def logsumexp(self, dim=-1):
        x = np.asarray(self, np.float64)
        m = x.max() if x.size else -np.inf
        return m + np.log(np.exp(x - m).sum()) if np.isfinite(m) else m

    def __getitem__(self, key):
        got = super().__getitem__(key)
        return got if isinstance(got, np.ndarray) else np.asarray(got).view(Tensor)


def tensor(x, dtype=None): return np.array(x, dtype).view(Tensor)


def log_softmax(x, dim=-1):
    x = np.asarray(x, np.float64)
    m = x.max(-1, keepdims=True)
    return tensor(x - m - np.log(np.exp(x - m).sum(-1, keepdims=True)))


TORCH = types.SimpleNamespace(
    where=lambda c: [tensor(np.nonzero(np.asarray(c))[0])], float32=np.float32, float64=np.float64, long=np.int64, Tensor=np.ndarray,
    as_tensor=lambda x, dtype=None, device=None: tensor(x),
    nn=types.SimpleNamespace(functional=types.SimpleNamespace(log_softmax=log_softmax)))
scope = {}
names = (SOURCE / "models/whisper/tokenization_whisper.py").read_text()
exec(names[names.index("LANGUAGES = {"):names.index("TASK_IDS")], scope)
LANGUAGE_CODES = scope["TO_LANGUAGE_CODE"]

BEGIN = 50  # the id of <|0.00|> in the cases
WHISPER = "models/whisper/generation_whisper.py"


def sequences(r, count):
    for _ in range(count):
        ids, now = [], r.randrange(3)
        for _ in range(r.randrange(1, 5)):
            ids += [BEGIN + now] if r.random() < 0.8 else []
            ids += [r.randrange(40) for _ in range(r.randrange(4))]
            now += r.randrange(60)
            ids += [BEGIN + now] * (r.random() < 0.8)
            if r.random() < 0.2:
                now = r.randrange(5)
        yield ids or [3]


def segments(r):
    split = function(WHISPER, "_retrieve_segment", "WhisperGenerationMixin")
    cases = []
    for ids in sequences(r, 80):
        seek, frames = r.randrange(0, 5000, 7), r.choice([3000, 2999, 400, 137, 1])
        got, advance = split(
            seek_sequence=tensor(ids), seek_outputs=[None], time_offset=tensor([seek * 0.02 / 2]), timestamp_begin=BEGIN,
            seek_num_frames=tensor([frames]), time_precision=0.02, time_precision_features=0.01, input_stride=2, prev_idx=0, idx=0,
            return_token_timestamps=False, decoder_input_ids=tensor([[1, 2]]))
        cases.append({"ids": ids, "seek": seek, "frames": frames, "advance": int(advance),
                      "segments": [[float(s["start"]), float(s["end"]), np.asarray(s["tokens"]).tolist()] for s in got]})
    return {"timestamp_begin": BEGIN, "cases": cases}


def marks(r):
    decode = function("models/whisper/tokenization_whisper_fast.py", "_decode_with_timestamps", "WhisperTokenizerFast")
    tokenizer = types.SimpleNamespace(all_special_ids=[BEGIN - 1], decode=lambda ids, skip_special_tokens: "(" + " ".join(map(str, ids)) + ")")
    return {"timestamp_begin": BEGIN, "cases": [[ids, decode(tokenizer, ids)] for ids in sequences(r, 60)]}


def rules(r):
    """The processor on a vocabulary of 60: text up to 37, end 38, <|notimestamps|> 39, time stamps 40 to 59."""
    call = function("generation/logits_process.py", "__call__", "WhisperTimeStampLogitsProcessor")
    cases = []
    for _ in range(60):
        prompt = [1] * r.randrange(1, 4)
        limit = r.choice([None, 0, 3, 50])
        new = [r.choice([r.randrange(38), 40 + r.randrange(20)]) for _ in range(r.randrange(5))]
        scores = np.array([[r.gauss(0, 2) + (r.choice([0, 3]) if i >= 40 else 0) for i in range(60)]], np.float32)
        self = types.SimpleNamespace(no_timestamps_token_id=39, timestamp_begin=40, eos_token_id=38, begin_index=len(prompt),
                                     max_initial_timestamp_index=limit, _detect_timestamp_from_logprob=True)
        with np.errstate(all="ignore"):
            out = np.asarray(call(self, tensor([prompt + new]), tensor(scores)))[0]
        cases.append({"prompt": len(prompt), "limit": limit, "ids": prompt + new, "scores": [round(float(x), 5) for x in scores[0]],
                      "allowed": [i for i in range(60) if np.isfinite(out[i])]})
    return cases


def prompts():
    """The tokens from <|startoftranscript|> on; None where the reference refuses. The language that is detected is 21."""
    retrieve = function(WHISPER, "_retrieve_init_tokens", "WhisperGenerationMixin")
    tables = {"lang_to_id": {"<|en|>": 20, "<|de|>": 21, "<|zh|>": 22}, "task_to_id": {"transcribe": 31, "translate": 30}, "no_timestamps_token_id": 39}
    cases = []
    for lacking in ([], ["lang_to_id"], ["lang_to_id", "task_to_id"], list(tables)):
        for forced in (None, [[1, None], [2, 31]], [[1, 20], [2, 30], [3, 39]], [[1, 39]], [[2, 31]]):
            for language in (None, "en", "German", "<|zh|>", "mandarin", "xx", "fr"):
                for task in (None, "translate"):
                    for timestamps in (False, True):
                        if (language and "lang_to_id" in lacking) or (task and "task_to_id" in lacking) or (timestamps and "no_timestamps_token_id" in lacking):
                            continue  # refused before
                        fields = {k: v for k, v in tables.items() if k not in lacking} | {"forced_decoder_ids": forced, "language": language, "task": task}
                        config = types.SimpleNamespace(decoder_start_token_id=10, return_timestamps=timestamps, **fields)
                        self = types.SimpleNamespace(device=None, detect_language=lambda **_: tensor([21]))
                        try:
                            tokens = np.asarray(retrieve(self, tensor([[[0.0]]]), 1, config, types.SimpleNamespace(), 3000, {})).ravel().tolist()
                        except ValueError:
                            tokens = None
                        cases.append({"fields": {k: v for k, v in fields.items() if v is not None}, "timestamps": timestamps, "tokens": tokens})
    return cases



def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, made in (("segments", segments(random.Random(1))), ("marks", marks(random.Random(2))), ("rules", rules(random.Random(3))), ("prompts", prompts())):
        rows = made["cases"] if isinstance(made, dict) else made
        (OUT / f"{name}.json").write_text(json.dumps(made, separators=(",", ":")))
        print(name, len(rows))


if __name__ == "__main__":
    main()
