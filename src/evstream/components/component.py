"""`evstream.component`: a function of one event becomes a program of a pipeline."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, overload

from evstream import process
from evstream._support.arguments import described
from evstream._support.arguments import function as checked_function
from evstream._support.format import Format, chosen_format
from evstream.cli import standard
from evstream.components.design import Design, Function, doc_of, input_types, name_of
from evstream.components.program import attempt


class Component:
    """A function of one event as a program; made by `evstream.component`.

    Calling it calls the function, as a test of the model does.

    Attributes:
        design: what it was declared with.
    """

    def __init__(self, function: Function, design: Design) -> None:
        self.design = design
        self._function = function
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._function(*arguments, **keywords)

    def __repr__(self) -> str:
        return f"<Component {self.design.name}>"

    def run(self) -> NoReturn:
        """Be the program of this process: run with its command line, and exit with the status of
        the run. Stops cleanly at SIGINT, SIGTERM and the like."""

        def work() -> int:
            standard.prepare()
            process.watch_signals()
            return attempt(self._function, self.design, sys.argv[1:])

        sys.exit(process.run(work, self.design.name))

    def main(self, arguments: Sequence[str]) -> int:
        """Run once with these arguments, inside another program; the exit status.

        Errors are printed to stderr, as in `run`. 0: complete, 1: the model failed, 2: input that
        cannot be read or wrong arguments, 70: out of memory, 141: the reader of the output went
        away.
        """
        return attempt(self._function, self.design, list(arguments))


@overload
def component(
    function: Function,
    /,
    *,
    stream: str | None = None,
    input: str | Sequence[str] | None = None,
    arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    setup: Function | None = None,
    header: Mapping[str, int | str] | None = None,
    name: str | None = None,
    format: Format | None = None,
) -> Component: ...


@overload
def component(
    function: None = None,
    /,
    *,
    stream: str | None = None,
    input: str | Sequence[str] | None = None,
    arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    setup: Function | None = None,
    header: Mapping[str, int | str] | None = None,
    name: str | None = None,
    format: Format | None = None,
) -> Callable[[Function], Component]: ...


def component(
    function: Function | None = None,
    /,
    *,
    stream: str | None = None,
    input: str | Sequence[str] | None = None,
    arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    setup: Function | None = None,
    header: Mapping[str, int | str] | None = None,
    name: str | None = None,
    format: Format | None = None,
) -> Component | Callable[[Function], Component]:
    """Make a program of a function that is called for each event; use it as a decorator.

    The program reads events from stdin or `-i FILE`, writes a stream to stdout or `-o FILE`, and
    takes `-S SAMPLES`; its `--help` is the docstring of the function, or of its module. What the
    function prints goes to stderr while the stream goes to stdout.

    Args:
        function: called with the event, and with a ComponentRun if it has a second parameter
            without default. The event is its id where a list of events is read, else an Event.
            It returns, or yields, what the event makes:
            a tuple (item_ids, losses) or (item_ids, losses, columns), or a dict, each as for
            Writer.write_event without the event id;
            a dict of rows, which has "sidx" or is for a stream that is not a matrix, as for
            Writer.write_columns without the event id;
            an Event, as it is; or None, where the event makes nothing.
            It may write by itself with `run.out`.
        stream: the type to write; by default a loss stream.
        input: the type to read, or several, of which the stream header says which it is. By
            default the list of events to run, as `eve` and `evepy` write it; in a format without
            such a list, any type.
        arguments: called with the argparse parser, to add options. `run.options` has them.
        setup: called with the ComponentRun once before the first event, to load what all events
            need; `run.data` is what it returns.
        header: fields of the stream header of the output. Those that are not given are those of
            the input; the number of samples is that of `-S`, else that of the input, else 0.
        name: of the program in messages; by default the name of the function's file.
        format: the format of the streams; that of evstream by default.

    Raises:
        TypeError, ValueError: an argument is not legal.
    """

    def made(function: Function) -> Component:
        checked_function("function", function)
        return Component(function, _design(function))

    def _design(function: Function) -> Design:
        for key, value in (("arguments", arguments), ("setup", setup)):
            if value is not None:
                checked_function(key, value)
        if header is not None and not isinstance(header, Mapping):
            raise TypeError(f"header is {described(header)}, expected a dict")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name is {described(name)}, expected a text")
        known = chosen_format(format)
        written = known.default_stream if stream is None else stream
        if written is None:
            raise TypeError(f"no stream type, expected {', '.join(known.streams)}")
        return Design(
            stream=known.stream(written).name,
            inputs=input_types(known, input),
            arguments=arguments,
            setup=setup,
            header=dict(header or {}),
            name=name or name_of(function),
            doc=doc_of(function),
            format=known,
        )

    return made if function is None else made(function)
