"""Sum the losses of the items of each region: a loss stream in, a summary stream out.

    python summarise.py --input losses.bin --output summary.bin
    python catastrophe_model.py | python summarise.py | python report.py

A summary stream has, for each event and summary (here: a region), the exposure that the
event reaches, the mean, the number of affected risks and the samples of their sum. Sample
3 of a summary is the sum of sample 3 of its items, which keeps them consistent.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
from catastrophe_model import region_of

import evstream


def run(source: Any, out: Any) -> int:
    """Read losses from `source`, write summaries to `out`; returns the bytes read."""
    with (
        evstream.open(source, "loss") as losses,
        evstream.create(
            out, "summary", len_sample=losses.header.len_sample, summary_set_id=1
        ) as summaries,
    ):
        for event in losses:
            items = event.to_dense()
            region = region_of(items.ids)
            regions, risks = np.unique(region, return_counts=True)
            # One row per region, 1 where an item belongs to it: times a column is its sum.
            belongs = (region == regions[:, np.newaxis]).astype(np.float64)
            summaries.write_event(
                event.event_id,
                regions + 1,
                belongs @ items.losses,
                exposure_values=belongs @ items.specials["tiv"],
                mean=belongs @ items.specials["mean"],
                chance_of_loss=risks,  # in a summary stream: the number of affected risks
            )
        return losses.offset


def main() -> None:
    parser = argparse.ArgumentParser(description="Sum item losses by region.")
    parser.add_argument("--input", default="-", help="a loss stream, or - for stdin")
    parser.add_argument("--output", default="-", help="a file, or - for stdout")
    options = parser.parse_args()
    size = run(options.input, options.output)
    print(f"summarise: bytes_in={size}", file=sys.stderr)  # stdout is the stream


if __name__ == "__main__":
    main()
