"""ONNX Runtime over the exported files."""

import pathlib

import numpy as np
import onnxruntime

Feeds = dict[str, np.ndarray]
NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(bool)": np.bool_}


class Session:
    """One graph."""

    def __init__(self, path: pathlib.Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {item.name: item for item in self.session.get_inputs()}
        self.outputs = [item.name for item in self.session.get_outputs()]

    def run(self, feeds: Feeds) -> Feeds:
        """What the graph does not take is left out."""
        used = {name: self.cast(name, value) for name, value in feeds.items() if name in self.inputs}
        return dict(zip(self.outputs, self.session.run(None, used)))

    def cast(self, name: str, value: np.ndarray) -> np.ndarray:
        dtype = NUMPY_TYPES.get(self.inputs[name].type)
        return value if dtype is None else value.astype(dtype, copy=False)

    def empty_past(self, batch: int = 1) -> Feeds:
        """A cache of no positions for every past_key_values input."""
        past = {name: item for name, item in self.inputs.items() if name.startswith("past_key_values")}
        shapes = {name: (batch, item.shape[1], 0, item.shape[3]) for name, item in past.items()}
        return {name: self.cast(name, np.zeros(shape, np.float32)) for name, shape in shapes.items()}


class Sessions:
    """The graphs of a folder by stem, opened when they are asked for."""

    def __init__(self, folder: pathlib.Path, suffix: str) -> None:
        self.folder, self.suffix = folder, suffix
        self.open: dict[str, Session] = {}

    def path(self, stem: str) -> pathlib.Path:
        return self.folder / "onnx" / f"{stem}{self.suffix}.onnx"

    def has(self, stem: str) -> bool:
        return self.path(stem).is_file()

    def __getitem__(self, stem: str) -> Session:
        if stem not in self.open:
            self.open[stem] = Session(self.path(stem))
        return self.open[stem]


def past_of(results: Feeds) -> Feeds:
    """The presents of a call as the past of the next; what is empty there is kept from before."""
    presents = {
        name: value for name, value in results.items() if name.startswith("present") and value.shape[0] > 0
    }
    return {name.replace("present", "past_key_values"): value for name, value in presents.items()}


class CrossDecoder:
    """An encoder-decoder's decoder, token by token: the joined graph, or the one without a cache."""

    def __init__(self, sessions: Sessions, states: np.ndarray) -> None:
        self.cached = sessions.has("decoder_model_merged")
        self.session = sessions["decoder_model_merged" if self.cached else "decoder_model"]
        self.sessions = sessions
        self.feeds: Feeds = {"encoder_hidden_states": states, "use_cache_branch": np.array([False])}
        self.feeds["encoder_attention_mask"] = np.ones(states.shape[:2], np.int64)
        self.feeds.update(self.session.empty_past())
        self.ids: list[int] = []

    def __call__(self, fresh: list[int]) -> np.ndarray:
        self.ids += fresh
        self.feeds.update(self.tokens(fresh if self.cached else self.ids))
        results = self.session.run(self.feeds)
        if self.cached:
            self.feeds.update(past_of(results))
            self.feeds["use_cache_branch"] = np.array([True])
        return results["logits"][0, -1]

    def tokens(self, ids: list[int]) -> Feeds:
        """As the decoder reads them: themselves or their embeddings."""
        feeds = {"input_ids": np.array([ids], np.int64)}
        return self.sessions["embed_tokens"].run(feeds) if "inputs_embeds" in self.session.inputs else feeds
