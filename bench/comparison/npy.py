"""Reads .npy files of 32-bit floats without numpy."""

import array
import ast
from pathlib import Path

from .common import BenchError


def read(path: Path):
    """(shape, values)"""
    data = path.read_bytes()
    if data[:6] != b"\x93NUMPY" or data[6] != 1:
        raise BenchError(f"{path} is no .npy file of version 1")
    length = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
    if header["descr"] != "<f4" or header["fortran_order"]:
        raise BenchError(f"{path} holds {header['descr']}, not row-major 32-bit floats")
    values = array.array("f")
    values.frombytes(data[10 + length :])
    return header["shape"], values


def error_over_range(got: Path, expected: Path):
    """The largest difference over the range of the expected values; infinite for other shapes or NaN."""
    (shape, a), (wanted, b) = read(got), read(expected)
    if tuple(shape) != tuple(wanted):
        return float("inf")
    if not b:
        return 0.0
    worst = max(abs(x - y) if abs(x - y) >= 0 else float("inf") for x, y in zip(a, b))
    return worst / max(max(b) - min(b), 1e-3)
