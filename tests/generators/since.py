#!/usr/bin/env python3
"""Writes tests/golden/ops/since.txt: for each operator of ONNX the opset that brought it, one "domain.Op N" a line.

usage: python3 tests/generators/since.py      needs onnx
"""
import pathlib

import onnx.defs

first = {}
for schema in onnx.defs.get_all_schemas_with_history():
    name = f"{schema.domain}.{schema.name}"
    first[name] = min(schema.since_version, first.get(name, schema.since_version))
path = pathlib.Path(__file__).parents[1] / "golden" / "ops" / "since.txt"
path.write_text("".join(f"{name} {version}\n" for name, version in sorted(first.items())))
