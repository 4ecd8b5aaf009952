"""Input data for the reference's programs: what its wheel ships, and larger streams.

Everything is packed here with numpy, without evstream and without the reference, except for
the summary streams, which the reference's summarypy makes.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from interop.programs import run

EVENTS = int(os.environ.get("EVSTREAM_INTEROP_EVENTS", "200"))
ITEMS, SAMPLES = 100, 20
"""200 events are 4 MB: sixty windows of 64 KiB, with blocks across their edges. More of them show
what the programs cost beyond their start."""

PAIR = np.dtype([("sidx", "<i4"), ("loss", "<f4")])


def reference_data() -> Path:
    spec = find_spec("oasislmf")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "_data"


def make_workspace(path: Path) -> Path:
    """A run directory: `model` with a small real model, `big` with large made-up streams."""
    model, big = path / "model", path / "big"
    # 2.5 ships a model; the path to one of its copies serves for the older ones.
    warmup = Path(os.environ.get("EVSTREAM_INTEROP_MODEL", reference_data() / "warmup"))
    if warmup.exists():
        shutil.copytree(warmup, model)
    for folder in ("input", "static", "work/gul"):
        (big / folder).mkdir(parents=True)
    (big / "gul.bin").write_bytes(loss_stream())
    write_static(big)
    for rule in (1, 2):
        prepare(f"fmpy -a{rule} --create-financial-structure-files -p input", big)
    prepare("summarypy -t gul -p input -i gul.bin -1 work/gul/summary.bin -2 summary_2.bin", big)
    if shutil.which("eltpy"):  # 2.3 has none
        prepare("eltpy -i summary_2.bin -s summary.csv", big)
    return path


def prepare(command: str, folder: Path) -> None:
    result = run(command, folder, dropin=False)
    assert result.returncode == 0, result.stderr


def loss_stream(seed: int = 1) -> bytes:
    """A loss stream with all specials, zeros left out as the real programs do."""
    random = np.random.default_rng(seed)
    parts = [np.array([2 << 24 | 1, SAMPLES], "<u4").tobytes()]
    tiv = random.uniform(1e4, 1e6, ITEMS).astype("f4")
    for event_id in range(1, EVENTS + 1):
        for item_id in range(1, ITEMS + 1):
            losses = random.gamma(0.5, tiv[item_id - 1] / 20, SAMPLES).astype("f4")
            losses[losses < tiv[item_id - 1] / 1000] = 0
            pairs = np.zeros(SAMPLES + 6, PAIR)
            pairs["sidx"][:-1] = [-5, -4, -3, -2, -1, *range(1, SAMPLES + 1)]
            pairs["loss"][:5] = [
                tiv[item_id - 1], (losses > 0).mean(), tiv[item_id - 1], losses.std(), losses.mean()
            ]  # fmt: skip
            pairs["loss"][5:-1] = losses
            kept = (pairs["loss"] != 0) | (pairs["sidx"] <= 0)
            parts += [np.array([event_id, item_id], "<i4").tobytes(), pairs[kept].tobytes()]
    return b"".join(parts)


def write_static(big: Path) -> None:
    """Exposure, a financial structure of two levels, occurrences, amplifications."""
    ids = np.arange(1, ITEMS + 1, dtype="<i4")
    one, two = np.ones_like(ids), np.full_like(ids, 2)
    coverages = (ids + 1) // 2
    inputs = big / "input"

    def table(name: str, *columns: np.ndarray, start: bytes = b"") -> None:
        rows = np.rec.fromarrays(columns)
        (inputs / f"{name}.bin").write_bytes(start + rows.tobytes())

    table("items", ids, coverages, ids.astype("<u4"), one, ids)
    table("coverages", np.full(ITEMS // 2, 500000, "<f4"))
    for name in ("gulsummaryxref", "fmsummaryxref"):
        first, second = np.stack([ids, one, one], 1), np.stack([ids, ids % 7 + 1, two], 1)
        (inputs / f"{name}.bin").write_bytes(np.concatenate([first, second]).tobytes())
    events = np.arange(1, EVENTS + 1, dtype="<i4")
    periods = events % 50 + 1
    dates = (735000 + events).astype("<i4")
    table("occurrence", events, periods, dates, start=np.array([1, 50], "<i4").tobytes())
    table("returnperiods", np.array([50, 25, 10, 5, 2], "<i4"))
    quantiles = np.array([0, 0.25, 0.5, 0.75, 1], "<f4")
    table("quantile", quantiles)
    table("amplifications", ids, ids, start=bytes(4))
    factors = np.rec.fromarrays([ids, (1 + ids / 100).astype("<f4")])
    loss_factors = [np.array([e, ITEMS], "<i4").tobytes() + factors.tobytes() for e in events[::2]]
    (big / "static" / "lossfactors.bin").write_bytes(bytes(4) + b"".join(loss_factors))

    def csv(name: str, header: str, rows: list[tuple[object, ...]]) -> None:
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (inputs / f"{name}.csv").write_text("\n".join(lines) + "\n")

    groups = [(i, 1, (i + 4) // 5) for i in range(1, ITEMS + 1)]
    tops = [(i, 2, 1) for i in range(1, ITEMS // 5 + 1)]
    csv("fm_programme", "from_agg_id,level_id,to_agg_id", [*groups, *tops])
    policies = [(1, i, 1, 1) for i in range(1, ITEMS // 5 + 1)]
    csv("fm_policytc", "level_id,agg_id,layer_id,profile_id", [*policies, (2, 1, 1, 2)])
    header = "profile_id,calcrule_id,deductible1,deductible2,deductible3,"
    header += "attachment1,limit1,share1,share2,share3"
    csv("fm_profile", header, [(1, 1, 5000, 0, 0, 0, 250000, 0, 0, 0),
                               (2, 2, 10000, 0, 0, 50000, 2500000, 0.9, 0, 0)])  # fmt: skip
    csv("fm_xref", "output,agg_id,layer_id", [(i, i, 1) for i in range(1, ITEMS + 1)])
    risks = [((i + 3) // 4, i, 1, (i + 1) // 2) for i in range(1, ITEMS + 1)]
    csv("gul_summary_map", "loc_id,item_id,building_id,coverage_id", risks)
    csv("fm_summary_map", "loc_id,output_id,building_id,coverage_id", risks)


def amplified(stream: bytes) -> bytes:
    """What plapy must make of `loss_stream`: losses of odd events times their item's factor."""
    words = np.frombuffer(stream, "<i4").copy()
    losses = words.view("<f4")
    at = 2
    while at < len(words):
        event_id, item_id = words[at : at + 2]
        at += 2
        factor = np.float32(1 + item_id / 100) if event_id % 2 else np.float32(1)
        while words[at]:
            losses[at + 1] *= factor
            at += 2
        at += 2
    return words.tobytes()


if __name__ == "__main__":
    print(reference_data() / "warmup")
