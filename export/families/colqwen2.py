"""ColQwen2: image_model (a page of any size) and text_model (a query), each to one vector a token.

transformers computes rotary positions in Python loops over image_grid_thw, which an exporter would freeze at
the grid of its sample; here they are arithmetic on it, so one graph reads pages of any size, one a call.
"""

import pathlib
from typing import Any

import torch
from transformers import (
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    PretrainedConfig,
    Qwen2TokenizerFast,
    Qwen2VLConfig,
    Qwen2VLImageProcessor,
)
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision

from ..checkpoint import load_model, load_processor
from ..graph import Graph, Sizes, Tensors, random_ids
from ..options import Options
from ..recipe import Export, Family, settings_saver
from ..retrieval import OUTPUT, Retriever, text_axes, text_graph
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights


def patch_positions(rows: torch.Tensor, columns: torch.Tensor, merge: int) -> torch.Tensor:
    """Row and column of each patch, i64[patches, 2], in the processor's order: squares of merge * merge."""

    def in_squares(grid: torch.Tensor) -> torch.Tensor:
        return grid.reshape(rows // merge, merge, columns // merge, merge).permute(0, 2, 1, 3).flatten()

    row = torch.arange(rows).unsqueeze(1).expand(rows, columns)
    column = torch.arange(columns).unsqueeze(0).expand(rows, columns)
    return torch.stack((in_squares(row), in_squares(column)), -1)


class ImageFeatures(torch.nn.Module):
    """Patches f[patches, channels * frames * patch * patch] of one image -> f[patches / merge^2, width]."""

    def __init__(self, visual: torch.nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, patches: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        visual = self.visual
        positions = patch_positions(rows, columns, visual.spatial_merge_size)
        angles = (positions.unsqueeze(-1) * visual.rotary_pos_emb.inv_freq).flatten(1)
        angles = torch.cat((angles, angles), -1)
        states = visual.patch_embed(patches)
        for block in visual.blocks:
            states = states + self.attend(block.attn, block.norm1(states), (angles.cos(), angles.sin()))
            states = states + block.mlp(block.norm2(states))
        return visual.merger(states)

    @staticmethod
    def attend(
        attention: torch.nn.Module, states: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Every patch of the image to every other."""
        heads = attention.qkv(states).unflatten(-1, (3, attention.num_heads, -1))
        query, key, value = heads.permute(1, 0, 2, 3).unbind(0)
        query, key = apply_rotary_pos_emb_vision(query, key, *rotation)
        query, key, value = (part.transpose(0, 1) for part in (query, key, value))
        weights = torch.softmax(query @ key.transpose(1, 2) * attention.scaling, -1)
        return attention.proj((weights @ value).transpose(0, 1).flatten(1))


def rotary_positions(
    is_image: torch.Tensor, cell: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """i64[3, batch, length]: time, row and column of each token.

    Text counts in all three. An image stands at one time and spreads over its grid; text behind it counts on
    from the largest. `cell`: the number of the image's token, behind the image that of its last.
    """
    text = (~is_image).long().cumsum(1)
    behind = ((cell + 1 == rows * columns) & ~is_image).long() * torch.maximum(rows, columns)
    begin = torch.where(is_image, text, text - 1 + behind)
    inside = is_image.long()
    return torch.stack((begin, begin + inside * (cell // columns), begin + inside * (cell % columns)))


class PageEmbeddings(torch.nn.Module):
    """input_ids, attention_mask, pixel_values f[1, patches, ...], image_grid_thw i64[1, 3] -> embeddings."""

    def __init__(self, model: ColQwen2ForRetrieval) -> None:
        super().__init__()
        self.model, self.features = model, ImageFeatures(model.vlm.visual)
        self.image_token = model.config.vlm_config.image_token_id

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        pixel_values: torch.Tensor,
        image_grid_thw: torch.Tensor,
    ) -> torch.Tensor:
        language_model, merge = self.model.vlm.language_model, self.features.visual.spatial_merge_size
        rows, columns = image_grid_thw[0, 1], image_grid_thw[0, 2]
        is_image = input_ids == self.image_token
        cell = (is_image.long().cumsum(1) - 1).clamp(min=0)
        features = self.features(pixel_values[0], rows, columns)
        tokens = language_model.embed_tokens(input_ids)
        states = language_model(
            inputs_embeds=torch.where(is_image.unsqueeze(-1), features[cell], tokens),
            attention_mask=attention_mask,
            position_ids=rotary_positions(is_image, cell, rows // merge, columns // merge),
            use_cache=False,
        ).last_hidden_state
        vectors = self.model.embedding_proj_layer(states)
        return vectors / vectors.norm(dim=-1, keepdim=True) * attention_mask.unsqueeze(-1)


def page_graph(model: ColQwen2ForRetrieval) -> Graph:
    config = model.config.vlm_config
    vision, merge = config.vision_config, config.vision_config.spatial_merge_size
    width = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2

    def sample(sizes: Sizes) -> Tensors:
        """One image whatever `sizes.batch`; its grid follows the other two."""
        rows, columns = merge * sizes.past, merge * sizes.length
        places = torch.full((1, sizes.past * sizes.length), config.image_token_id)
        text = random_ids(model.vocab_size, 2, 3)
        before, behind = torch.where(text == config.image_token_id, 0, text).split(1)
        ids = torch.cat((before, places, behind), 1)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": torch.randn(1, rows * columns, width),
            "image_grid_thw": torch.tensor([[1, rows, columns]]),
        }

    axes = {name: {1: axis[1]} for name, axis in text_axes().items()}
    return Graph(
        "image_model", PageEmbeddings(model), sample, [OUTPUT], {**axes, "pixel_values": {1: "patches"}}
    )


def load(options: Options, config: PretrainedConfig) -> Export:
    # Exporters cannot write attention over groups of heads; eager repeats keys and values for it.
    model = load_model(ColQwen2ForRetrieval, options, attn_implementation="eager")
    processor = load_processor(options)
    return Export(
        graphs=[page_graph(model), text_graph(model)],
        save_settings=settings_saver(model.config, processor),
        retriever=Retriever(model, processor),
    )


def tiny_tokenizer() -> Any:
    words = (
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
    )
    tokenizer = byte_level_tokenizer(280, (*words, "<|video_pad|>"), kind=Qwen2TokenizerFast)
    tokenizer.pad_token = words[0]
    return tokenizer


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    width, heads, patch = 24, 2, 7
    tokenizer = tiny_tokenizer()
    text: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": width, "intermediate_size": 32}
    text.update(
        num_hidden_layers=1, num_attention_heads=heads, num_key_value_heads=1, max_position_embeddings=128
    )
    text.update(rope_scaling={"type": "mrope", "mrope_section": [width // heads // 6] * 3})
    vision: dict[str, Any] = {
        "depth": 1,
        "embed_dim": 16,
        "hidden_size": width,
        "num_heads": 2,
        "mlp_ratio": 2,
    }
    vision.update(patch_size=patch, spatial_merge_size=2, temporal_patch_size=2)
    ids = {"image": "<|image_pad|>", "video": "<|video_pad|>", "vision_start": "<|vision_start|>"}
    ids = {f"{role}_token_id": tokenizer.convert_tokens_to_ids(word) for role, word in ids.items()}
    vlm = Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    model = ColQwen2ForRetrieval(ColQwen2Config(vlm_config=vlm, embedding_dim=8))
    spread_weights(model, seed)
    token = (2 * patch) ** 2  # pixels
    images = Qwen2VLImageProcessor(patch_size=patch, min_pixels=2 * token, max_pixels=6 * token)
    save_checkpoint(folder, model, ColQwen2Processor(images, tokenizer))


FAMILY = Family("colqwen2", ("colqwen2",), (Retriever.task,), load, make_tiny, caches=(False,))
