"""The spec's rules, as the writer enforces them and validation reports them.

The layout has the rules, `rule_checks` one check per word of their vocabulary. State is kept from
one stretch to the next in a separate step, so a refused write changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evstream._support.jit import is_enabled
from evstream._support.schema import Rule
from evstream.errors import plain_id
from evstream.wire.check_memory import Memory
from evstream.wire.columns import Array, Columns, ids_at
from evstream.wire.header import StreamHeader
from evstream.wire.rule_checks import CHECKS, IN_LINE, ONE_BY_ONE, OVER_BLOCKS, Check

if TYPE_CHECKING:
    from evstream.wire.screen import Screen


class Checker(Memory):
    """Applies the rules to a stream, stretch by stretch."""

    def __init__(
        self,
        header: StreamHeader,
        severities: tuple[str, ...],
        *,
        screened: bool = False,
        like: Checker | None = None,
    ) -> None:
        """`screened` is for many stretches: compiled code looks at each first. What follows from
        the rules is taken from a checker `like` this one, of the same stream header."""
        super().__init__(header)
        self._specials = {special.sidx for special in header.spec.specials}
        self._block_at = {name: i for i, name in enumerate(header.block_columns)}
        self._entry_at = {name: i for i, name in enumerate(header.entry_columns)}
        self._is_covered: dict[str, bool] = {}
        self._screen: Screen | None = None
        self._checks: list[tuple[Rule, str, Check]]
        if like is not None:
            self._checks, self._screen = like._checks, like._screen
            return
        self._checks = [
            (rule, name, CHECKS[rule.check])
            for rule in header.rules.values()
            for name in rule.fields
            if rule.severity in severities and rule.check in CHECKS
            if name in self._block_at or name in self._entry_at
            if rule.limit is None or rule.limit in header.values
            if not rule.specials or header.sidx is not None
            if rule.check != "once_in_list" or header.block.entry is None
        ]
        if screened and is_enabled() and header.block.entry is not None:
            from evstream.wire.screen import Screen  # kernels

            self._screen = Screen(header, [(rule, name) for rule, name, _ in self._checks])

    def broken(
        self, columns: Columns, continues: bool = False, is_open: bool = False
    ) -> Iterator[tuple[Rule, str, Array]]:
        """Each rule that a stretch breaks, with the field and the mask of where, over entries
        or blocks; see `is_over_entries`."""
        self.continues, self.is_open = continues, is_open
        self._later.clear()
        self.falls.clear()
        if not len(columns.block[0]):
            return
        has_entries = not columns.entry or len(columns.entry[0]) > 0
        checks = self._checks
        if self._screen is not None:
            suspects = self._screen.suspects(self, columns)
            checks = [checks[number] for number in sorted(suspects)]
        for rule, name, check in checks:
            if not has_entries and self.is_over_entries(rule, name):
                continue
            values = self.column(name, columns)
            if rule.specials:
                mask = np.zeros(len(values), bool)
                of_specials = np.isin(columns.entry[0], rule.specials)  # sidx is the first field
                mask[of_specials] = check(self, name, values[of_specials], columns)
            else:
                mask = check(self, name, values, columns)
            if np.count_nonzero(mask):
                yield rule, name, mask
        self._later.append(lambda: self._count(columns))

    def _count(self, columns: Columns) -> None:
        if not self.continues or len(columns.block[0]) > 1:
            self.entries_before = 0
            self.seen_specials.clear()
        self.event = columns.block[0][-1].item()
        self.entries_before += int(columns.offsets[-1] - columns.offsets[-2])
        if not columns.offsets[-1]:
            return
        for name, at in self._entry_at.items():
            self.last[name] = columns.entry[at][-1].item()
        if self._specials:
            sidx = columns.entry[0][columns.offsets[-2] :]  # special sidx need it there
            self.seen_specials |= self._specials.intersection(sidx[sidx < 0].tolist())

    @property
    def unique_fields(self) -> list[str]:
        """Fields whose values must not be twice in an event."""
        return [name for rule, name, _ in self._checks if rule.check == "unique_in_event"]

    @property
    def is_joinable(self) -> bool:
        """Whether `follow` can put together what was found in stretches apart."""
        header = self.header
        has_numbers = header.block_columns[header.event_column].kind in "iuS"
        in_line = {rule.id for rule, _, _ in self._checks if rule.check in IN_LINE}
        return header.block.entry is not None and has_numbers and not in_line

    def column(self, name: str, columns: Columns) -> Array:
        """A column by its field name."""
        if name in self._block_at:
            return columns.block[self._block_at[name]]
        return columns.entry[self._entry_at[name]]

    def is_over_entries(self, rule: Rule, name: str) -> bool:
        """Whether the mask of a rule is over entries, not blocks."""
        return name in self._entry_at and rule.check not in OVER_BLOCKS

    def passes_event(self, block: Sequence[Array]) -> bool:
        """Whether a quick look at the blocks of one event, without entries, shows that they break
        no rule; if so, they are remembered. If not, `broken` has to find out."""
        return self._screen is not None and self._screen.event_passes(self, block)

    def allows(self, name: str, parts: Iterable[Array]) -> bool:
        """Whether the screen shows that no rule of `rules_of_values` is broken."""
        if self._screen is None:
            return False
        if name not in self._is_covered:
            checks = enumerate(self._checks)
            numbers = [n for n, (r, f, _) in checks if f == name and r.check in ONE_BY_ONE]
            self._is_covered[name] = self._screen.covers(name, numbers)
        return self._is_covered[name] and all(self._screen.allows(name, part) for part in parts)

    def rules_of_values(self, name: str) -> Iterator[tuple[Rule, Callable[[Array], Array]]]:
        """Each rule that looks at the values of a field one by one, and its check of any array."""
        columns = Columns((), np.zeros(1, np.int64), ())
        for rule, field, check in self._checks:
            if field == name and rule.check in ONE_BY_ONE:

                def mask_of(part: Array, check: Check = check) -> Array:
                    return check(self, name, part, columns)

                yield rule, mask_of

    def ids(self, columns: Columns, block: int) -> dict[str, Any]:
        """The ids of a block, for messages."""
        return {name: plain_id(v) for name, v in ids_at(self.header, columns.block, block).items()}
