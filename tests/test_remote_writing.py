"""Objects of a store appear when they are complete, and every command takes URLs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import evstream
from evstream import EvstreamError, WriteError
from evstream.cli.program import main
from evstream.indexing.files import find_index
from evstream.transport.remote import upload
from evstream.transport.sink import Sink
from object_store import S3, Asked

pytestmark = pytest.mark.keeps_files_open  # a store keeps its connections

PART = 5 << 20
DATA = np.random.default_rng(2).integers(0, 256, 2 * PART + 100, np.uint8).tobytes()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PART", PART)
    monkeypatch.setattr(upload, "IN_FLIGHT", 1)


def write(sink: Sink) -> None:
    for at in range(0, len(DATA), 300_000):
        sink.write(memoryview(DATA)[at : at + 300_000])


def write_all(url: str) -> None:
    with Sink(url) as sink:
        write(sink)


def write_and_fail(url: str) -> None:
    with Sink(url) as sink:
        write(sink)
        raise KeyError


def test_an_object_appears_when_it_is_complete(store: S3):
    with Sink("s3://data/out/x.bin") as sink:
        write(sink)
        assert (store.keys(), store.unfinished()) == ([], 1)
    assert (store.keys(), store.unfinished()) == (["out/x.bin"], 0)
    assert store.get("out/x.bin") == DATA
    parts = [asked for asked in store.log if "partNumber" in asked.query]
    assert len(parts) == 3


def test_a_small_object_is_one_request(store: S3):
    with Sink("s3://data/x.bin") as sink:
        sink.write(memoryview(b"12"))
        sink.write(memoryview(b"34"))
    assert store.get("x.bin") == b"1234"
    assert [asked.method for asked in store.log[:1]] == ["PUT"]


def test_a_writer_that_fails_leaves_no_object(store: S3):
    store.put("x.bin", b"old")
    with pytest.raises(KeyError):
        write_and_fail("s3://data/x.bin")
    assert (store.get("x.bin"), store.unfinished()) == (b"old", 0)


def test_a_store_that_refuses_a_part_leaves_no_object(store: S3):
    def refuse_second(asked: Asked) -> tuple[str, bytes] | None:
        body = b"<Error><Code>AccessDenied</Code><Message>no\nmore</Message></Error>"
        return ("403 Forbidden", body) if "partNumber=2" in asked.query else None

    store.answer = refuse_second
    with pytest.raises(WriteError, match=r"Permission denied \(403 AccessDenied: no more\)"):
        write_all("s3://data/x.bin")
    assert (store.keys(), store.unfinished()) == ([], 0)


def test_a_missing_bucket_is_named(store: S3):
    with pytest.raises(WriteError, match=r"^s3://nowhere/x\.bin: .*No such bucket$"):
        write_all("s3://nowhere/x.bin")


def test_what_is_no_object_is_not_written(store: S3):
    with pytest.raises(IsADirectoryError):
        Sink("s3://data/folder/")
    with pytest.raises(EvstreamError, match="a web server takes no files"):
        Sink("http://127.0.0.1/x.bin")


def test_an_object_of_too_many_parts_is_refused(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upload, "MOST_PARTS", 1)
    with pytest.raises(WriteError, match="at most 1 parts of 5242880 bytes"):
        write_all("s3://data/x.bin")
    assert (store.keys(), store.unfinished()) == ([], 0)


def test_larger_parts_make_larger_objects(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upload, "MOST_PARTS", 1)
    monkeypatch.setenv("EVSTREAM_UPLOAD_PART", "11 MiB")
    write_all("s3://data/x.bin")
    assert store.get("x.bin") == DATA
    assert len([asked for asked in store.log if asked.method == "PUT"]) == 1
    for wrong in ("1 MiB", "6 GiB", "many"):
        monkeypatch.setenv("EVSTREAM_UPLOAD_PART", wrong)
        with pytest.raises(ValueError, match=f"EVSTREAM_UPLOAD_PART is '{wrong}', expected"):
            write_all("s3://data/y.bin")


def gul(url: str, rows: int = 4, **options) -> None:
    ids = np.arange(1, rows + 1)
    with evstream.create(url, "loss", len_sample=10, **options) as writer:
        writer.write_columns(ids, ids, np.minimum(ids, 10), ids * 1.5)


def test_a_stream_and_its_seal_are_objects(store: S3):
    gul("s3://data/gul.bin", seal=True)
    assert store.keys() == ["gul.bin", "gul.bin.seal"]
    assert len(evstream.read_columns("s3://data/gul.bin")["loss"]) == 4
    assert "as-sealed" not in evstream.validate("s3://data/gul.bin").counts
    data = bytearray(store.get("gul.bin"))
    data[-12] ^= 1  # of the last loss
    store.put("gul.bin", bytes(data))
    assert evstream.validate("s3://data/gul.bin").counts["as-sealed"] == 1


def test_a_stream_and_its_index_are_objects(store: S3):
    gul("s3://data/gul.bin", index=True)
    assert store.keys() == ["gul.bin", "gul.bin.evx"]
    index = find_index("s3://data/gul.bin")
    assert index is not None
    assert index.size == len(store.get("gul.bin"))
    store.client.delete_object(Bucket="data", Key="gul.bin.evx")
    assert find_index("s3://data/gul.bin") is None


def test_an_index_without_a_tag_is_stale_after_an_overwrite(store: S3):
    """The index of a writer knows no ETag, so checksums are compared, as for a copy of a file."""
    gul("s3://data/gul.bin", index=True)
    assert evstream.read_columns("s3://data/gul.bin", events=[2])["loss"].tolist() == [3.0]
    data = bytearray(store.get("gul.bin"))
    data[-12] ^= 1  # of the last loss
    store.put("gul.bin", bytes(data))
    (part,) = evstream.parts("s3://data/gul.bin")
    for read in (
        lambda: evstream.read_columns("s3://data/gul.bin", events=[2]),
        lambda: evstream.read_columns(part, events=[2]),
        lambda: evstream.open("s3://data/gul.bin").event(2),
    ):
        with pytest.raises(evstream.StaleIndexError, match="not those that were indexed"):
            read()


def test_an_index_of_an_object_names_its_tag(store: S3):
    gul("s3://data/gul.bin", rows=100_000)
    store.log.clear()
    evstream.build_index("s3://data/gul.bin")
    assert len([asked for asked in store.log if asked.method == "GET"]) == 4  # 1/4 MiB and more
    store.log.clear()
    with evstream.open("s3://data/gul.bin") as stream:
        assert stream.event(777).loss.tolist() == [777 * 1.5]
    assert len(store.log) <= 8  # not the 16 stretches that a copy is compared by
    assert evstream.read_columns("s3://data/gul.bin", events=[5])["loss"].tolist() == [7.5]
    gul("s3://data/gul.bin", rows=100_001)
    with (
        pytest.raises(evstream.StaleIndexError),
        evstream.open("s3://data/gul.bin") as stream,
    ):
        stream.event(777)


def test_a_failed_stream_keeps_the_old_seal(store: S3):
    gul("s3://data/gul.bin", seal=True)
    before = store.get("gul.bin"), store.get("gul.bin.seal")
    store.answer = lambda asked: (
        ("403 Forbidden", b"") if asked.method == "PUT" and asked.path.endswith("gul.bin") else None
    )
    with pytest.raises(WriteError):
        gul("s3://data/gul.bin", rows=5, seal=True)
    assert (store.get("gul.bin"), store.get("gul.bin.seal")) == before
    with pytest.raises(WriteError):
        gul("s3://data/new-gul.bin", rows=5, seal=True)
    assert store.keys() == ["gul.bin", "gul.bin.seal"]


def test_the_source_is_not_overwritten(store: S3):
    gul("s3://data/gul.bin")
    with pytest.raises(EvstreamError, match="the output would overwrite this input"):
        evstream.convert("s3://data/gul.bin", "s3://data/gul.bin")


def test_a_folder_of_tables_is_not_written_to_a_store(store: S3):
    gul("s3://data/gul.bin")
    with pytest.raises(EvstreamError, match="does not appear whole"):
        evstream.convert("s3://data/gul.bin", "s3://data/out", partition_by="event_id:1000")


def test_options_of_a_store_are_arguments(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    gul("s3://data/gul.bin", storage_options=store.options, seal=True, index=True)
    assert store.keys() == ["gul.bin", "gul.bin.evx", "gul.bin.seal"]
    with evstream.open("s3://data/gul.bin", storage_options=store.options) as stream:
        assert [event.event_id for event in stream] == [1, 2, 3, 4]
    evstream.convert("s3://data/gul.bin", "s3://data/gul.csv", storage_options=store.options)
    assert store.get("gul.csv").splitlines()[1] == b"1,1,1,1.5"


def test_a_scan_of_an_object_reads_it_for_each_query(store: S3):
    gul("s3://data/gul.bin")
    frame = evstream.scan_polars("s3://data/gul.bin")
    assert [frame.collect().height for _ in range(2)] == [4, 4]


def test_commands_take_urls(store: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gul("s3://data/gul.bin")
    assert main(["info", "--json", "s3://data/gul.bin"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 4
    assert main(["seal", "s3://data/gul.bin"]) == 0
    assert main(["cat", "s3://data/gul.bin", "--head", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "1,1,1,1.5"
    for url in ["gul.csv", "gul.parquet", "gul.bin.gz"]:
        assert main(["convert", "s3://data/gul.bin", f"s3://data/{url}"]) == 0
    assert main(["convert", "s3://data/gul.parquet", "s3://data/back.bin"]) == 0
    assert store.get("back.bin") == store.get("gul.bin")
    assert main(["diff", "s3://data/back.bin", "s3://data/gul.bin.gz"]) == 0
    assert main(["merge", "--order", "inputs", "s3://data/gul.bin", "s3://data/all.bin"]) == 0
    assert store.get("all.bin") == store.get("gul.bin")
    capsys.readouterr()
    assert main(["merge", "s3://data/gul.bin", "s3://data/all.bin"]) == 2
    assert "the output exists" in capsys.readouterr().err
    assert main(["info", "s3://data/no.bin"]) == 2
    assert capsys.readouterr().err == "evstream: s3://data/no.bin: No such object\n"


def test_objects_of_other_systems_appear_whole():
    import fsspec

    memory = fsspec.filesystem("memory")
    try:
        gul("memory://out/gul.bin", seal=True)
        assert sorted(memory.find("/out")) == ["/out/gul.bin", "/out/gul.bin.seal"]
        with pytest.raises(KeyError):
            write_and_fail("memory://out/gul.bin")
        assert sorted(memory.find("/out")) == ["/out/gul.bin", "/out/gul.bin.seal"]
        assert len(evstream.read_columns("memory://out/gul.bin")["loss"]) == 4
    finally:
        memory.rm("/out", recursive=True)


def test_events_of_an_object_are_read_by_its_index(monkeypatch):
    import fsspec

    memory = fsspec.filesystem("memory")
    url = "memory://indexed/gul.bin"

    def write_events(factor: float, **options: bool) -> None:
        with evstream.create(url, len_sample=2, **options) as out:
            for event in range(1, 50):
                out.write_event(event, [1, 2], [[factor, 2], [3, 4]])

    try:
        write_events(1.0)
        assert len(evstream.read_columns(url, 9)["loss"]) == 4  # without an index
        write_events(1.0, index=True)
        with monkeypatch.context() as patch:
            patch.setattr(evstream.EventStream, "chunks", None)  # the way of a scan
            assert evstream.read_columns(url, [40, 3])["event_id"].tolist() == [3] * 4 + [40] * 4
            with evstream.open(url) as stream:
                assert stream.event(9).loss.tolist() == [1, 2, 3, 4]
            evstream.build_index(url)
            assert len(evstream.read_columns(url, 9)["loss"]) == 4
            write_events(5.0)
            with pytest.raises(evstream.StaleIndexError):
                evstream.read_columns(url, 9)
    finally:
        memory.rm("/indexed", recursive=True)
