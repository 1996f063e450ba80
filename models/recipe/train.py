"""Trains the scene captioner from nothing: a small ViT encoder and a GPT-2 decoder with cross-attention.

    python train.py CHECKPOINT [--steps 6000] [--scenes 60000]

Scenes are rendered on the way (seeds 0 to scenes-1; validation uses seeds from 1,000,000). The loss is
computed here, because VisionEncoderDecoderModel of transformers 4.57 shifts labels twice.
"""

import argparse
import math
import pathlib
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTModel,
    VisionEncoderDecoderModel,
)

import scenes

IMAGE_SIDE, PATCH, WIDTH, HEADS = 96, 12, 128, 4
ENCODER_LAYERS, DECODER_LAYERS, POSITIONS = 4, 3, 64
BATCH, LEARNING_RATE, WARM_UP_STEPS = 96, 5e-4, 50
VALIDATION_SEED, VALIDATION_SCENES = 10**6, 2000
END, END_ID, IGNORED = "<|endoftext|>", 0, -100


@dataclass
class Scenes:
    pixels: torch.Tensor  # u8[count, side, side, 3]
    captions: list[str]


def render(first_seed: int, count: int) -> Scenes:
    pixels = np.empty((count, IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)
    captions = []
    for index in range(count):
        image, caption = scenes.scene(first_seed + index, IMAGE_SIDE)
        pixels[index] = np.asarray(image)
        captions.append(caption)
    return Scenes(torch.from_numpy(pixels), captions)


def make_tokenizer(captions: list[str]) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=[END], initial_alphabet=alphabet)
    bpe.train_from_iterator(captions, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=END, eos_token=END, pad_token=END, model_max_length=POSITIONS
    )


def make_model(vocabulary: int) -> VisionEncoderDecoderModel:
    encoder = ViTConfig(
        image_size=IMAGE_SIDE,
        patch_size=PATCH,
        hidden_size=WIDTH,
        num_hidden_layers=ENCODER_LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
    )
    decoder = GPT2Config(
        vocab_size=vocabulary,
        n_positions=POSITIONS,
        n_embd=WIDTH,
        n_layer=DECODER_LAYERS,
        n_head=HEADS,
        add_cross_attention=True,
        is_decoder=True,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(encoder, add_pooling_layer=False), decoder=GPT2LMHeadModel(decoder)
    )
    model.config.decoder_start_token_id = model.config.pad_token_id = model.config.eos_token_id = END_ID
    return model


def make_labels(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> torch.Tensor:
    """i64[count, longest]: ids, the end token, then IGNORED."""
    ids = [tokenizer(caption)["input_ids"] + [END_ID] for caption in captions]
    labels = torch.full((len(ids), max(map(len, ids))), IGNORED)
    for row, tokens in zip(labels, ids):
        row[: len(tokens)] = torch.tensor(tokens)
    return labels


def to_pixel_values(pixels: torch.Tensor) -> torch.Tensor:
    """u8[n, side, side, 3] -> f32[n, 3, side, side] in 0 to 1."""
    return pixels.float().permute(0, 3, 1, 2) / 255


def normalise(values: torch.Tensor) -> torch.Tensor:
    return (values - 0.5) / 0.5


def augment(values: torch.Tensor) -> torch.Tensor:
    """Other contrast, brightness and noise for each image."""
    per_image = (len(values), 1, 1, 1)
    values = values * (0.9 + 0.2 * torch.rand(per_image)) + 0.04 * (torch.rand(per_image) - 0.5)
    noise = torch.randn_like(values) * 0.03 * torch.rand(per_image)
    return (values + noise).clamp(0, 1)


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up times a cosine that ends at 2 %."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.02 + 0.98 * cosine)


def loss_of(model: VisionEncoderDecoderModel, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    start = torch.full((len(labels), 1), END_ID)
    inputs = torch.cat((start, labels[:, :-1].clamp(min=0)), 1)
    with torch.autocast("cpu", torch.bfloat16):
        values = normalise(augment(to_pixel_values(pixels)))
        logits = model(pixel_values=values, decoder_input_ids=inputs).logits
        return cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


@torch.no_grad()
def exact_matches(
    model: VisionEncoderDecoderModel, tokenizer: PreTrainedTokenizerFast, validation: Scenes, count: int
) -> float:
    """Share of the first `count` scenes whose caption is right to the letter."""
    model.eval()
    right = 0
    for begin in range(0, count, 100):
        part = slice(begin, min(begin + 100, count))
        values = normalise(to_pixel_values(validation.pixels[part]))
        ids = model.generate(values, max_new_tokens=20, num_beams=1, do_sample=False, pad_token_id=END_ID)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        right += sum(text.strip() == truth for text, truth in zip(texts, validation.captions[part]))
    model.train()
    return right / count


def batches(count: int, steps: int) -> list[torch.Tensor]:
    """Indices of each step's batch: every scene once an epoch, in a new order."""
    per_epoch = count // BATCH
    result: list[torch.Tensor] = []
    while len(result) < steps:
        order = torch.randperm(count)
        result += [order[i * BATCH : (i + 1) * BATCH] for i in range(per_epoch)]
    return result[:steps]


def train(training: Scenes, validation: Scenes, steps: int, checkpoint: pathlib.Path) -> None:
    tokenizer = make_tokenizer(training.captions[:5000])
    model = make_model(len(tokenizer))
    labels = make_labels(tokenizer, training.captions)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, steps))
    for step, rows in enumerate(batches(len(labels), steps), 1):
        loss = loss_of(model, training.pixels[rows], labels[rows])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} loss {loss.item():.4f}", flush=True)
        if step % 500 == 0 or step == steps:
            count = len(validation.captions) if step == steps else min(400, len(validation.captions))
            print(f"step {step} exact {exact_matches(model, tokenizer, validation, count):.4f}", flush=True)
            model.save_pretrained(checkpoint)
            tokenizer.save_pretrained(checkpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the scene captioner")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--scenes", type=int, default=60000)
    parser.add_argument("--validation", type=int, default=VALIDATION_SCENES)
    arguments = parser.parse_args()
    if arguments.scenes < BATCH:
        parser.error(f"--scenes must be at least {BATCH}")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    training = render(0, arguments.scenes)
    validation = render(VALIDATION_SEED, arguments.validation)
    train(training, validation, arguments.steps, arguments.checkpoint)


if __name__ == "__main__":
    main()
