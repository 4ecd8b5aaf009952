"""What a component is made of, as its author declares it."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from evstream._support.arguments import list_of_names
from evstream._support.format import Format, bound_format
from evstream._support.schema import Stream
from evstream.errors import EvstreamError

Function = Callable[..., Any]


class ModelError(EvstreamError):
    """The function of a component failed at an event; the cause is what it raised."""


@dataclass(frozen=True)
class Design:
    """What a component is made of; see `component`."""

    stream: str
    inputs: tuple[str, ...]
    arguments: Callable[[argparse.ArgumentParser], object] | None
    setup: Function | None
    header: Mapping[str, int | str]
    name: str
    doc: str
    format: Format

    @property
    def reads_list(self) -> bool:
        """Whether it reads a list of events, so that the function gets ids."""
        return any(is_list(self.format, self.format.stream(name)) for name in self.inputs)

    @property
    def is_oasis(self) -> bool:
        """Whether it may take the arguments by which an Oasis run starts a model."""
        return self.reads_list and self.format is bound_format()


def is_list(format: Format, stream: Stream) -> bool:
    """Whether a stream type is a list of events, and nothing more."""
    block = format.blocks[stream.block]
    is_bare = stream.type_word is None and stream.header is None
    return is_bare and block.entry is None and len(format.fields[block.header]) == 1


def input_types(format: Format, given: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names of the types that a component reads; () for any."""
    if given is None:
        return tuple(s.name for s in format.streams.values() if is_list(format, s))[:1]
    names = [format.stream(name).name for name in list_of_names("input", given)]
    bare = [name for name in names if format.streams[name].type_word is None]
    if len(names) > 1 and bare:
        raise ValueError(
            f"input is {', '.join(names)}: a {bare[0]} stream has no type word that distinguishes"
            " it from others"
        )
    return tuple(names)


def name_of(function: Function) -> str:
    """The name of a program: of the file of its function."""
    code: CodeType | None = getattr(function, "__code__", None)
    if code is not None and not code.co_filename.startswith("<"):
        return os.path.basename(code.co_filename).removesuffix(".py")
    return str(getattr(function, "__name__", type(function).__name__))


def doc_of(function: Function) -> str:
    """What a program says about itself: the docstring of its function, or of the module."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    own = getattr(function, "__doc__", None) if hasattr(function, "__name__") else None
    return inspect.cleandoc(own or getattr(module, "__doc__", None) or "")
