"""Rules: their vocabulary, and the fields that they look at."""

from __future__ import annotations

from ..draft import Draft, Problems
from ..language import CHECKS, SEVERITIES
from ..model import Rule
from ..problems import unknown


def words(draft: Draft) -> Problems:
    for rule in draft.spec.rules.values():
        path = f"rules.{rule.id}"
        if rule.severity not in SEVERITIES:
            message = unknown("severity", rule.severity, SEVERITIES)
            yield draft.problem(f"{path}.severity", message)
        if rule.check not in CHECKS:
            yield draft.problem(f"{path}.check", unknown("check", rule.check, CHECKS))


def arguments(draft: Draft) -> Problems:
    """Whether a rule has the keys that its check needs, and no other."""
    for rule in draft.spec.rules.values():
        if rule.check not in CHECKS:
            continue
        check = CHECKS[rule.check]
        path = f"rules.{rule.id}"
        for key, needed, given in (
            ("field", check.where is not None, bool(rule.fields)),
            ("limit", check.limit, rule.limit is not None),
        ):
            if needed and not given:
                yield draft.problem(f"{path}.{key}", f"missing; check {rule.check!r} needs a {key}")
            elif given and not needed:
                yield draft.problem(f"{path}.{key}", f"check {rule.check!r} takes no {key}")


def fields(draft: Draft) -> Problems:
    """Only where the records that have the fields are all known."""
    blocks = draft.spec.blocks.values()
    headers = [block.header for block in blocks]
    entries = [block.entry for block in blocks if block.entry is not None]
    used = {"header": headers, "entry": entries, "header or entry": headers + entries}
    for rule in draft.spec.rules.values():
        where = CHECKS[rule.check].where if rule.check in CHECKS else None
        legal = _fields(draft, "blocks", used[where]) if where is not None else None
        for i, name in enumerate(rule.fields):
            if legal is not None and name not in legal:
                message = unknown(f"field of a block's {where}", name, legal)
                yield draft.problem(_field_path(draft, rule, i), message)


def limits(draft: Draft) -> Problems:
    headers = [s.header for s in draft.spec.streams.values() if s.header is not None]
    legal = _fields(draft, "streams", headers)
    for rule in draft.spec.rules.values():
        if legal is not None and rule.limit is not None and rule.limit not in legal:
            message = unknown("field of a stream header", rule.limit, legal)
            yield draft.problem(f"rules.{rule.id}.limit", message)


def _fields(draft: Draft, section: str, names: list[str]) -> list[str] | None:
    """Names of the fields of the records that a section names, each once; None if not known."""
    records = draft.spec.records
    if not draft.whole(section) or any(name not in records for name in names):
        return None
    return list(dict.fromkeys(field.name for name in names for field in records[name].fields))


def _field_path(draft: Draft, rule: Rule, i: int) -> str:
    path = f"rules.{rule.id}.field"
    return f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
