"""`evstream plot`: charts of a stream as pictures."""

from __future__ import annotations

import argparse
from typing import Any

from evstream._support.format import Format
from evstream.cli.arguments import number, whole_number
from evstream.cli.report_inputs import (
    add_inputs,
    input_files,
    library_options,
    progress_of,
    source_of,
)
from evstream.cli.results import side_files

_DESCRIPTION = """\
Draw charts of a stream, for a paper or a talk. The name of each picture says what it is: .png, .svg
or .pdf:

  evstream plot summary.bin --occurrence occurrence.bin --ep ep.pdf --aal aal.png
  evstream plot gul.bin --occurrence occurrence.bin --ep ep.svg
  evstream plot gul.bin --distribution events.png

Exceedance curves and average annual losses need --occurrence, which says in which periods the
events are. The losses of items (gul, fm) are added up over all of them.
"""

_CHARTS = {
    "ep": "exceedance curves (OEP, AEP and their TVaR)",
    "aal": "average annual losses of summaries",
    "convergence": "average annual loss, or loss of all events, by number of samples",
    "largest": "the largest events",
    "distribution": "number of events by mean loss",
}


def add_parser(commands: Any, format: Format) -> None:
    parser = commands.add_parser(
        "plot",
        help="draw exceedance curves and other charts of a stream (PNG, SVG, PDF)",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_inputs(parser)
    group = parser.add_argument_group("charts")
    for name, text in _CHARTS.items():
        group.add_argument(f"--{name}", metavar="PICTURE", help=text)
    parser.add_argument(
        "--summary", metavar="N", type=whole_number,
        help="the summary of --ep and --convergence (default: the one with the largest average"
        " annual loss)",
    )  # fmt: skip
    parser.add_argument(
        "--calc", choices=["full", "analytical", "per-sample", "sample-mean"], default="full",
        help="the losses of --ep: full uncertainty (default), analytical means, per sample means or"
        " sample means",
    )  # fmt: skip
    parser.add_argument(
        "--size", metavar="WIDTHxHEIGHT", type=_size, default=(640, None),
        help="in pixels of a screen, 96 to the inch (default: 640 wide)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", metavar="N", type=number, default=2.0,
        help="pixels of a PNG for each of these (default 2)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw the charts."""
    from evstream.reporting.plot import plot
    from evstream.transport.same_file import refuse_same_file

    targets = {name: getattr(options, name) for name in _CHARTS}
    pictures = [target for target in targets.values() if target is not None]
    files = input_files(options)
    refuse_same_file([*files, *side_files(options)], pictures)
    width, height = options.size
    with progress_of(options, files, 1) as progress:
        plot(
            source_of(options), **targets,
            summary=options.summary, calc=options.calc, width=width, height=height,
            scale=options.scale, progress=progress.update, **library_options(options),
        )  # fmt: skip
    return 0


def _size(text: str) -> tuple[int, int | None]:
    width, times, height = text.partition("x")
    try:
        return int(width), int(height) if times else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected WIDTHxHEIGHT, e.g. 640x400") from None
