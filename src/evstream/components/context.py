"""What the function of a component knows of its run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evstream.cli import log
from evstream.errors import EvstreamError
from evstream.wire.header import StreamHeader
from evstream.writing.writer import Writer


class ComponentRun:
    """One run of a component, the second argument of its function.

    Attributes:
        options: the command line, with the options of the author.
        input: header of the stream that is read; of a list of events too.
        data: what the function `setup` returned.
        settings: the analysis settings of an Oasis run (`-a`); {} without them.
        folder: the input folder of an Oasis run (`-p`), "input" by default.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        input: StreamHeader,
        settings: Mapping[str, Any],
    ) -> None:
        self.options, self.input, self.settings = options, input, settings
        self.folder = Path(getattr(options, "input_path", "input"))
        self.data: Any = None
        self._header: StreamHeader | None = None
        self._out: Writer | None = None

    @property
    def header(self) -> StreamHeader:
        """Header of the stream that is written."""
        assert self._header is not None
        return self._header

    @property
    def samples(self) -> int:
        """The number of samples of the stream that is written; 0 where it has none."""
        return self.header.samples or 0

    @property
    def out(self) -> Writer:
        """The stream that is written. It is open from the first event on."""
        if self._out is None:
            raise EvstreamError("the output is not open yet", expected="a use after setup")
        return self._out

    def report(self, text: str) -> None:
        """Print a line to stderr, with the name of the component; nothing under `--quiet`."""
        log.note(text)
