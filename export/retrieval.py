"""Late interaction: pages and queries as a vector a token, by PyTorch and by ONNX Runtime."""

import itertools
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel

from .graph import Graph, Sizes, Tensors, random_ids
from .runtime import Feeds, Session

OUTPUT = "embeddings"


class Embeddings(torch.nn.Module):
    """input_ids, attention_mask -> embeddings."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).embeddings


def text_axes() -> dict[str, dict[int, str]]:
    return {name: {0: "batch_size", 1: "sequence_length"} for name in ("input_ids", "attention_mask", OUTPUT)}


def text_graph(model: PreTrainedModel) -> Graph:
    image_token, vocabulary = image_token_of(model), model.vocab_size

    def sample(sizes: Sizes) -> Tensors:
        ids = random_ids(vocabulary, sizes.batch, sizes.past + sizes.length)
        mask = torch.ones_like(ids)
        mask[1:, sizes.length :] = 0  # padded on the right
        return {"input_ids": torch.where(ids == image_token, 0, ids), "attention_mask": mask}

    return Graph("text_model", Embeddings(model), sample, [OUTPUT], text_axes())


def image_token_of(model: PreTrainedModel) -> int:
    config = model.config.vlm_config
    return (
        config.image_token_id
        if getattr(config, "image_token_id", None) is not None
        else config.image_token_index
    )


class Retriever:
    """Pages and queries as a processor of transformers prepares them."""

    task = "visual-document-retrieval"
    queries = ("a red circle", "what is in the picture?")  # to validate with where the user names none

    def __init__(self, model: PreTrainedModel, processor: Any) -> None:
        self.model, self.processor = model, processor

    def query(self, text: str) -> Tensors:
        return dict(self.processor(text=[text], return_tensors="pt"))

    def page(self, image: Image.Image) -> Tensors:
        return dict(self.processor(images=[image], return_tensors="pt"))

    def pytorch(self, inputs: Tensors) -> np.ndarray:
        with torch.no_grad():
            return self.model(**inputs).embeddings.numpy()


def onnx_vectors(session: Session, inputs: Tensors) -> np.ndarray:
    feeds: Feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
    return session.run(feeds)[OUTPUT]


def late_interaction(query: np.ndarray, page: np.ndarray) -> float:
    """Of f[1, tokens, width] each: the best match of every vector of the query, summed up."""
    return float((query[0].astype(np.float64) @ page[0].T.astype(np.float64)).max(1).sum())


def page_cases(retriever: Retriever, images: dict[str, Image.Image]) -> list[dict[str, Any]]:
    """Expected answers for each page alone: its prompt and its first vector."""
    cases = []
    for name, image in images.items():
        inputs = retriever.page(image)
        first = retriever.pytorch(inputs)[0, 0]
        ids = inputs["input_ids"][0].tolist()
        cases.append(
            {"image": name, "image_prompt_ids": ids, "embeddings_first_row": [float(x) for x in first]}
        )
    return cases


def query_cases(
    retriever: Retriever, images: dict[str, Image.Image], queries: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Expected scores of queries against pages; pages whose prompts are equal share a case."""
    asked = [retriever.query(text) for text in queries]
    vectors = [retriever.pytorch(inputs) for inputs in asked]
    pages = {name: retriever.page(image) for name, image in images.items()}
    prompts = {name: inputs["input_ids"][0].tolist() for name, inputs in pages.items()}
    cases = []
    for ids, names in itertools.groupby(
        sorted(pages, key=lambda name: (len(prompts[name]), name)), prompts.get
    ):
        group = list(names)
        answers = [retriever.pytorch(pages[name]) for name in group]
        scores = [[late_interaction(query, page) for page in answers] for query in vectors]
        cases.append(
            {
                "queries": list(queries),
                "query_ids": [inputs["input_ids"][0].tolist() for inputs in asked],
                "images": group,
                "image_prompt_ids": ids,
                "late_interaction_scores": scores,
            }
        )
    return cases
