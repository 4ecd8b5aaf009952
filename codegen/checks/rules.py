"""Rules: their vocabulary, and the fields that they look at."""

from __future__ import annotations

from ..draft import Draft, Problems
from ..language import CHECKS, SEVERITIES, SPECIAL_SIDX
from ..model import Block, Rule
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
        for key, names in (("blocks", rule.blocks), ("streams", rule.streams)):
            if names and not check.narrow:
                message = f"check {rule.check!r} takes no {key}; it holds in every stream"
                yield draft.problem(f"{path}.{key}", message)
        for key, needed, given in (
            ("field", check.where is not None, bool(rule.fields)),
            ("limit", check.limit, rule.limit is not None),
            ("to", check.to, bool(rule.to)),
        ):
            if needed and not given:
                yield draft.problem(f"{path}.{key}", f"missing; check {rule.check!r} needs a {key}")
            elif given and not needed:
                yield draft.problem(f"{path}.{key}", f"check {rule.check!r} takes no {key}")


def fields(draft: Draft) -> Problems:
    """Only where the records that have the fields are all known."""
    for rule in draft.spec.rules.values():
        if not _is_known(draft, rule):
            continue
        blocks = _blocks_of(draft, rule)
        headers = [block.header for block in blocks]
        entries = [block.entry for block in blocks if block.entry is not None]
        used = {"header": headers, "entry": entries, "header or entry": headers + entries}
        where = CHECKS[rule.check].where if rule.check in CHECKS else None
        legal = _fields(draft, used[where], "blocks", "streams") if where is not None else None
        if legal is not None and "header" in str(where):
            legal = [*legal, *(block.row.name for block in blocks if block.row is not None)]
        for i, name in enumerate(rule.fields):
            if legal is not None and name not in legal:
                message = unknown(f"field of a block's {where}", name, legal)
                yield draft.problem(_field_path(draft, rule, i), message)
            elif (
                legal is not None
                and not CHECKS[rule.check].text
                and _is_text(draft, used[str(where)], name)
            ):
                message = f"{name!r} is text; check {rule.check!r} looks at numbers"
                yield draft.problem(_field_path(draft, rule, i), message)


def targets(draft: Draft) -> Problems:
    """The fields that rules refer to. Those of another format are not looked up here."""
    for rule in draft.spec.rules.values():
        for i, target in enumerate(rule.to):
            stream_name, _, name = target.rpartition("/")[2].partition(".")
            path = f"rules.{rule.id}.to"
            path = f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
            if not name or ("/" in target and not target.startswith(f"{draft.spec.format}/")):
                continue
            yield from draft.unknown("streams", "stream", stream_name, path)
            stream = draft.spec.streams.get(stream_name)
            block = draft.spec.blocks.get(stream.block) if stream is not None else None
            legal = _fields(draft, [block.header], "blocks") if block is not None else None
            if block is None or legal is None:
                continue
            legal = [*legal, *([block.row.name] if block.row is not None else [])]
            if name not in legal:
                message = unknown("field of a block's header", name, legal)
                yield draft.problem(path, message)


def limits(draft: Draft) -> Problems:
    for rule in draft.spec.rules.values():
        streams = [s for s in draft.spec.streams.values() if rule.holds_in(s)]
        headers = [s.header for s in streams if s.header is not None]
        legal = _fields(draft, headers, "streams")
        if not _is_known(draft, rule):
            continue
        if legal is not None and rule.limit is not None and rule.limit not in legal:
            message = unknown("field of a stream header", rule.limit, legal)
            yield draft.problem(f"rules.{rule.id}.limit", message)
        elif legal is not None and rule.limit is not None and _is_text(draft, headers, rule.limit):
            message = f"{rule.limit!r} is text; a limit is a number"
            yield draft.problem(f"rules.{rule.id}.limit", message)


