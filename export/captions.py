"""Captions of PyTorch and of ONNX Runtime, made to be compared."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel
from transformers.generation import (
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from .runtime import Sessions

Params = dict[str, Any]  # arguments of generate()

# What `vulcap verify` sets where a case has arguments and does not name these.
PLAIN: Params = {"num_beams": 1, "no_repeat_ngram_size": 0, "early_stopping": False}
CASES: dict[str, Params] = {
    "defaults of generation_config.json": {},
    "greedy": {"max_new_tokens": 12},
    "num_beams 3": {"max_new_tokens": 10, "num_beams": 3},
    "repetition_penalty 1.4": {"max_new_tokens": 12, "repetition_penalty": 1.4},
}


@dataclasses.dataclass
class Generated:
    sequences: list[list[int]]
    scores: list[float] | None = None  # of beams


class Captioner(Protocol):
    """How one family captions. `prompt`: "" for none."""

    model: PreTrainedModel
    defaults: GenerationConfig  # that a call without params is made with
    prompts: tuple[str, ...]  # to validate with where the user names none
    task: str  # of expected/pipeline.json
    notes: dict[str, Any]  # further entries of expected/pipeline.json

    def pytorch(self, image: Image.Image, prompt: str, params: Params) -> Generated: ...

    def onnx(
        self, sessions: Sessions, image: Image.Image, prompt: str, config: GenerationConfig
    ) -> list[int]:
        """Greedy, by ONNX Runtime; ids as pytorch() gives them."""

    def text(self, ids: list[int]) -> str: ...


def generate(model: PreTrainedModel, params: Params, **inputs: Any) -> Generated:
    """The answer of transformers, with scores where there are beams."""
    with torch.no_grad():
        out = model.generate(
            **inputs, do_sample=False, return_dict_in_generate=True, output_scores=True, **params
        )
    scores = getattr(out, "sequences_scores", None)
    return Generated(
        out.sequences.tolist(), None if scores is None else [round(x, 6) for x in scores.tolist()]
    )


def processors(config: GenerationConfig, prompt_length: int, max_length: int) -> LogitsProcessorList:
    """Of the settings that a greedy search knows."""
    made = LogitsProcessorList()
    eos = config.eos_token_id
    if config.repetition_penalty not in (None, 1.0):
        made.append(RepetitionPenaltyLogitsProcessor(config.repetition_penalty))
    if config.no_repeat_ngram_size:
        made.append(NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size))
    if config.min_length and eos is not None:
        made.append(MinLengthLogitsProcessor(config.min_length, eos))
    if config.min_new_tokens and eos is not None:
        made.append(MinNewTokensLengthLogitsProcessor(prompt_length, config.min_new_tokens, eos))
    if config.forced_bos_token_id is not None:
        made.append(ForcedBOSTokenLogitsProcessor(config.forced_bos_token_id))
    if config.forced_eos_token_id is not None:
        made.append(ForcedEOSTokenLogitsProcessor(max_length, config.forced_eos_token_id))
    if config.suppress_tokens:
        made.append(SuppressTokensLogitsProcessor(config.suppress_tokens))
    return made


def longest(config: GenerationConfig, prompt: int, embedded: int) -> int:
    """Of ids, prompt included. As in generate(), a max_length of 20, its default, means 20 new tokens."""
    if config.max_new_tokens is not None:
        return prompt + config.max_new_tokens
    return config.max_length + (prompt if config.max_length == GenerationConfig().max_length else -embedded)


def search_greedily(
    step: Callable[[list[int]], np.ndarray], prompt: list[int], config: GenerationConfig, embedded: int = 0
) -> list[int]:
    """`step`: new ids -> logits[vocabulary] of the last of them. Returns the prompt and what follows it.

    `embedded`: positions in front of the prompt that max_length counts but the ids do not.
    """
    limit = longest(config, len(prompt), embedded)
    change = processors(config, len(prompt), limit)
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    ids, fresh = list(prompt), list(prompt)
    while len(ids) < limit:
        logits = torch.from_numpy(step(fresh)).float()[None]
        fresh = [int(change(torch.tensor([ids], dtype=torch.long), logits)[0].argmax())]
        ids += fresh
        if fresh[0] in ends:
            break
    return ids
