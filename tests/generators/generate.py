"""Goldens of token generation: transformers.generate on toy models whose logits are sums of table rows.

Needs torch and transformers 4.57. Usage: python tests/generators/generate.py [cases [seed]]
Writes tests/golden/generate/{tables,cases}.json.

Toy model: logits[v] = last[ids[-1] % R][v] + before[ids[-2] % R][v] + position[len(ids) % P][v]; a missing ids[-2]
counts as token 0. Table entries are multiples of a power of two, so that the sums are exact in float32; the coarse
ones of "large" make ties.
"""
import json
import math
import random
import sys
import warnings
from pathlib import Path

import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from transformers.utils import logging

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "generate"
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20574
TABLES = {  # vocabulary, rows, positions, spread, steps in 1
    "wide": (23, 23, 7, 1.6, 4096),
    "narrow": (11, 11, 5, 1.0, 4096),
    "sharp": (17, 17, 6, 3.0, 4096),
    "large": (1400, 5, 4, 2.0, 256),
}


def make_table(rng, vocab, rows, positions, spread, steps):
    def gauss(n):
        return [[round(rng.gauss(0, spread) * steps) / steps for _ in range(vocab)] for _ in range(n)]
    return {"vocab": vocab, "last": gauss(rows), "before": gauss(rows), "position": gauss(positions)}


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, vocab_size=1, **kwargs):
        self.vocab_size = vocab_size
        super().__init__(**kwargs)


class Toy(PreTrainedModel, GenerationMixin):
    config_class = ToyConfig

    def __init__(self, table):
        super().__init__(ToyConfig(vocab_size=table["vocab"]))
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.last, self.before, self.at = (torch.tensor(table[k]) for k in ("last", "before", "position"))

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def forward(self, input_ids, **kwargs):
        n = input_ids.shape[1]
        before = input_ids[:, -2] if n > 1 else torch.zeros_like(input_ids[:, -1])
        rows, positions = self.last.shape[0], self.at.shape[0]
        logits = self.last[input_ids[:, -1] % rows] + self.before[before % rows] + self.at[n % positions]
        return CausalLMOutput(logits=logits[:, None])


def pick_lengths(rng, params):
    kind = rng.random()
    if kind < 0.7:
        params["max_new_tokens"] = rng.randint(2, 14)
    elif kind < 0.9:
        params["max_length"] = rng.randint(6, 20)
    if rng.random() < 0.2:
        params["min_new_tokens"] = rng.randint(1, 8)
    elif rng.random() < 0.2:
        params["min_length"] = rng.randint(1, 10)


def pick_special_tokens(rng, params, vocab):
    ends = rng.sample(range(vocab), rng.choice([0, 1, 1, 1, 1, 2, 3]))
    if ends:
        params["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    pad = rng.choice([None, 0, 1, "eos", vocab - 1])
    if pad is not None:
        params["pad_token_id"] = (ends[0] if ends else 0) if pad == "eos" else pad


def pick_beams(rng, params):
    params["num_beams"] = rng.choice([1, 1, 2, 3, 4, 5, 6])
    if params["num_beams"] == 1:
        return
    if rng.random() < 0.8:
        params["early_stopping"] = rng.choice([False, True, "never"])
    if rng.random() < 0.7:
        params["length_penalty"] = rng.choice([0.0, 2.0, -1.0, 0.6, -0.5, 1.0, 1.7])
    if rng.random() < 0.5:
        params["num_return_sequences"] = rng.randint(1, params["num_beams"])


def pick_processors(rng, params, vocab):
    def some(least, most):
        return rng.sample(range(1, vocab), rng.randint(least, most))
    choices = {
        "repetition_penalty": lambda: rng.choice([1.3, 0.8, 2.0]),
        "encoder_repetition_penalty": lambda: rng.choice([1.5, 0.7]),
        "no_repeat_ngram_size": lambda: rng.choice([1, 2, 3]),
        "encoder_no_repeat_ngram_size": lambda: rng.choice([1, 2]),
        "bad_words_ids": lambda: [some(1, 1), some(2, 2), some(1, 3)],
        "sequence_bias": lambda: [[some(1, 1), rng.choice([-4.0, 2.5])], [some(2, 2), 6.0], [some(1, 1), -1.5]],
        "forced_bos_token_id": lambda: rng.randrange(vocab),
        "forced_eos_token_id": lambda: rng.choice([rng.randrange(vocab), some(2, 2)]),
        "suppress_tokens": lambda: some(1, 4),
        "begin_suppress_tokens": lambda: some(1, 4),
        "renormalize_logits": lambda: True,
        "remove_invalid_values": lambda: True,
    }
    for name in rng.sample(sorted(choices), rng.choice([0, 0, 0, 1, 1, 2, 3])):
        params[name] = choices[name]()
    floors = params.get("min_length", 0) or params.get("min_new_tokens", 0)
    if "eos_token_id" in params and not floors and rng.random() < 0.1:
        params["exponential_decay_length_penalty"] = [rng.randint(0, 4), rng.choice([1.1, 1.6])]


def make_case(rng, tables):
    name = rng.choice(sorted(tables))
    vocab, params = tables[name]["vocab"], {}
    pick_lengths(rng, params)
    pick_special_tokens(rng, params, vocab)
    pick_beams(rng, params)
    pick_processors(rng, params, vocab)
    batch, length = rng.choice([1, 1, 2, 3]), rng.choice([1, 1, 2, 3, 5])
    prompts = [[rng.randrange(vocab) for _ in range(length)] for _ in range(batch)]
    return {"table": name, "prompts": prompts, "params": params}


def token_scores(out, case):
    """Sums of log-probabilities up to each row's end, as greedy search has no scores of its own."""
    ends = case["params"].get("eos_token_id", [])
    ends, prompt = [ends] if isinstance(ends, int) else ends, len(case["prompts"][0])
    sums = []
    for row, ids in enumerate(out.sequences.tolist()):
        total = 0.0
        for step, token in enumerate(ids[prompt:]):
            total += torch.log_softmax(out.scores[step][row], -1)[token].item()
            if token in ends:
                break
        sums.append(total)
    return sums


def answer(model, case):
    out = model.generate(torch.tensor(case["prompts"]), generation_config=GenerationConfig(), use_cache=False,
                         return_dict_in_generate=True, output_scores=True, **case["params"])
    beams = case["params"]["num_beams"] > 1
    case["sequences"] = out.sequences.tolist()
    scores = out.sequences_scores.tolist() if beams else token_scores(out, case)
    case["scores"] = [float(f"{s:.7g}") if math.isfinite(s) else None for s in scores]  # null: NaN


def main():
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    rng = random.Random(SEED)
    tables = {name: make_table(rng, *shape) for name, shape in TABLES.items()}
    models = {name: Toy(table) for name, table in tables.items()}
    cases, refused = [], {}
    while len(cases) < (int(sys.argv[1]) if len(sys.argv) > 1 else 900):
        case = make_case(rng, tables)
        try:
            with torch.no_grad():
                answer(models[case["table"]], case)
            cases.append(case)
        except (ValueError, IndexError) as error:
            key = str(error)[:60]
            refused[key] = refused.get(key, 0) + 1
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "tables.json").write_text(json.dumps(tables, separators=(",", ":")) + "\n")
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (GOLDEN / "cases.json").write_text("[\n" + lines + "\n]\n")
    print(f"{len(cases)} cases; refused by transformers: {refused}")


if __name__ == "__main__":
    main()