def special_sidx(draft: Draft) -> Problems:
    """The special sidx whose entries rules are limited to."""
    enum = draft.spec.enums.get(SPECIAL_SIDX)
    names = [value.name for value in enum.values] if enum is not None else []
    for rule in draft.spec.rules.values():
        path = f"rules.{rule.id}.{SPECIAL_SIDX}"
        if not rule.special_sidx or rule.check not in CHECKS:
            continue
        if not CHECKS[rule.check].special:
            message = f"check {rule.check!r} takes no {SPECIAL_SIDX}"
            yield draft.problem(path, message)
            continue
        unknown_names = [name for name in rule.special_sidx if name not in names]
        if enum is None:
            yield from draft.unknown("enums", "enum", SPECIAL_SIDX, path)
        elif unknown_names:
            message = unknown("special sidx", unknown_names[0], names)
            yield draft.problem(path, message)
        if unknown_names or not _is_known(draft, rule) or not draft.whole("streams"):
            continue
        streams = [s for s in draft.spec.streams.values() if rule.holds_in(s)]
        for name in rule.special_sidx:
            lacking = [s.name for s in streams if not any(x.name == name for x in s.special_sidx)]
            if len(lacking) == len(streams) or (rule.streams and lacking):
                where = f"stream {lacking[0]!r} has no" if rule.streams else "no stream has the"
                yield draft.problem(path, f"{where} special sidx {name}")
        yield from _only_of_entries(draft, rule)


def _only_of_entries(draft: Draft, rule: Rule) -> Problems:
    """Fields of block headers have no sidx."""
    headers = _fields(draft, [block.header for block in _blocks_of(draft, rule)], "blocks")
    for i, name in enumerate(rule.fields):
        if headers is not None and name in headers:
            message = f"{name!r} is a field of a block header, which has no sidx"
            yield draft.problem(_field_path(draft, rule, i), message)


def scopes(draft: Draft) -> Problems:
    """The blocks and streams that rules are limited to."""
    for rule in draft.spec.rules.values():
        for section, what, names in (
            ("blocks", "block", rule.blocks),
            ("streams", "stream", rule.streams),
        ):
            for i, name in enumerate(names):
                path = f"rules.{rule.id}.{section}"
                path = f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
                yield from draft.unknown(section, what, name, path)
        both = rule.blocks and rule.streams and _is_known(draft, rule)
        if both and not any(map(rule.holds_in, draft.spec.streams.values())):
            message = "none of the streams repeats one of the blocks"
            yield draft.problem(f"rules.{rule.id}.streams", message)


def _is_known(draft: Draft, rule: Rule) -> bool:
    """Whether what the rule is limited to exists."""
    spec = draft.spec
    return set(rule.blocks) <= spec.blocks.keys() and set(rule.streams) <= spec.streams.keys()


def _blocks_of(draft: Draft, rule: Rule) -> list[Block]:
    """The blocks that a rule concerns, those of no stream too unless it names streams."""
    spec = draft.spec
    named = {s.block for s in spec.streams.values() if rule.holds_in(s)}
    if not rule.streams:
        return [b for b in spec.blocks.values() if not rule.blocks or b.name in rule.blocks]
    return [b for b in spec.blocks.values() if b.name in named]


def _fields(draft: Draft, names: list[str], *sections: str) -> list[str] | None:
    """Names of the fields of the records that sections name, each once; None if not known."""
    records = draft.spec.records
    if not all(map(draft.whole, sections)) or any(name not in records for name in names):
        return None
    return list(dict.fromkeys(field.name for name in names for field in records[name].fields))


def _is_text(draft: Draft, names: list[str], field: str) -> bool:
    """Whether a field of this name is text in one of the records."""
    fields = (f for name in names for f in draft.spec.records[name].fields)
    return any(f.name == field and draft.kind(f) == "text" for f in fields)


def _field_path(draft: Draft, rule: Rule, i: int) -> str:
    path = f"rules.{rule.id}.field"
    return f"{path}[{i}]" if f"{path}[{i}]" in draft.places else path
