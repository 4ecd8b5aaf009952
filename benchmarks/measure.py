"""Time contestants in turn, several times, and compare them by ratios.

The machine is noisy, so absolute times mean little. The contestants of a case run one after
another, round after round; the result is the median over the rounds of the ratio within a round,
and its spread is the lowest and the highest of them. After each round a probe, a short piece of
work that is always the same, shows how much the machine was disturbed.

A case does not run before its `run` is called, so that one can be chosen by its name.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ROUNDS = 7
FEWEST_ROUNDS = 3
SECONDS = 8.0
"""A case of more than FEWEST_ROUNDS stops after this time."""

NOISY = 1.15
"""A machine whose probe takes so many times its least time is disturbed."""


@dataclass
class Result:
    """One case: seconds per contestant and round.

    Attributes:
        name: what is done.
        size: bytes of stream that each run works on; 0 where only the time counts.
        seconds: contestant -> its time in each round; evstream is the first.
        target: peer -> how many times as fast evstream should be.
        speed: GB/s that evstream should reach; None for no aim.
        cpu: whether the seconds are those of all cores together, not of the clock.
        cost: whether to show seconds per GB instead of GB per second.
        noise: time of the probe, as a multiple of its least time.
        note: a remark for the table.
    """

    name: str
    size: int
    seconds: dict[str, list[float]]
    target: dict[str, float] = field(default_factory=dict)
    speed: float | None = None
    cpu: bool = False
    cost: bool = False
    noise: float = 1.0
    note: str = ""

    def ratios(self, peer: str) -> list[float]:
        """How many times as fast as the peer evstream is, in each round."""
        ours = next(iter(self.seconds.values()))
        return [t / max(o, 1e-9) for o, t in zip(ours, self.seconds[peer], strict=True)]

    def ratio(self, peer: str) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios(peer))

    def shown(self, name: str) -> str:
        """GB of stream per second, the reverse, or the time."""
        median = max(statistics.median(self.seconds[name]), 1e-9)
        unit = "CPU-s" if self.cpu else "s"
        if not self.size:
            return f"{median:.2f} {unit}"
        if self.cost:
            return f"{median / self.size * 1e9:.2f} {unit}/GB"
        return f"{self.size / median / 1e9:.2f} GB/{unit}"

    def rows(self) -> list[str]:
        """A row of the table per peer."""
        ours, *peers = self.seconds
        name = self.name + (" (noisy)" if self.noise > NOISY else "")
        rows = []
        for peer in peers:
            goal, ratios, ratio = self.target.get(peer), self.ratios(peer), self.ratio(peer)
            verdict = "" if goal is None else ("met" if ratio >= goal else "**missed**")
            wanted = "" if goal is None else f"{goal:.3g}x"
            rows.append(
                f"| {name} | {self.shown(ours)} | {peer} | {self.shown(peer)} "
                f"| {ratio:.2f}x | {min(ratios):.2f} to {max(ratios):.2f} | {wanted} | {verdict} |"
            )
        if not peers or self.speed is not None:
            rows.insert(0, self._row_alone(name, self.seconds[ours]))
        return rows

    def _row_alone(self, name: str, seconds: Sequence[float]) -> str:
        """The row of evstream's own speed: no ratio, but a spread of speeds."""
        spread = wanted = verdict = ""
        if self.size:
            speeds = [self.size / max(s, 1e-9) / 1e9 for s in seconds]
            spread = f"{min(speeds):.2f} to {max(speeds):.2f}"
            if self.speed is not None:
                wanted = f"{self.speed:g} GB/{'CPU-s' if self.cpu else 's'}"
                verdict = "met" if statistics.median(speeds) >= self.speed else "**missed**"
        ours = next(iter(self.seconds))
        return f"| {name} | {self.shown(ours)} | | | | {spread} | {wanted} | {verdict} |"

    def to_json(self) -> dict[str, object]:
        return {
            "case": self.name,
            "bytes": self.size,
            "time": "cpu" if self.cpu else "clock",
            "median_seconds": {n: statistics.median(s) for n, s in self.seconds.items()},
            "ratio": {peer: self.ratio(peer) for peer in list(self.seconds)[1:]},
            "ratio_spread": {
                peer: [min(self.ratios(peer)), max(self.ratios(peer))]
                for peer in list(self.seconds)[1:]
            },
            "rounds": len(next(iter(self.seconds.values()))),
            "target": self.target,
            "speed": self.speed,
            "noise": round(self.noise, 3),
            "note": self.note,
        }


