"""ColPali: image_model (a page) and text_model (a query), each to one vector a token."""

import pathlib
from typing import Any

import torch
from transformers import (
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    GemmaTokenizerFast,
    PaliGemmaConfig,
    PretrainedConfig,
    SiglipImageProcessor,
)

from ..checkpoint import load_model, load_processor
from ..graph import Graph, Sizes, Tensors, random_ids
from ..options import Options
from ..recipe import Export, Family, settings_saver
from ..retrieval import OUTPUT, Retriever, image_token_of, text_axes, text_graph
from ..tiny import byte_level_tokenizer, save_checkpoint, spread_weights
from ..vision import image_side


class PageEmbeddings(torch.nn.Module):
    """input_ids, pixel_values, attention_mask -> embeddings.

    Features take the places of image tokens by counting these: the model's own masked_scatter would become
    NonZero and ScatterND, whose sizes depend on data.
    """

    def __init__(self, model: ColPaliForRetrieval) -> None:
        super().__init__()
        self.model, self.image_token = model, image_token_of(model)

    def forward(
        self, input_ids: torch.Tensor, pixel_values: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        vlm = self.model.vlm.model
        is_image = input_ids == self.image_token
        # An id beyond the vocabulary may stand for the image.
        tokens = vlm.get_input_embeddings()(torch.where(is_image, 0, input_ids))
        features = vlm.get_image_features(pixel_values)
        place = (is_image.long().cumsum(1) - 1).clamp(min=0).unsqueeze(-1).expand_as(tokens)
        embeds = torch.where(is_image.unsqueeze(-1), features.gather(1, place), tokens)
        return self.model(inputs_embeds=embeds, attention_mask=attention_mask).embeddings


def page_graph(model: ColPaliForRetrieval) -> Graph:
    vision = model.config.vlm_config.vision_config
    side, image_token = image_side(vision), image_token_of(model)
    with torch.no_grad():
        positions = model.vlm.model.get_image_features(torch.zeros(1, 3, *side)).shape[1]

    def sample(sizes: Sizes) -> Tensors:
        text = random_ids(model.vocab_size, sizes.batch, sizes.length)
        places = torch.full((sizes.batch, positions), image_token)
        ids = torch.cat((places, torch.where(text == image_token, 0, text)), 1)
        values = torch.randn(sizes.batch, 3, *side)
        return {"input_ids": ids, "pixel_values": values, "attention_mask": torch.ones_like(ids)}

    return Graph(
        "image_model",
        PageEmbeddings(model),
        sample,
        [OUTPUT],
        {**text_axes(), "pixel_values": {0: "batch_size"}},
    )


def load(options: Options, config: PretrainedConfig) -> Export:
    # Exporters cannot write attention over groups of heads; eager repeats keys and values for it.
    model = load_model(ColPaliForRetrieval, options, attn_implementation="eager")
    processor = load_processor(options)
    return Export(
        graphs=[page_graph(model), text_graph(model)],
        save_settings=settings_saver(model.config, processor),
        retriever=Retriever(model, processor),
    )


def make_tiny(folder: pathlib.Path, seed: int) -> None:
    side, patch, width = 28, 14, 16
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<image>")
    tokenizer = byte_level_tokenizer(280, special, kind=GemmaTokenizerFast)
    for role, word in (("pad", "<pad>"), ("eos", "<eos>"), ("bos", "<bos>"), ("unk", "<unk>")):
        setattr(tokenizer, f"{role}_token", word)
    images = SiglipImageProcessor(size={"height": side, "width": side}, resample=3)
    images.image_seq_length = (side // patch) ** 2
    words = len(tokenizer)
    processor = ColPaliProcessor(images, tokenizer)  # adds a thousand locations, which nobody embeds here
    vision: dict[str, Any] = {"model_type": "siglip_vision_model", "image_size": side, "patch_size": patch}
    vision.update(hidden_size=width, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2)
    vision.update(projection_dim=width, vision_use_head=False, num_image_tokens=images.image_seq_length)
    text: dict[str, Any] = {"model_type": "gemma", "vocab_size": words, "hidden_size": width, "head_dim": 8}
    text.update(intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)
    image_id = tokenizer.convert_tokens_to_ids("<image>")
    vlm = PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image_id,
        projection_dim=width,
        hidden_size=width,
    )
    model = ColPaliForRetrieval(ColPaliConfig(vlm_config=vlm, embedding_dim=8))
    spread_weights(model, seed)
    save_checkpoint(folder, model, processor)


FAMILY = Family("colpali", ("colpali",), (Retriever.task,), load, make_tiny, caches=(False,))
