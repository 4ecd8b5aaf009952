"""The spec's rules of severity error, as the writer enforces them.

Which rules there are, on which fields, with which limit, comes from the layout; here is
one check per word of the rule vocabulary (spec/README.md) that the writer can judge. A
check gets the blocks of one call and answers with a mask of what breaks the rule, over
blocks or entries. What must hold from one call to the next is remembered only once all
checks have passed, so a refused write changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evstream._generated import layout
from evstream.blocks import Array, Columns
from evstream.dense import Matrix
from evstream.errors import WriteError
from evstream.header import StreamHeader
from evstream.schema import Rule


class Checker:
    """Checks blocks before they are written; raises WriteError at the first broken rule.

    Attributes:
        header: of the stream that is written.
        continues: whether the first block given is the rest of the one before.
    """

    def __init__(self, header: StreamHeader, source: str) -> None:
        self.header = header
        self.continues = False
        self.finished_events: set[int] = set()
        self.event: int | None = None
        self.ids_in_event: Array = np.empty(0, np.int64)
        self.last_sidx: int | None = None
        self._source = source
        self._later: list[Callable[[], None]] = []
        block = header.block
        fields = layout.FIELDS[block.header]
        self._block_at = {f.name: i for i, f in enumerate(f for f in fields if f.plural)}
        entry = layout.FIELDS[block.entry] if block.entry else ()
        self._entry_at = {f.name: i for i, f in enumerate(entry)}
        self._ids = [
            f.name for f in fields if f.plural and header.widths[f.scalar][0] != "f"
        ]  # fmt: skip
        self._checks = [
            (rule, name, CHECKS[rule.check])
            for rule in layout.RULES.values()
            for name in rule.fields
            if rule.severity == "error" and rule.check in CHECKS
            if name in self._block_at or name in self._entry_at
        ]

    def check(self, columns: Columns, continues: bool = False) -> None:
        """Check whole blocks; with `continues`, the first is the rest of the open one."""
        self.continues = continues
        self._later.clear()
        if not len(columns.block[0]):
            return
        for rule, name, check in self._checks:
            bad = check(self, rule, self.column(name, columns), columns)
            if bad.any():
                raise self._broken(rule, name, columns, int(np.argmax(bad)))
        for remember in self._later:
            remember()

    def check_matrix(self, matrix: Matrix) -> None:
        """Check a matrix; the rules on sidx hold by the way it is written."""
        if any(rule.check == "finite" for rule, _, _ in self._checks):
            matrix.refuse_infinite()
        block = matrix.written()
        no_offsets = np.zeros(len(block[0]) + 1, np.int64)
        try:
            self.check(Columns(block, no_offsets, matrix.no_entries()))
        except WriteError as error:
            error.row = None  # a matrix has none
            raise

    def column(self, name: str, columns: Columns) -> Array:
        """A column by its field name."""
        if name in self._block_at:
            return columns.block[self._block_at[name]]
        return columns.entry[self._entry_at[name]]

    def when_passed(self, remember: Callable[[], None]) -> None:
        """Have something remembered for the next call if every check passes."""
        self._later.append(remember)

    def _broken(self, rule: Rule, name: str, columns: Columns, at: int) -> WriteError:
        block, row = at, int(columns.offsets[at]) if name in self._block_at else at
        if name in self._entry_at:
            block = int(np.searchsorted(columns.offsets, at, side="right")) - 1
        ids = {n: int(columns.block[self._block_at[n]][block]) for n in self._ids}
        problem = f"{name} {self.column(name, columns)[at]} breaks {rule.id}: {rule.doc}"
        return WriteError(problem.rstrip("."), source=self._source, ids=ids, row=row)


def _positive(checker: Checker, rule: Rule, values: Array, columns: Columns) -> Array:
    return values <= 0


def _known_special(checker: Checker, rule: Rule, sidx: Array, columns: Columns) -> Array:
    known = [int(s.sidx) for s in checker.header.spec.specials]
    return (sidx <= 0) & ~np.isin(sidx, known)


def _at_most(checker: Checker, rule: Rule, values: Array, columns: Columns) -> Array:
    return values > checker.header.values[str(rule.limit)]


def _finite(checker: Checker, rule: Rule, values: Array, columns: Columns) -> Array:
    return ~np.isfinite(values)


def _ascending(checker: Checker, rule: Rule, sidx: Array, columns: Columns) -> Array:
    falls = np.zeros(len(sidx), bool)
    if not len(sidx):
        return falls
    falls[1:] = sidx[1:] <= sidx[:-1]
    starts = columns.offsets[:-1]
    falls[starts[starts < len(sidx)]] = False
    if checker.continues and checker.last_sidx is not None:
        falls[0] = int(sidx[0]) <= checker.last_sidx

    def remember() -> None:
        checker.last_sidx = int(sidx[-1])

    checker.when_passed(remember)
    return falls


def _contiguous(checker: Checker, rule: Rule, events: Array, columns: Columns) -> Array:
    starts = np.concatenate([[0], np.flatnonzero(events[1:] != events[:-1]) + 1])
    runs = events[starts].tolist()
    bad = np.zeros(len(events), bool)
    started: set[int] = set()
    for start, event in zip(starts, runs, strict=True):
        if event in started or event in checker.finished_events:
            bad[start] = True
        started.add(event)

    def remember() -> None:
        checker.finished_events |= started - {runs[-1]}
        if checker.event is not None and checker.event != runs[-1]:
            checker.finished_events.add(checker.event)
        checker.event = runs[-1]

    checker.when_passed(remember)
    if checker.event is not None and checker.event in started and checker.event != runs[0]:
        bad[starts[runs.index(checker.event)]] = True
    return bad


def _unique_in_event(checker: Checker, rule: Rule, ids: Array, columns: Columns) -> Array:
    events = columns.block[0]
    run = np.concatenate([[0], np.cumsum(events[1:] != events[:-1])])
    order = np.lexsort((ids, run))
    bad = np.zeros(len(ids), bool)
    bad[order[1:]] = (np.diff(run[order]) == 0) & (np.diff(ids[order]) == 0)
    same_event = checker.event is not None and int(events[0]) == checker.event
    earlier = checker.ids_in_event if same_event else checker.ids_in_event[:0]
    again = (run == 0) & np.isin(ids, earlier)
    again[0] &= not checker.continues
    last = ids[run == run[-1]].astype(np.int64)

    def remember() -> None:
        kept = np.concatenate([earlier, last]) if run[-1] == 0 else last
        checker.ids_in_event = np.unique(kept)

    checker.when_passed(remember)
    bad |= again
    return bad


CHECKS: dict[str, Callable[[Checker, Rule, Array, Columns], Array]] = {
    "positive": _positive,
    "known_special": _known_special,
    "at_most": _at_most,
    "finite": _finite,
    "ascending": _ascending,
    "unique_in_event": _unique_in_event,
    "contiguous": _contiguous,
}