@dataclass
class Fact:
    """A number that has no peer, with its limit if there is one."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    noise: float = 1.0

    def row(self) -> str:
        """A row of the table."""
        name = self.name + (" (noisy)" if self.noise > NOISY else "")
        verdict = "" if self.limit is None else "met" if self.value <= self.limit else "**missed**"
        limit = "" if self.limit is None else f"{self.limit:g} {self.unit}"
        return f"| {name} | {self.value:.3g} {self.unit} | {limit} | {verdict} |"

    def rows(self) -> list[str]:
        """As of Result."""
        return [self.row()]

    def to_json(self) -> dict[str, object]:
        return {
            "case": self.name, "value": self.value, "unit": self.unit, "limit": self.limit,
            "noise": round(self.noise, 3),
        }  # fmt: skip


@dataclass
class Race:
    """A case that has not run yet. Attributes as of Result, and:

    contestants: name -> what it does; evstream is the first.
    prepare: called once before.
    family: whether processor time is that of running child processes, too.
    """

    name: str
    size: int
    contestants: dict[str, Callable[[], object]]
    target: dict[str, float] | None = None
    rounds: int = ROUNDS
    note: str = ""
    speed: float | None = None
    cpu: bool = False
    cost: bool = False
    prepare: Callable[[], object] | None = None
    family: bool = False

    def run(self) -> Result:
        """Run all contestants in turn; the first round, in which kernels compile, does not
        count."""
        if self.prepare is not None:
            self.prepare()
        for run in self.contestants.values():
            run()
        seconds: dict[str, list[float]] = {contestant: [] for contestant in self.contestants}
        clock = time.perf_counter
        if self.cpu:
            clock = family_seconds if self.family else cpu_seconds
        probes = [PROBE.measure()]
        begin = time.perf_counter()
        for number in range(self.rounds):
            if number >= FEWEST_ROUNDS and time.perf_counter() - begin > SECONDS:
                break
            for contestant, run in self.contestants.items():
                start = clock()
                run()
                seconds[contestant].append(clock() - start)
            probes.append(PROBE.measure())
        goals = (self.target or {}).items()
        known = {peer: goal for peer, goal in goals if peer in self.contestants}
        return Result(
            self.name, self.size, seconds, known, self.speed, self.cpu, self.cost,
            statistics.median(probes) / PROBE.least, self.note,
        )  # fmt: skip


@dataclass
class Later:
    """A case whose inputs take time or memory, so that they are made when it runs."""

    name: str
    build: Callable[[], Race]

    def run(self) -> Result:
        return self.build().run()


@dataclass
class Measure:
    """A fact that is not measured yet."""

    name: str
    unit: str
    value: Callable[[], float]
    limit: float | None = None
    prepare: Callable[[], object] | None = None

    def run(self) -> Fact:
        if self.prepare is not None:
            self.prepare()
        probes = [PROBE.measure()]
        value = self.value()
        probes.append(PROBE.measure())
        noise = statistics.median(probes) / PROBE.least
        return Fact(self.name, value, self.unit, self.limit, noise)


Case = Race | Later | Measure


class Probe:
    """A few milliseconds of the same work. Others on the machine make it slower.

    Attributes:
        least: its least time so far, that of an undisturbed machine.
        times: all of them.
    """

    def __init__(self) -> None:
        self.least = float("inf")
        self.times: list[float] = []

    def measure(self) -> float:
        start = time.perf_counter()
        sum(range(200_000))
        taken = time.perf_counter() - start
        self.least = min(self.least, taken)
        self.times.append(taken)
        return taken

    def verdict(self) -> str:
        """How disturbed the machine was."""
        if not self.times:
            return ""
        slow = sum(taken > NOISY * self.least for taken in self.times) / len(self.times)
        median = statistics.median(self.times) / self.least
        return (
            f"the probe took {median:.2f} times its least time (median of {len(self.times)}), "
            f"more than {NOISY:g} times in {slow:.0%}"
        )

    @property
    def is_noisy(self) -> bool:
        """Whether a machine like this should not be trusted."""
        slow = [taken for taken in self.times if taken > NOISY * self.least]
        return len(slow) > len(self.times) / 4


PROBE = Probe()


def busy_at_start() -> str | None:
    """A warning if other programs are running; None if the machine is idle."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < 0.5:
        return None
    return f"the load is {load:.1f} on {cores} cores before the first case: wait until it is 0"


def cpu_seconds() -> float:
    """Processor time of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def family_seconds() -> float:
    """The same with children that still run, and theirs: Spark's Java and its workers."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            with open(f"/proc/{entry.name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(entry.name)] = int(fields[1])
        ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    family = {os.getpid()}
    while found := {one for one, parent in parents.items() if parent in family} - family:
        family |= found
    return cpu_seconds() + sum(
        ticks[one] for one in family if one in ticks and one != os.getpid()
    ) / os.sysconf("SC_CLK_TCK")


def table(results: Sequence[Result | Fact]) -> str:
    """The results as Markdown: a table with a row per case and peer, and one of the facts."""
    races, facts = [HEAD, "|---" * 8 + "|"], [FACTS_HEAD, "|---" * 4 + "|"]
    for result in results:
        (facts if isinstance(result, Fact) else races).extend(result.rows())
    return "\n".join(races) + "\n\n" + "\n".join(facts)


HEAD = "| What | evstream | Peer | of the peer | Ratio | Spread | Target | |"
FACTS_HEAD = "| What | Measured | Limit | |"
