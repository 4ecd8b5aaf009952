"""The rules as the writer enforces them: those of severity error, at the first break.

A call is checked as a whole before any of it is written. The checker remembers the ids of earlier
blocks, for rules that compare one with the next, but only once a call has passed: after an error
the stream is as it was, and the caller may go on with other rows. A matrix cannot break the rules
about sidx; its values are checked as they are, and its blocks without their entries.
"""

from __future__ import annotations

import numpy as np

from evstream._support.schema import Rule
from evstream.errors import WriteError, plain_id
from evstream.wire.columns import Columns
from evstream.wire.header import StreamHeader
from evstream.wire.rules import Checker
from evstream.writing.matrix import Matrix


class WriteChecker:
    """Checks blocks against the rules of severity error; raises WriteError at the first break."""

    def __init__(self, header: StreamHeader, source: str) -> None:
        self._checker = Checker(header, ("error",), screened=True)
        self._source = source

    def check(self, columns: Columns, continues: bool = False, is_open: bool = False) -> None:
        """Check blocks before they are written; row i of the columns is entry i."""
        for rule, name, mask in self._checker.broken(columns, continues, is_open):
            raise self._refused(rule, name, columns, int(np.argmax(mask)))
        self._checker.remember()

    def check_matrix(self, matrix: Matrix) -> None:
        """Check a matrix; the rules on sidx hold by the way it is written."""
        if not self._checker.allows(matrix.value_name, (matrix.specials, matrix.losses)):
            for rule, mask in self._checker.rules_of_values(matrix.value_name):
                matrix.refuse(rule, mask)
        block = matrix.written()
        if matrix.is_one_event and self._checker.passes_event(block):
            return
        no_offsets = np.zeros(len(block[0]) + 1, np.int64)
        try:
            self.check(Columns(block, no_offsets, matrix.no_entries()))
        except WriteError as error:
            error.row = None  # a matrix has none
            raise

    def _refused(self, rule: Rule, name: str, columns: Columns, at: int) -> WriteError:
        block, row = at, at
        if self._checker.is_over_entries(rule, name):
            block = int(np.searchsorted(columns.offsets, at, side="right")) - 1
        else:
            row = int(columns.offsets[at])
        value = self._checker.column(name, columns)[at]
        value = plain_id(value) if isinstance(value, bytes) else value
        problem = f"{name} {value} breaks {rule.id}: {rule.doc}".rstrip(".")
        ids = self._checker.ids(columns, block)
        return WriteError(problem, source=self._source, ids=ids, row=row, rule=rule.id)
