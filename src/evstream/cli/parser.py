"""The commands and their arguments."""

from __future__ import annotations

import argparse
import functools
from typing import Any

from evstream._support.format import Format, bound_format
from evstream.cli import log
from evstream.cli.arguments import CommandParser, SuggestingParser

_DESCRIPTION = """\
Read and check catastrophe-model event streams (loss, gul, summary, cdf).

  evstream info gul.bin                 print its header, its counts, and whether it ends cleanly
  evstream cat gul.bin --head 20        print its records as CSV
  evstream validate gul.bin             check every rule of the format
  evstream seal gul.bin                 write a seal, which shows later whether it is complete
  evstream index gul.bin                write an index, by which its events are found quickly
  evstream convert gul.bin gul.parquet  convert it to a table, or a table to a stream
  evstream merge a.bin b.bin all.bin    merge several streams into one
  evstream diff a.bin b.bin             show where two streams differ
  evstream elt summary.bin              print the event loss table of a summary stream
  evstream aal summary.bin --occurrence occurrence.bin
                                        print the average annual loss of its summaries
  evstream ept summary.bin --occurrence occurrence.bin --return-periods 100,10
                                        print their exceedance curves
  evstream report summary.bin --occurrence occurrence.bin -o report.html
                                        make a page about its losses
  evstream plot summary.bin --occurrence occurrence.bin --ep ep.png
                                        draw its exceedance curves
  evstream explain gul.bin              show its bytes at the first place that is wrong
  evstream demo                         run a model, a summary and a report

FILE may be - for stdin, and may be compressed with gzip or zstd. Commands that take several files
take patterns ('out/*.bin') and folders as well.
"""


@functools.cache
def make_parser(format: Format | None = None) -> argparse.ArgumentParser:
    """The parser of all commands for the streams of a format, made once: that takes longer than
    many a command."""
    from evstream.cli import (
        aal,
        cat,
        completion,
        convert,
        demo,
        diff,
        elt,
        ept,
        explain,
        generate,
        index,
        info,
        merge,
        monitor,
        plot,
        report,
        run,
        seal,
        tee,
        validate,
        warmup,
    )  # fmt: skip

    format = format or bound_format()
    own = format is bound_format()
    parser = SuggestingParser(
        prog="evstream" if own else f"python -m {format.package.rpartition('.')[0]}",
        description=_DESCRIPTION if own else format.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(spec_format=format, parser=parser)
    version: dict[str, Any] = {"action": "version", "version": _version(format)}
    parser.add_argument("--version", **version)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True,
        parser_class=CommandParser,
    )  # fmt: skip
    modules = [info, cat, validate, seal, tee, monitor, run, index, convert, merge, diff, explain]
    own_modules = [elt, aal, ept, report, plot, demo, generate, completion] if own else []
    for module in [*modules, warmup, *own_modules]:
        module.add_parser(commands, format)
    log.add_options(parser)
    for command in commands.choices.values():
        command.add_argument("--version", **version, help=argparse.SUPPRESS)
        log.add_options(command, default=argparse.SUPPRESS)
    return parser


def _version(format: Format) -> str:
    import evstream

    own = f"evstream {evstream.__version__}"
    if format is bound_format():
        return own
    return f"{format.package.rpartition('.')[0]}: {format.name} streams, by {own}"
