"""A catastrophe model in one file: hurricanes, buildings, and the losses as a stream.

    python catastrophe_model.py --events 400 --seed 1 --output losses.bin
    python catastrophe_model.py | python summarise.py | python report.py

For each event of an event set a model asks: how hard does the wind blow at each location
(hazard), what part of a building does that destroy (vulnerability), and what is that part
worth (exposure)? Nobody knows exactly, so the answer is a distribution: its mean and
standard deviation, and samples of it, for each item that the event damages.

To write a model component of your own, start at `run`: how evstream is used is all there.
The world is flat, in km; the coast is the line x = 0, and the land lies east of it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import evstream

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Name, x and y of the centre, and how far the locations spread around it. Summary id n is
# the n-th region.
REGIONS = [
    ("Harbour", 12.0, 0.0, 10.0),
    ("North coast", 30.0, 150.0, 45.0),
    ("South coast", 25.0, -140.0, 45.0),
    ("Midlands", 110.0, 20.0, 50.0),
    ("Highlands", 220.0, -60.0, 60.0),
]

# Wind in m/s at which damage starts, and at which half of the building is lost.
CONSTRUCTIONS = [("timber", 25.0, 64.0), ("masonry", 28.0, 77.0), ("concrete", 32.0, 95.0)]

EVENTS_PER_YEAR = 0.5
SHARED_FORTUNE = 0.3  # part of the items whose samples are good or bad together
SMALLEST_DAMAGE = 1e-4  # mean part of the value; below it an item counts as undamaged


@dataclass(frozen=True)
class Portfolio:
    """The exposure: one insured building per location. All arrays are of shape (locations,).

    Attributes:
        item_id: the number of the location, from 1.
        x, y: where it is.
        construction: row of CONSTRUCTIONS.
        tiv: total insured value.
    """

    item_id: Integers
    x: Floats
    y: Floats
    construction: Integers
    tiv: Floats


@dataclass(frozen=True)
class EventSet:
    """The hazard: hurricanes that make landfall. All arrays are of shape (events,).

    Attributes:
        event_id: from 1.
        landfall: y of the place where the track crosses the coast.
        heading: direction of the track in radians; 0 is due east, straight inland.
        wind: strongest wind at landfall, in m/s.
        radius: distance from the track at which the wind is down to 70 %.
    """

    event_id: Integers
    landfall: Floats
    heading: Floats
    wind: Floats
    radius: Floats


def annual_rate(events: int) -> float:
    """Annual rate of each event of the set: all are equally likely here."""
    return EVENTS_PER_YEAR / events


def region_of(item_ids: npt.ArrayLike) -> Integers:
    """Row of REGIONS for each item: locations are numbered round the regions in turn."""
    return (np.asarray(item_ids, np.int64) - 1) % len(REGIONS)


def make_portfolio(locations: int, seed: int) -> Portfolio:
    rng = np.random.default_rng([seed, 1])
    item_id = np.arange(1, locations + 1)
    centre = np.array([region[1:] for region in REGIONS])[region_of(item_id)]
    offset = rng.normal(size=(2, locations)) * centre[:, 2]
    return Portfolio(
        item_id=item_id,
        x=np.abs(centre[:, 0] + offset[0]),  # none lies in the sea
        y=centre[:, 1] + offset[1],
        construction=rng.choice(len(CONSTRUCTIONS), size=locations, p=[0.3, 0.5, 0.2]),
        tiv=rng.lognormal(np.log(250_000), 0.8, locations).round(-3),
    )


def make_event_set(events: int, seed: int) -> EventSet:
    rng = np.random.default_rng([seed, 2])
    return EventSet(
        event_id=np.arange(1, events + 1),
        landfall=rng.uniform(-450, 450, events),
        heading=rng.normal(0, 0.4, events),
        wind=35 + 21 * rng.weibull(1.7, events),
        radius=rng.lognormal(np.log(45), 0.4, events),
    )


def footprint(event_set: EventSet, n: int, portfolio: Portfolio) -> Floats:
    """Hazard: the wind of event n at each location. It falls off inland and to the sides."""
    heading = event_set.heading[n]
    north = portfolio.y - event_set.landfall[n]
    inland = portfolio.x * np.cos(heading) + north * np.sin(heading)
    aside = north * np.cos(heading) - portfolio.x * np.sin(heading)
    decay = np.exp(-np.maximum(inland, 0) / 400)
    wind: Floats = event_set.wind[n] * decay / np.hypot(1, aside / event_set.radius[n])
    return wind


def vulnerability(wind: Floats, construction: Integers) -> tuple[Floats, Floats]:
    """Chance that a building is damaged, and the mean part of it that is lost."""
    onset, half_lost = np.array([c[1:] for c in CONSTRUCTIONS])[construction].T
    excess = np.maximum(wind - onset, 0) / (half_lost - onset)
    return 1 - np.exp(-8 * excess), excess**3 / (1 + excess**3)


def damage_distribution(chance: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Shape b and standard deviation of the damage.

    A damaged building loses a Beta(1, b) distributed part of its value, which is the beta
    distribution that can be sampled without special functions.
    """
    b = chance / mean - 1
    second_moment = chance * 2 / ((b + 1) * (b + 2))
    return b, np.sqrt(second_moment - mean**2)


def sample_damage(chance: Floats, b: Floats, samples: int, rng: np.random.Generator) -> Floats:
    """Damaged part per item and sample, shape (items, samples); 0 where undamaged."""
    items = len(chance)
    luck = rng.random((items, samples))
    # Items are not independent: the wind model is wrong in the same way for neighbours.
    shared = rng.random(items) < SHARED_FORTUNE
    luck[shared] = rng.random(samples)
    part_left = (luck / chance[:, np.newaxis]) ** (1 / b)[:, np.newaxis]
    return np.maximum(1 - part_left, 0)


def run(
    out: Any, *, seed: int = 1, events: int = 400, locations: int = 3000, samples: int = 100
) -> int:
    """Write the ground-up losses of the whole event set; returns how many events have any."""
    portfolio = make_portfolio(locations, seed)
    event_set = make_event_set(events, seed)
    written = 0
    with evstream.create(out, "loss", len_sample=samples) as stream:
        for n, event_id in enumerate(event_set.event_id.tolist()):
            wind = footprint(event_set, n, portfolio)
            chance, mean = vulnerability(wind, portfolio.construction)
            hit = np.flatnonzero(mean > SMALLEST_DAMAGE)
            if not len(hit):
                continue
            chance, mean, tiv = chance[hit], mean[hit], portfolio.tiv[hit]
            b, std_dev = damage_distribution(chance, mean)
            # A generator per event: its losses do not depend on the events before it.
            damage = sample_damage(chance, b, samples, np.random.default_rng([seed, 3, event_id]))
            stream.write_event(
                event_id,
                portfolio.item_id[hit],
                damage * tiv[:, np.newaxis],
                mean=mean * tiv,
                std_dev=std_dev * tiv,
                tiv=tiv,
                chance_of_loss=chance,
                max_loss=tiv,
            )
            written += 1
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the losses of a small hurricane model.")
    parser.add_argument("--events", type=int, default=400, help="size of the event set")
    parser.add_argument("--locations", type=int, default=3000, help="buildings insured")
    parser.add_argument("--samples", type=int, default=100, help="samples of each loss")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same losses")
    parser.add_argument("--output", default="-", help="a file, or - for stdout")
    options = vars(parser.parse_args())
    written = run(options.pop("output"), **options)
    print(f"catastrophe_model: events={written}", file=sys.stderr)  # stdout is the stream


if __name__ == "__main__":
    main()
