"""What a family is to the exporter, and which family takes a checkpoint."""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from typing import Any

from transformers import PretrainedConfig

from .captions import Captioner
from .graph import Graph
from .options import USAGE, ExportError, Options
from .retrieval import Retriever

# In the order of the README; each module has FAMILY.
MODULES = (
    "vit_gpt2",
    "blip",
    "git",
    "florence2",
    "moondream",
    "prefix_vlm",
    "colpali",
    "colqwen2",
    "optimum",
)


@dataclasses.dataclass
class Export:
    """A checkpoint as the graphs that it becomes."""

    graphs: list[Graph]
    save_settings: Callable[[pathlib.Path], None]  # config.json, tokenizer and processor into a folder
    # File stem -> stems of the two graphs that an If joins to it: first call, calls with a past.
    joined: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    captioner: Captioner | None = None
    retriever: Retriever | None = None
    # Of other models: the content of expected/pipeline.json; None for a task without cases.
    answers: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Family:
    name: str
    model_types: tuple[str, ...]  # of config.json; none: any that no other family takes
    tasks: tuple[str, ...]  # none: the family knows itself
    load: Callable[[Options, PretrainedConfig], Export]
    make_tiny: Callable[[pathlib.Path, int], None]  # a random checkpoint of a seed, in a folder
    caches: tuple[bool, ...] = (True, False)  # with and without; the first is the default
    # The task of a checkpoint where the user names none; None: the first.
    choose_task: Callable[[PretrainedConfig], str] | None = None


def families() -> list[Family]:
    return [importlib.import_module(f".families.{name}", __package__).FAMILY for name in MODULES]


def find_family(name: str, config: PretrainedConfig) -> Family:
    """By its name, or "auto": by the model type of the checkpoint."""
    known = {family.name: family for family in families()}
    model_type = getattr(config, "model_type", "")
    if name == "auto":
        takers = [family for family in known.values() if model_type in family.model_types]
        return takers[0] if takers else known["optimum"]
    family = known[name.replace("-", "_")]
    if family.model_types and model_type not in family.model_types:
        raise ExportError(
            f"the checkpoint's model type is '{model_type}', but {name} takes "
            f"{' and '.join(family.model_types)}; say auto",
            USAGE,
        )
    return family


def check_request(family: Family, options: Options, config: PretrainedConfig) -> Options:
    """The options with the family's defaults filled in."""
    own = family.choose_task(config) if family.choose_task is not None else next(iter(family.tasks), "")
    task = options.task or own
    if family.tasks and task not in family.tasks:
        raise ExportError(f"--task {task}: {family.name} is exported for {', '.join(family.tasks)}", USAGE)
    cache = family.caches[0] if options.with_cache is None else options.with_cache
    if cache not in family.caches:
        flag = "--with-cache" if cache else "--without-cache"
        raise ExportError(f"{flag}: {family.name} is exported the other way only", USAGE)
    return dataclasses.replace(options, task=task, with_cache=cache)


def settings_saver(*parts: Any) -> Callable[[pathlib.Path], None]:
    """Of objects with save_pretrained(); None is passed over."""

    def save(folder: pathlib.Path) -> None:
        for part in parts:
            if part is not None:
                part.save_pretrained(folder)

    return save
