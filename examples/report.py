"""Report the losses of a portfolio: average annual loss, largest events, exceedance curve.

    python report.py --events 400 --input summary.bin
    python catastrophe_model.py | python summarise.py | python report.py

Rates: each event of the set has the same annual rate, 0.5 / 400 for 400 events, so each
happens once in 800 years on average, independently of the others (a Poisson process). Its
samples are equally likely versions of it: 100 samples have a hundredth of the rate each.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from catastrophe_model import REGIONS, Floats, annual_rate

import evstream

RETURN_PERIODS = (5, 10, 25, 50, 100, 250, 500)
MILLION = 1e6


@dataclass(frozen=True)
class Losses:
    """The losses of the whole portfolio, of the events that have any.

    Attributes:
        event_id: shape (events,).
        mean: shape (events, regions).
        risks: number of affected risks, shape (events,).
        samples: shape (events, len_sample).
        bytes_in: bytes read.
    """

    event_id: list[int]
    mean: Floats
    risks: Floats
    samples: Floats
    bytes_in: int


def read(source: Any) -> Losses:
    """Read a summary stream whose summaries are the regions."""
    ids, means, risks, samples = [], [], [], []
    with evstream.open(source, "summary") as stream:
        for event in stream:
            summaries = event.to_dense()
            mean = np.zeros(len(REGIONS))
            mean[summaries.ids - 1] = summaries.specials["mean"]
            ids.append(event.event_id)
            means.append(mean)
            risks.append(summaries.specials["chance_of_loss"].sum(dtype=np.float64))
            samples.append(summaries.losses.sum(axis=0, dtype=np.float64))
        return Losses(
            event_id=ids,
            mean=np.array(means).reshape(len(ids), len(REGIONS)),
            risks=np.array(risks),
            samples=np.array(samples).reshape(len(ids), stream.header.len_sample or 0),
            bytes_in=stream.offset,
        )


def occurrence_exceedance(samples: Floats, rate: float, return_period: float) -> float:
    """The event loss that is exceeded in a year with a chance of 1 / return_period."""
    losses = np.sort(samples, axis=None)[::-1]
    # In a Poisson process, the chance of at least one in a year is 1 - exp(-rate).
    exceeding = -np.log(1 - 1 / return_period) / (rate / samples.shape[1])
    return float(losses[int(exceeding)]) if exceeding < len(losses) else 0.0


def report(losses: Losses, events: int) -> str:
    """The report as text; `events` is the size of the event set."""
    rate = annual_rate(events)
    mean = losses.mean.sum(axis=1)
    lines = [
        f"{len(mean)} of {events} events damage the portfolio. "
        f"Each happens once in {1 / rate:,.0f} years on average.",
        "Losses are ground-up, in millions.",
        "",
        "Average annual loss",
    ]
    for (name, *_), region in zip(REGIONS, losses.mean.T, strict=True):
        lines.append(f"  {name:<14}{region.sum() * rate / MILLION:>10.3f}")
    lines.append(f"  {'Portfolio':<14}{mean.sum() * rate / MILLION:>10.3f}   from the means")
    sampled = losses.samples.mean(axis=1).sum() * rate
    lines.append(f"  {'':<14}{sampled / MILLION:>10.3f}   from the samples")
    lines += ["", "Largest events        mean      worst sample    affected risks"]
    for n in np.argsort(-mean)[:5]:
        worst = losses.samples[n].max()
        lines.append(
            f"  {losses.event_id[n]:<10}{mean[n] / MILLION:>14.1f}{worst / MILLION:>18.1f}"
            f"{losses.risks[n]:>18,.0f}"
        )
    lines += ["", "Occurrence exceedance (the largest event loss of a year)"]
    for years in RETURN_PERIODS:
        loss = occurrence_exceedance(losses.samples, rate, years)
        lines.append(f"  once in {years:>3} years{loss / MILLION:>9.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print loss statistics of a summary stream.")
    parser.add_argument("--events", type=int, default=400, help="size of the event set")
    parser.add_argument("--input", default="-", help="a summary stream, or - for stdin")
    options = parser.parse_args()
    losses = read(options.input)
    print(report(losses, options.events))
    print(f"report: bytes_in={losses.bytes_in}", file=sys.stderr)


if __name__ == "__main__":
    main()
