"""Tiny random checkpoints with tokenizers of their own: recipes are tested on them, nothing is downloaded.

python -m export.tiny FAMILY OUT [--seed N]
"""

import argparse
import math
import pathlib
import sys
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast, GPT2TokenizerFast, PreTrainedModel

SENTENCES = (
    "a dog runs over the wet sand near a boat",
    "two people sit on a wooden bench in the park",
    "a plate with bread and cheese stands on the table",
    "the cat sleeps under a red chair",
    "a man with a hat holds the hand of a child",
    "what is in the image? describe the picture. question: answer:",
)
END = "<|endoftext|>"


def byte_level_tokenizer(size: int, special: tuple[str, ...] = (END,), kind: Any = GPT2TokenizerFast) -> Any:
    """As GPT-2's; the first special token begins, ends and stands for what is unknown."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return kind(tokenizer_object=bpe, bos_token=special[0], eos_token=special[0], unk_token=special[0])


def word_piece_tokenizer(more: tuple[str, ...] = ()) -> BertTokenizerFast:
    """As BERT's, of the sentences' letters and words; `more`: special tokens behind BERT's own.

    Written out, for the trainer of word pieces breaks ties in another way each time.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *more]
    text = " ".join(SENTENCES)
    letters = sorted(set(text) - {" "})
    words = sorted({word.strip("?.:") for word in text.split()})
    vocabulary = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words])
    ids = {token: index for index, token in enumerate(vocabulary)}
    pieces = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    around = [(token, pieces.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    pieces.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", around
    )
    return BertTokenizerFast(tokenizer_object=pieces, do_lower_case=True)


def spread_weights(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that attention and logits are far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() < 2:
                is_gain = "norm" in name.lower() or "ln_" in name
                weight.copy_(1 + 0.2 * noise if is_gain and name.endswith("weight") else 0.2 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name or "position" in name:
                weight.copy_(0.6 * noise)
            else:
                weight.copy_(2.0 / math.sqrt(weight[0].numel()) * noise)


def save_checkpoint(folder: pathlib.Path, model: PreTrainedModel, *settings: Any) -> None:
    """As a user would have it: weights, config.json, tokenizer, processor."""
    for part in (model, *settings):
        part.save_pretrained(folder)


def main(arguments: list[str]) -> None:
    from .recipe import families

    known = {family.name: family for family in families()}
    parser = argparse.ArgumentParser(prog="python -m export.tiny", description=__doc__.split("\n")[0])
    parser.add_argument("family", choices=known)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.out.exists():
        parser.error(f"{given.out} exists; name a folder that does not")
    torch.set_num_threads(1)
    known[given.family].make_tiny(given.out, given.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
