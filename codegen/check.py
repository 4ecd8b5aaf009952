"""What the loader can't see: whether the entries of a spec fit each other.

A pass is a small function that yields the problems of one kind, and each runs whatever the
others found. To add a check, write one in `checks/` and list it here.
"""

from __future__ import annotations

from collections.abc import Callable

from .checks import documented, names, rules, streams, structure, types, values
from .draft import Draft, Problems
from .problems import Problem

PASSES: tuple[Callable[[Draft], Problems], ...] = (
    types.scalars,
    types.dates,
    types.enums,
    types.type_word,
    types.records,
    values.minimums,
    values.reserved,
    names.constants,
    names.environment,
    names.parameters,
    names.columns,
    names.record_fields,
    names.stream_headers,
    names.type_names,
    names.module_names,
    documented.arguments,
    documented.function_names,
    structure.delimiters,
    structure.block_records,
    structure.block_ends,
    structure.block_delimiters,
    structure.block_entries,
    structure.block_counts,
    structure.block_headers,
    structure.block_rows,
    structure.block_values,
    structure.block_columns,
    streams.types,
    streams.default,
    streams.unique_types,
    streams.parts,
    streams.special_names,
    streams.special_fields,
    streams.csv_columns,
    streams.gaps,
    streams.files,
    streams.variants,
    streams.variant_values,
    streams.index_files,
    names.stream_names,
    rules.words,
    rules.arguments,
    rules.fields,
    rules.targets,
    rules.limits,
    rules.special_sidx,
    rules.scopes,
)


def check(draft: Draft) -> list[Problem]:
    return [problem for run in PASSES for problem in run(draft)]
