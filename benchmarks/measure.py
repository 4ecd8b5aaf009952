"""How things are timed: in turn, several times, and as ratios.

The machine is noisy, so no absolute time is worth much. Contestants of a case run one after
the other, round after round, and what counts is the median over the rounds of the ratio
within a round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ROUNDS = 7


@dataclass
class Result:
    """One case: seconds per contestant and round, and what was worked on.

    Attributes:
        name: what is done.
        size: bytes of stream that each run works on.
        seconds: contestant -> its time in each round; evstream is the first.
        target: peer -> how many times as fast evstream shall be.
        note: what else there is to say.
    """

    name: str
    size: int
    seconds: dict[str, list[float]]
    target: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def ratio(self, peer: str) -> float:
        """How many times as fast as the peer evstream is."""
        ours = next(iter(self.seconds.values()))
        return statistics.median(t / o for o, t in zip(ours, self.seconds[peer], strict=True))

    def speed(self, name: str) -> float:
        """GB of stream per second."""
        return self.size / statistics.median(self.seconds[name]) / 1e9

    def to_json(self) -> dict[str, object]:
        return {
            "case": self.name,
            "bytes": self.size,
            "median_seconds": {n: statistics.median(s) for n, s in self.seconds.items()},
            "ratio": {peer: self.ratio(peer) for peer in list(self.seconds)[1:]},
            "target": self.target,
            "note": self.note,
        }


def race(
    name: str,
    size: int,
    contestants: dict[str, Callable[[], object]],
    target: dict[str, float] | None = None,
    rounds: int = ROUNDS,
    note: str = "",
) -> Result:
    """Run all contestants in turn; the first round, in which kernels compile, does not count."""
    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for number in range(rounds + 1):
        for contestant, run in contestants.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[contestant].append(time.perf_counter() - start)
    known = {peer: goal for peer, goal in (target or {}).items() if peer in contestants}
    return Result(name, size, seconds, known, note)


def table(results: list[Result]) -> str:
    """The results as a Markdown table, a row per case and peer."""
    lines = ["| What | evstream | Peer | GB/s of peer | Ratio | Target | |", "|---" * 7 + "|"]
    for result in results:
        ours, *peers = result.seconds
        for peer in peers:
            goal = result.target.get(peer)
            ratio = result.ratio(peer)
            verdict = "" if goal is None else ("met" if ratio >= goal else "**missed**")
            wanted = "" if goal is None else f"{goal:g}x"
            lines.append(
                f"| {result.name} | {result.speed(ours):.2f} GB/s | {peer} "
                f"| {result.speed(peer):.2f} | {ratio:.2f}x | {wanted} | {verdict} |"
            )
    return "\n".join(lines)
