"""What transformers answers to texts, as cases of expected/pipeline.json."""

import inspect
from typing import Any

from transformers import PreTrainedModel, pipeline

from .captions import Params, generate
from .rounding import moved_weights

SENTENCES = (
    "a dog runs over the wet sand",
    "What is in the image?",
    "Two people sit in the park, near a boat.",
)
GENERATION: dict[str, Params] = {
    "defaults of generation_config.json": {},
    "greedy": {"max_new_tokens": 12, "num_beams": 1, "no_repeat_ngram_size": 0},
    "num_beams 3": {"max_new_tokens": 8, "num_beams": 3, "no_repeat_ngram_size": 0},
}
GENERATING = ("text2text-generation", "text-generation")
CLASSIFYING = ("text-classification", "token-classification", "feature-extraction")


def generated(model: PreTrainedModel, tokenizer: Any) -> dict[tuple[str, str], Any]:
    answers = {}
    for text in SENTENCES:
        inputs = tokenizer(text, return_tensors="pt")
        given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        for name, params in GENERATION.items():
            answers[text, name] = generate(model, params, **given)
    return answers


def generation_cases(model: PreTrainedModel, tokenizer: Any) -> list[dict[str, Any]]:
    """Without those that a rounding error decides."""
    answers, cases = generated(model, tokenizer), []
    with moved_weights(model, 1e-5):
        moved = generated(model, tokenizer)
    for (text, name), answer in answers.items():
        if moved[text, name].sequences != answer.sequences:
            continue
        texts = tokenizer.batch_decode(answer.sequences, skip_special_tokens=True)
        expected = {"sequences": answer.sequences, "texts": texts}
        if answer.scores is not None:
            expected["sequences_scores"] = answer.scores
        params = GENERATION[name]
        cases.append({"name": name, "input": text, "params": params, "expected": expected, "atol": 1e-3})
    return cases


def text_answers(model: PreTrainedModel, tokenizer: Any, task: str) -> dict[str, Any] | None:
    """The content of pipeline.json; None for a task whose cases are not made here."""
    if tokenizer is None or "pixel_values" in inspect.signature(model.forward).parameters:
        return None
    if task in GENERATING:
        return {"task": task, "cases": generation_cases(model, tokenizer)}
    if task not in CLASSIFYING:
        return None
    answer = pipeline(task, model=model, tokenizer=tokenizer, device="cpu")
    cases = [
        {"input": text, "params": {}, "expected": plain(answer(text)), "atol": 1e-3} for text in SENTENCES
    ]
    return {"task": task, "cases": cases}


def plain(value: Any) -> Any:
    """Of numbers that JSON knows."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
