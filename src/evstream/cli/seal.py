"""`evstream seal` and `evstream tee`: proof that a stream is all there."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Any

from evstream._support.format import Format
from evstream.cli import add_stream_arguments, fail, open_stream, width
from evstream.cli.progress import Progress
from evstream.cli.standard import say
from evstream.errors import EvstreamError
from evstream.process import refuse_exhaustion
from evstream.transport.same_file import is_same_place, refuse_same_file


def add_parser(commands: Any, format: Format) -> None:
    seal = commands.add_parser(
        "seal",
        help="write a seal beside a file, which proves later that it is all there",
        description="Read each stream to its end and write FILE.seal: the numbers of bytes, "
        "events, blocks and records, and a checksum per megabyte. `evstream validate` uses it. "
        "A stream that is cut inside a record gets no seal.",
    )
    seal.add_argument("files", metavar="FILE", nargs="+", help="a stream")
    add_stream_arguments(seal)
    seal.set_defaults(run=run_seal)
    tee = commands.add_parser(
        "tee",
        help="pass a stream on from stdin to stdout and seal it on its way",
        description="Copy stdin to stdout, byte for byte, as it comes, and write a seal of it. "
        "If the stream ends inside a record the seal says that it is not complete, and the "
        "exit status is 1.",
    )
    tee.add_argument("--seal", metavar="FILE", required=True, help="where to write the seal")
    tee.add_argument("--output", metavar="FILE", default="-", help="instead of stdout")
    tee.add_argument("--width", metavar="TYPE=WIDTH", action="append", type=width, default=[])
    tee.set_defaults(run=run_tee)


def run_seal(options: argparse.Namespace) -> int:
    """Seal each file that can be; 2 if any cannot."""
    status = 0
    for file in options.files:
        try:
            _seal(file, options)
        except EvstreamError as error:
            status = fail(str(error))
        except OSError as error:
            refuse_exhaustion(error)
            status = fail(f"{error.filename or file}: {error.strerror or error}")
    return status


def _seal(file: str, options: argparse.Namespace) -> None:
    from evstream.checking.seal import Sealer, refuse_irregular, seal_path

    if file == "-" or (os.path.exists(file) and not os.path.isfile(file)):
        problem = "not a file: a stream from a pipe is sealed by `evstream tee`"
        raise EvstreamError(problem, source=file)
    refuse_same_file([file], [seal_path(file)])
    with contextlib.suppress(FileNotFoundError):
        refuse_irregular(seal_path(file))
    with open_stream(file, options) as stream:
        header = stream.header
    sealer = Sealer(file, header)
    with (
        open_stream(file, options, tap=sealer.update) as stream,
        Progress(file, stream.size) as progress,
    ):
        for _ in stream.chunks():
            progress.update(stream.offset)
    sealer.finish().write(seal_path(file))


def run_tee(options: argparse.Namespace) -> int:
    """Pass on and seal; what is wrong is told at the end, when all has been passed on."""
    from evstream.checking.seal import Sealer
    from evstream.reading.stream_end import tell_unclosed
    from evstream.transport.sink import Sink
    from evstream.transport.source import CHUNK, Source
    from evstream.writing.output import give_up

    refuse_same_file(["-"], [options.output, options.seal])
    if is_same_place(options.seal, options.output):
        raise ValueError(f"{options.seal}: the stream and its seal need a file each")
    source = Source("-", expand=False)
    sealer = Sealer(source.name, widths=dict(options.width), format=options.spec_format)
    wrong: EvstreamError | None = None
    view = memoryview(bytearray(CHUNK))
    with Sink(options.output) as sink:
        try:
            while size := source.readinto(view):
                if wrong is None:
                    try:
                        # First: what has been passed on can be cut when its header is known.
                        sealer.update(view[:size])
                    except EvstreamError as error:
                        wrong = error
                sink.write(view[:size])
                sink.flush()
        except BaseException:
            if sealer.header is not None:
                give_up(sink, sealer.header)
            raise
    try:
        if wrong is None:
            sealer.finish()
            tell_unclosed(sealer.unclosed, strict=False)
    except EvstreamError as error:
        wrong = error
    sealer.seal.write(options.seal)
    if wrong is not None:
        say(str(wrong))
    return 0 if wrong is None else 1
