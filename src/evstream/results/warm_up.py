"""Use the kernels of all result tables once, so that they are compiled and kept."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping

from evstream.results.average import aal
from evstream.results.event_tables import elt
from evstream.results.exceedance import ept
from evstream.writing.creation import create


def warm_up_results(summary: bytes, widths: Mapping[str, str]) -> None:
    """Make each table of a small summary stream, of events 1 and 2."""
    for table, more in (("melt", {}), ("selt", {}), ("qelt", {"quantiles": [0.5]})):
        elt(io.BytesIO(summary), table, threads=1, widths=widths, **more)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        occurrence = os.path.join(folder, "occurrence.bin")
        with create(occurrence, "occurrence", durable=False, no_of_periods=2) as out:
            out.write_columns([1, 1, 2], [1, 2, 2], 1)
        for table in ("aal", "alct"):
            aal(io.BytesIO(summary), occurrence, table, threads=1, widths=widths)
        for per_sample in (False, True):
            for periods in (None, [0.5, 0.5]):
                for return_periods in (None, [2.0]):
                    ept(
                        io.BytesIO(summary), occurrence, periods=periods, per_sample=per_sample,
                        return_periods=return_periods, threads=1, widths=widths,
                    )  # fmt: skip
