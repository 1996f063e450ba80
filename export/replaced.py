"""Methods of a model that are exchanged for a while."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """On the object itself; its class keeps its own."""
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)
