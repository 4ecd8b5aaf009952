"""Ground-up losses of a toy model: each event destroys a random part of every item.

evepy 1 1 | python component.py -S 10 | fmpy -a2 -p input > losses.bin
"""

import numpy as np
import numpy.typing as npt

import evstream

Array = npt.NDArray[np.float64]


def exposure(run: evstream.ComponentRun) -> tuple[Array, Array]:
    """The items of the run, and the value of each."""
    items = evstream.read_columns(run.folder / "items.bin")
    coverages = evstream.read_columns(run.folder / "coverages.bin")
    return items["item_id"], coverages["tiv"][items["coverage_id"] - 1]


@evstream.component(setup=exposure)
def losses(event_id: int, run: evstream.ComponentRun) -> tuple[Array, Array, dict[str, Array]]:
    item_ids, tiv = run.data
    chance = np.random.default_rng(event_id)  # the losses of an event depend on nothing else
    damage = chance.beta(0.2, 3.8, (len(tiv), run.samples))
    return item_ids, damage * tiv[:, np.newaxis], {"mean": 0.05 * tiv, "tiv": tiv}


if __name__ == "__main__":
    losses.run()
