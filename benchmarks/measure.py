"""Time contestants in turn, several times, and compare them by ratios.

The machine is noisy, so absolute times mean little. The contestants of a case run one after
another, round after round; the result is the median over the rounds of the ratio within a round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ROUNDS = 7


@dataclass
class Result:
    """One case: seconds per contestant and round.

    Attributes:
        name: what is done.
        size: bytes of stream that each run works on; 0 where only the time counts.
        seconds: contestant -> its time in each round; evstream is the first.
        target: peer -> how many times as fast evstream should be.
        note: a remark for the table.
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

    def shown(self, name: str) -> str:
        """GB of stream per second, or the time."""
        median = statistics.median(self.seconds[name])
        return f"{self.size / median / 1e9:.2f} GB/s" if self.size else f"{median:.2f} s"

    def rows(self) -> list[str]:
        """A row of the table per peer."""
        ours, *peers = self.seconds
        rows = []
        for peer in peers:
            goal, ratio = self.target.get(peer), self.ratio(peer)
            verdict = "" if goal is None else ("met" if ratio >= goal else "**missed**")
            wanted = "" if goal is None else f"{goal:.3g}x"
            rows.append(
                f"| {self.name} | {self.shown(ours)} | {peer} | {self.shown(peer)} "
                f"| {ratio:.2f}x | {wanted} | {verdict} |"
            )
        return rows or [f"| {self.name} | {self.shown(ours)} | | | | | |"]

    def to_json(self) -> dict[str, object]:
        return {
            "case": self.name,
            "bytes": self.size,
            "median_seconds": {n: statistics.median(s) for n, s in self.seconds.items()},
            "ratio": {peer: self.ratio(peer) for peer in list(self.seconds)[1:]},
            "target": self.target,
            "note": self.note,
        }


@dataclass
class Fact:
    """A number that has no peer, with its limit if there is one."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    def row(self) -> str:
        """A row of the table."""
        verdict = "" if self.limit is None else "met" if self.value <= self.limit else "**missed**"
        limit = "" if self.limit is None else f"{self.limit:g} {self.unit}"
        return f"| {self.name} | {self.value:.3g} {self.unit} | {limit} | {verdict} |"

    def to_json(self) -> dict[str, object]:
        return {"case": self.name, "value": self.value, "unit": self.unit, "limit": self.limit}


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


def table(results: Sequence[Result | Fact]) -> str:
    """The results as Markdown: a table with a row per case and peer, and one of the facts."""
    races, facts = [HEAD, "|---" * 7 + "|"], [FACTS_HEAD, "|---" * 4 + "|"]
    for result in results:
        if isinstance(result, Fact):
            facts.append(result.row())
        else:
            races += result.rows()
    return "\n".join(races) + "\n\n" + "\n".join(facts)


HEAD = "| What | evstream | Peer | of the peer | Ratio | Target | |"
FACTS_HEAD = "| What | Measured | Limit | |"
