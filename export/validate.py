"""The same inputs through PyTorch and the folder; the answers become expected/, for `vulcap verify`."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import torch
from onnx import numpy_helper
from PIL import Image
from transformers import GenerationConfig

from .captions import CASES, PLAIN, Captioner, Generated, Params
from .checkpoint import write_json
from .graph import VALIDATED, Graph, Sizes
from .options import Options
from .recipe import Export
from .retrieval import Retriever, onnx_vectors, page_cases, query_cases
from .rounding import moved_weights
from .runtime import Feeds, Session, Sessions

TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}  # as a share of a tensor's range
SCORE_ATOL = {"fp32": 1e-3, "fp16": 3e-2}
ROUNDING = {"fp32": 1e-5, "fp16": 2.0**-10}  # relative changes of weights that no expected id may notice
SMALLEST_RANGE = 1e-3


@dataclasses.dataclass
class Row:
    """One comparison of PyTorch (expected) and ONNX Runtime."""

    subject: str  # "decoder_model/1"
    output: str
    error: float  # largest difference
    share: float  # of the range of what was expected
    passed: bool
    note: str = ""


@dataclasses.dataclass
class Report:
    rows: list[Row] = dataclasses.field(default_factory=list)
    captions: list[tuple[str, bool]] = dataclasses.field(default_factory=list)  # what, same
    unstable: int = 0  # cases left out because rounding decides them

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows) and all(same for _, same in self.captions)


def compare(subject: str, output: str, got: np.ndarray, want: np.ndarray, dtype: str) -> Row:
    if got.shape != want.shape or got.dtype != want.dtype:
        note = f"{got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
        return Row(subject, output, np.inf, np.inf, False, note)
    if want.size == 0:
        return Row(subject, output, 0.0, 0.0, True)
    exact = want.astype(np.float64)
    error = float(np.abs(got.astype(np.float64) - exact).max())
    size = float(np.ptp(exact)) or float(np.abs(exact).max())  # of one number: its magnitude
    share = error / max(size, SMALLEST_RANGE)
    return Row(subject, output, error, share, bool(share <= TOLERANCE[dtype]))


def write_set(folder: pathlib.Path, inputs: Feeds, outputs: Feeds) -> None:
    """TensorProto files as the tests of ONNX have them."""
    folder.mkdir(parents=True)
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for index, (name, array) in enumerate(tensors.items()):
            proto = numpy_helper.from_array(np.ascontiguousarray(array), name)
            (folder / f"{kind}_{index}.pb").write_bytes(proto.SerializeToString())


class GraphValidator:
    """Records what PyTorch answers for a file, and how far ONNX Runtime is from it."""

    def __init__(self, session: Session, stem: str, folder: pathlib.Path, dtype: str) -> None:
        self.session, self.stem, self.dtype = session, stem, dtype
        self.sets = folder / "expected" / "graphs" / stem
        self.rows: list[Row] = []
        self.count = 0

    def add(self, graph: Graph, sizes: Sizes, more: Feeds | None = None) -> None:
        """`more`: inputs that the file has and the module has not."""
        torch.manual_seed(self.count)
        inputs = graph.sample(sizes)
        feeds = {**(more or {}), **{name: tensor.numpy() for name, tensor in inputs.items()}}
        want = {name: tensor.numpy() for name, tensor in graph.run(inputs).items()}
        used = {name: value for name, value in feeds.items() if name in self.session.inputs}
        subject = f"{self.stem}/{self.count}"
        got = self.session.run(used)
        self.rows += [compare(subject, name, got[name], value, self.dtype) for name, value in want.items()]
        write_set(self.sets / f"test_data_set_{self.count}", used, want)
        self.count += 1


def validate_graph(export: Export, stem: str, sessions: Sessions, options: Options) -> list[Row]:
    """`stem`: of a file, which one graph became or two."""
    graphs = {graph.stem: graph for graph in export.graphs}
    validator = GraphValidator(sessions[stem], stem + options.suffix, sessions.folder, options.dtype)
    for sizes in VALIDATED:
        if stem not in export.joined:
            validator.add(graphs[stem], sizes)
            continue
        first, later = (graphs[name] for name in export.joined[stem])
        empty = sessions[stem].empty_past(sizes.batch)
        validator.add(first, sizes, {**empty, "use_cache_branch": np.array([False])})
        validator.add(later, sizes, {**states_for(first, sizes), "use_cache_branch": np.array([True])})
    return validator.rows


def states_for(first: Graph, sizes: Sizes) -> Feeds:
    """The first call's inputs: the joined graph wants them in later calls too, where it reads them not."""
    return {name: tensor.numpy() for name, tensor in first.sample(sizes).items()}


