"""Find the generated kernels of a block at the widths of a stream."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from evstream._generated import layout
from evstream.schema import Block


def block_kernels(block: Block, widths: Mapping[str, str]) -> Any:
    """The generated module for the block, e.g. evstream._generated.item_i4_f4."""
    return _module(block.name, _suffix(_scalars(block), widths))


def record_functions(widths: Mapping[str, str]) -> Any:
    """The generated module with mv_read_* and mv_write_* of every record."""
    return _module("records", _suffix(list(layout.SCALARS), widths))


def _scalars(block: Block) -> list[str]:
    records = [block.header] if block.entry is None else [block.header, block.entry]
    used = {f.scalar for record in records for f in layout.FIELDS[record]}
    return [name for name in layout.SCALARS if name in used]


def _suffix(scalars: list[str], widths: Mapping[str, str]) -> str:
    return "_".join(widths[name] for name in scalars if len(layout.SCALARS[name].widths) > 1)


@cache
def _module(name: str, suffix: str) -> Any:
    return importlib.import_module(f"evstream._generated.{name}_{suffix}")
