"""`evstream completion`: a script by which a shell completes commands, options and their values.

The script is made from the parser of all commands, so it knows what they know, and a shell runs
no Python to complete a word.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from evstream._support.format import Format
from evstream._support.known_formats import formats_beside
from evstream.cli.standard import print_text
from evstream.extras import import_extra

SHELLS = ("bash", "zsh")

_DESCRIPTION = """\
Print a script that completes the commands and options of evstream, for instance:

  evstream completion bash > ~/.local/share/bash-completion/completions/evstream
  evstream completion zsh > ~/.zfunc/_evstream

docs/start/operator.md describes how the shells find it. Needs evstream[completion].
"""

_FILES = {"FILE", "IN", "OUT", "A", "B", "SUMMARY", "SPEC", "LIST", "FILE|N,N"}
_FOLDERS = {"DIR"}
"""Names of values, in usages, that are files and folders."""

_WORDS = {"--stream": "stream", "--width": "width"}
"""Options whose values are words of the format -> what their words are called in the script."""


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    print_text(script(options.parser, options.shell, options.spec_format))
    return 0


def script(parser: argparse.ArgumentParser, shell: str, format: Format) -> str:
    """The script that completes what a parser takes."""
    shtab = import_extra("shtab")
    words = {"stream": _streams(format), "width": _widths(format)}
    for action in _actions(parser):
        kind = next((_WORDS[name] for name in action.option_strings if name in _WORDS), None)
        if kind is not None:
            action.complete = dict.fromkeys(SHELLS, f"_evstream_{kind}")  # type: ignore[attr-defined]
        elif action.metavar in _FILES and action.nargs != 0:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    text: str = shtab.complete(parser, shell, preamble=_preamble(words))
    return text.rstrip()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What the commands of a parser take."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from command._actions
        else:
            yield action


def _streams(format: Format) -> list[str]:
    return [name for known in formats_beside(format) for name in known.stream_names]


def _widths(format: Format) -> list[str]:
    scalars = format.scalars.values()
    return [f"{s.name}={width}" for s in scalars if len(s.widths) > 1 for width in s.widths]


def _preamble(words: dict[str, list[str]]) -> dict[str, str]:
    """Functions of each shell that complete the words of the format."""
    bash = [
        f'_evstream_{kind}() {{ compgen -W "{" ".join(known)}" -- "$1"; }}'
        for kind, known in words.items()
    ]
    zsh = [
        f"_evstream_{kind}() {{ compadd -- {' '.join(known)}; }}" for kind, known in words.items()
    ]
    return {"bash": "\n".join(bash), "zsh": "\n".join(zsh)}