def caption_all(
    captioner: Captioner, images: dict[str, Image.Image], prompts: tuple[str, ...]
) -> dict[tuple[str, str, str], Generated]:
    """Answers of PyTorch by image, prompt and case."""
    return {
        (name, prompt, case): captioner.pytorch(image, prompt, {**PLAIN, **params} if params else {})
        for name, image in images.items()
        for prompt in prompts
        for case, params in CASES.items()
    }


def make_case(
    captioner: Captioner, key: tuple[str, str, str], answer: Generated, dtype: str
) -> dict[str, Any]:
    image, prompt, case = key
    expected: dict[str, Any] = {
        "sequences": answer.sequences,
        "texts": [captioner.text(ids) for ids in answer.sequences],
    }
    if answer.scores is not None:
        expected["sequences_scores"] = answer.scores
    where = {"image": image, **({"prompt": prompt} if prompt else {})}
    return {
        "name": case,
        "input": where,
        "params": CASES[case],
        "expected": expected,
        "atol": SCORE_ATOL[dtype],
    }


def onnx_answer(
    captioner: Captioner, sessions: Sessions, image: Image.Image, prompt: str, params: Params
) -> list[int]:
    settings = {**captioner.defaults.to_dict(), **({**PLAIN, **params} if params else {})}
    return captioner.onnx(sessions, image, prompt, GenerationConfig(**settings))


def is_greedy(captioner: Captioner, params: Params) -> bool:
    return ({**PLAIN, **params} if params else captioner.defaults.to_dict()).get("num_beams") in (None, 1)


def validate_captions(
    captioner: Captioner,
    sessions: Sessions,
    images: dict[str, Image.Image],
    prompts: tuple[str, ...],
    dtype: str,
) -> tuple[Report, dict[str, Any]]:
    """What was compared, and the content of expected/pipeline.json."""
    report, cases = Report(), []
    answers = caption_all(captioner, images, prompts)
    with moved_weights(captioner.model, ROUNDING[dtype]):
        moved = caption_all(captioner, images, prompts)
    for key, answer in answers.items():
        if moved[key].sequences != answer.sequences:
            report.unstable += 1
            continue
        cases.append(make_case(captioner, key, answer, dtype))
        image, prompt, case = key
        if is_greedy(captioner, CASES[case]):
            ids = onnx_answer(captioner, sessions, images[image], prompt, CASES[case])
            report.captions.append((f"{image} {prompt} {case}", ids == answer.sequences[0]))
    return report, {"task": captioner.task, "cases": cases, **captioner.notes}


def validate_retrieval(
    retriever: Retriever,
    sessions: Sessions,
    images: dict[str, Image.Image],
    queries: tuple[str, ...],
    dtype: str,
) -> tuple[list[Row], dict[str, Any]]:
    """The vectors of every query and page, and the content of expected/pipeline.json."""
    asked = [("text_model", f"query {number}", retriever.query(text)) for number, text in enumerate(queries)]
    asked += [("image_model", name, retriever.page(image)) for name, image in images.items()]
    rows = [
        compare(stem, what, onnx_vectors(sessions[stem], inputs), retriever.pytorch(inputs), dtype)
        for stem, what, inputs in asked
    ]
    cases = [*query_cases(retriever, images, queries), *page_cases(retriever, images)]
    return rows, {"task": retriever.task, "cases": cases}


def validate(
    export: Export,
    files: list[str],
    folder: pathlib.Path,
    images: dict[str, Image.Image],
    prompts: tuple[str, ...],
    options: Options,
) -> Report:
    """`files`: stems of what was written. Fills folder/expected."""
    sessions = Sessions(folder, options.suffix)
    report = Report()
    (folder / "expected").mkdir(exist_ok=True)
    if export.captioner is not None:
        asked = prompts or export.captioner.prompts
        report, pipeline = validate_captions(export.captioner, sessions, images, asked, options.dtype)
        write_json(folder / "expected" / "pipeline.json", pipeline)
    if export.retriever is not None:
        queries = prompts or export.retriever.queries
        rows, pipeline = validate_retrieval(export.retriever, sessions, images, queries, options.dtype)
        report.rows += rows
        write_json(folder / "expected" / "pipeline.json", pipeline)
    if export.answers is not None:
        write_json(folder / "expected" / "pipeline.json", export.answers)
    for stem in files:
        report.rows += validate_graph(export, stem, sessions, options)
    return report
