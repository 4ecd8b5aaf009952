"""Parts of objects in a store: planned by a list, read by ranges."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import evstream
from evstream import ChangedSourceError
from object_store import S3, Web

pytestmark = pytest.mark.keeps_files_open  # a store keeps its connections


def loss(events: int = 300) -> bytes:
    out = io.BytesIO()
    losses = np.random.default_rng(events).random((20, 50)) + 1
    with evstream.create(out, "loss", len_sample=50) as writer:
        for event in range(1, events + 1):
            writer.write_event(event, np.arange(1, 21), losses, mean=losses[:, 0])
    return out.getvalue()


DATA = loss()


def same(found, expected) -> bool:
    return all(np.array_equal(found[name], expected[name]) for name in expected)


def test_parts_of_an_object_are_the_object(store: S3):
    url = store.put("gul.bin", DATA)
    whole = evstream.read_columns(io.BytesIO(DATA))
    for way in ("block", "event"):
        parts = evstream.parts(url, 600_000, whole=way)
        assert len(parts) == -(-len(DATA) // 600_000)
        assert same(evstream.read_columns(parts), whole)
        pieces = [evstream.read_columns(pickle.loads(pickle.dumps(part))) for part in parts]
        joined = {name: np.concatenate([p[name] for p in pieces]) for name in whole}
        assert same(joined, whole)


def test_a_part_reads_little_more_than_its_bytes(store: S3):
    url = store.put("gul.bin", DATA)
    parts = evstream.parts(url, 1 << 20)
    store.log.clear()
    evstream.read_columns(parts[1])
    sent = sum(asked.sent for asked in store.log)
    assert sent < (1 << 20) + (1 << 18) + 4 * (1 << 16)  # the beginning of the file, two cuts
    assert len(store.log) <= 8
    assert all(asked.if_match for asked in store.log if asked.range != "bytes=0-262143")


def test_objects_are_planned_by_one_list(store: S3):
    for number in range(30):
        store.put(f"run/gul{number:02}.bin", DATA[:8] if number else DATA)
    store.log.clear()
    parts = evstream.parts("s3://data/run/*.bin", 1 << 20)
    assert len(parts.files) == 30
    assert len(store.log) == 2  # the list, and the beginning of the first object
    store.log.clear()
    again = evstream.parts(list(parts.files), 1 << 20)
    assert [asked.method for asked in store.log].count("HEAD") == 30
    assert [pickle.dumps(part) for part in again] == [pickle.dumps(part) for part in parts]


def test_options_of_the_store_go_with_the_parts(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    url = store.put("gul.bin", DATA)
    parts = evstream.parts(url, 1 << 20, storage_options=store.options)
    part = pickle.loads(pickle.dumps(parts[0]))
    assert "wholly-secret" not in repr(part)
    assert len(evstream.read_columns(part)["loss"])
    store.put("gul.bin.gz", __import__("gzip").compress(DATA))
    packed = evstream.parts("s3://data/*.gz", storage_options=store.options)
    assert same(evstream.read_columns(packed), evstream.read_columns(io.BytesIO(DATA)))


def test_parts_of_an_overwritten_object_are_refused(store: S3):
    parts = evstream.parts(store.put("gul.bin", DATA), 1 << 20)
    changed = bytearray(DATA)
    changed[-12] ^= 1
    store.put("gul.bin", bytes(changed))
    with pytest.raises(ChangedSourceError):
        evstream.read_columns(parts[0])


def test_several_objects_are_one_stream(store: S3):
    for name in ("b", "a"):
        store.put(f"run/{name}.bin", DATA)
    rows = evstream.read_columns("s3://data/run/")
    assert len(rows["loss"]) == 2 * len(evstream.read_columns(io.BytesIO(DATA))["loss"])


def test_parts_of_a_web_server_keep_its_signature(web: Web):
    web.files["/gul.bin"] = DATA
    parts = evstream.parts(f"{web.url}/gul.bin?signature=secret", 1 << 20)
    assert same(evstream.read_columns(parts), evstream.read_columns(io.BytesIO(DATA)))
    assert {asked.query for asked in web.log} == {"signature=secret"}
    assert {asked.method for asked in web.log} == {"GET"}  # which it was signed for
    assert "secret" not in repr(parts[0])
