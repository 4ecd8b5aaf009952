"""Objects of a store are read by ranges that are checked."""

from __future__ import annotations

import io
import math
import pickle
import threading
import zlib

import numpy as np
import pytest

import evstream
from evstream import ChangedSourceError, EvstreamError, MissingExtraError, StallError
from evstream.transport import read_ahead
from evstream.transport.range_file import open_range_file
from evstream.transport.remote import RemoteFile, list_facts, stores
from evstream.transport.source import Source
from object_store import S3, Asked, Web
from support import PATIENCE

pytestmark = pytest.mark.keeps_files_open  # a store keeps its connections

DATA = np.random.default_rng(1).integers(0, 256, 3 << 20, np.uint8).tobytes()


def all_bytes(source: Source) -> bytes:
    out, view = bytearray(), memoryview(bytearray(100_000))
    try:
        while size := source.readinto(view):
            out += view[:size]
    finally:
        source.close()
    return bytes(out)


def test_an_object_is_read_whole_and_no_byte_twice(store: S3):
    url = store.put("a/x.bin", DATA)
    store.log.clear()
    source = Source(url)
    assert (source.name, source.size) == (url, len(DATA))
    assert all_bytes(source) == DATA
    assert sum(asked.sent for asked in store.log) == len(DATA)
    assert len(store.log) == 4  # of 1/4, 1/2, 1 and 5/4 MiB
    tags = {asked.if_match for asked in store.log}
    assert len(tags) == 2
    assert None in tags  # of the first request, which brings the tag


def test_the_beginning_of_an_object_is_one_request(store: S3):
    url = store.put("gul.bin", loss_stream(100) + DATA)
    store.log.clear()
    with evstream.open(url) as stream:
        assert stream.header.stream == "loss"
        assert next(iter(stream)).event_id == 1
    assert [asked.range for asked in store.log] == [f"bytes=0-{(1 << 18) - 1}"]


def test_several_ranges_are_on_their_way(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(read_ahead, "RANGE", 1 << 18)
    url = store.put("x.bin", DATA)
    two = threading.Barrier(2)

    def wait_for_another(asked: Asked) -> None:
        start = int(str(asked.range).removeprefix("bytes=").partition("-")[0])
        if start >= len(DATA) // 2:  # six ranges
            two.wait(PATIENCE)

    store.answer = wait_for_another
    assert all_bytes(Source(url)) == DATA


def test_an_object_that_is_overwritten_is_an_error(store: S3):
    url = store.put("x.bin", DATA)
    source = Source(url)
    source.readinto(memoryview(bytearray(10)))
    store.put("x.bin", bytes(len(DATA)))
    with pytest.raises(ChangedSourceError, match="overwritten since it was first") as caught:
        all_bytes(source)
    assert caught.value.source == url
    assert caught.value.offset == 1 << 18


def test_a_range_file_reads_at_any_offset(store: S3):
    url = store.put("x.bin", DATA)
    file = open_range_file(url)
    assert file.size == len(DATA)
    for offset, size in [(0, 10), (5, 1 << 20), ((1 << 18) - 1, 2), (len(DATA) - 3, 3), (7, 0)]:
        view = memoryview(bytearray(size))
        file.read_at(offset, view)
        assert view == DATA[offset : offset + size]
    with pytest.raises(evstream.TruncatedStreamError, match="2 more bytes") as caught:
        file.read_at(len(DATA) - 1, memoryview(bytearray(3)))
    assert caught.value.offset == len(DATA)
    file.close()


def test_a_long_view_is_filled_by_several_requests(store: S3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evstream.transport.remote.remote_file.RANGE", 1 << 19)
    file = RemoteFile(store.put("x.bin", DATA))
    store.log.clear()
    view = memoryview(bytearray(len(DATA) - 1))
    file.read_at(1, view)
    assert view == DATA[1:]
    assert len(store.log) == 6


def test_a_pickled_file_must_be_the_same_object(store: S3):
    url = store.put("x.bin", DATA)
    file = RemoteFile(url, store.options)
    store.log.clear()
    twin = pickle.loads(pickle.dumps(file))
    assert store.log == []
    view = memoryview(bytearray(4))
    twin.read_at(1 << 20, view)
    assert view == DATA[1 << 20 : (1 << 20) + 4]
    store.put("x.bin", DATA[:-1])
    with pytest.raises(ChangedSourceError) as caught:
        twin.read_at(1 << 20, view)
    assert caught.value.offset == 1 << 20


def test_an_empty_object_is_empty(store: S3):
    assert all_bytes(Source(store.put("empty.bin", b""))) == b""


def test_compressed_objects_are_expanded(store: S3):
    stream = loss_stream(100)
    packed = zlib.compress(stream, wbits=31)
    events = evstream.read_columns(store.put("gul.bin.gz", packed))["event_id"]
    assert len(events) == len(evstream.read_columns(io.BytesIO(stream))["event_id"])


def test_what_goes_wrong_at_a_store_is_one_line(store: S3):
    for url, error, text in [
        ("s3://data/no.bin", FileNotFoundError, "No such object"),
        ("s3://elsewhere/no.bin", FileNotFoundError, "No such bucket"),
        ("s3://data/a//b", ValueError, "empty path segment"),
        ("s3://", ValueError, "names no object"),
        ("nowhere://a/b", ValueError, "nowhere"),
        ("memory://a/no.bin", FileNotFoundError, "No such object"),
    ]:
        with pytest.raises(error, match=text) as caught:
            Source(url)
        assert "\n" not in str(caught.value)
        assert url in str(caught.value)


def test_a_refused_request_shows_no_secret(store: S3):
    url = store.put("x.bin", DATA)
    body = (
        "<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code><Message>not with\nwholly-secret"
        "</Message><StringToSign>wholly-secret</StringToSign></Error>"
    )
    store.answer = lambda asked: ("403 Forbidden", body.encode())
    with pytest.raises(PermissionError) as caught:
        Source(url, storage_options=store.options)
    assert str(caught.value).endswith(f"(403 AccessDenied: not with ***): '{url}'")


def test_an_unknown_option_is_named(store: S3):
    for options, text in [({"nonsense": "wholly-secret"}, "nonsense"), ({"region": 5}, "int")]:
        with pytest.raises(ValueError, match=text) as caught:
            Source("s3://data/x.bin", storage_options={**store.options, **options})
        assert "wholly-secret" not in str(caught.value)


def test_options_have_their_names_of_s3fs_too(store: S3, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    options = {"key": "AKIDTESTS", "secret": "s", "endpoint_url": store.url}
    assert all_bytes(Source(store.put("x.bin", b"123456"), storage_options=options)) == b"123456"


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    for module, url in [("obstore", "s3://data/x.bin"), ("fsspec", "memory://x.bin")]:
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'evstream\[remote\]'"):
            Source(url)


def test_a_store_that_does_not_answer_is_a_stall(store: S3):
    url = store.put("x.bin", DATA)
    release = threading.Event()

    def wait(asked: Asked) -> None:
        release.wait(PATIENCE)

    def read() -> None:
        source = Source(url, timeout=0.05)  # on a slow machine this is a stall already
        store.answer = wait
        all_bytes(source)

    try:
        with pytest.raises(StallError, match=r"no data received for 0\.05 s") as caught:
            read()
        store.answer = wait
        assert caught.value.source == url
        with pytest.raises(StallError):
            Source(url, timeout=0.05)
    finally:
        release.set()


def test_an_endless_timeout_waits_forever(store: S3):
    assert all_bytes(Source(store.put("x.bin", DATA), timeout=math.inf)) == DATA


def test_a_forked_process_is_told_to_start_anew(store: S3, monkeypatch: pytest.MonkeyPatch):
    url = store.put("x.bin", DATA)
    Source(url).close()
    monkeypatch.setattr(stores, "_forked", False)
    stores._mark_fork()  # as in a child, whose requests would wait forever
    with pytest.raises(EvstreamError, match="before this process was forked"):
        Source(url)


def test_a_pattern_stands_for_objects(store: S3):
    for key in [
        "b.bin",
        "a.bin",
        "a.bin.seal",
        ".h.bin",
        "in/c.bin",
        "in/deep/d.bin.gz",
        "in/e.txt",
    ]:
        store.put(f"run/{key}", b"12")

    def found(pattern: str) -> list[str]:
        return [url.removeprefix("s3://data/run/") for url in list_facts(f"s3://data/{pattern}")]

    assert found("run/") == ["a.bin", "b.bin"]
    assert found("run/*.bin") == ["a.bin", "b.bin"]
    assert found("run/**/*.bin") == ["a.bin", "b.bin", "in/c.bin"]
    assert found("run/*/*") == ["in/c.bin", "in/e.txt"]
    assert found("run/in/c.bin") == ["in/c.bin"]
    assert list_facts("s3://data/run/*.bin")["s3://data/run/a.bin"].size == 2
    with pytest.raises(FileNotFoundError, match="No object matches the pattern"):
        found("run/x*")
    with pytest.raises(EvstreamError, match="the folder has no streams"):
        found("none/")


def test_a_web_server_is_read_by_ranges(web: Web):
    web.files["/a b.bin"] = DATA
    url = f"{web.url}/a%20b.bin?signature=secret"
    for tag in ['"one"', 'W/"weak"', None]:
        web.tag = tag
        source = Source(url)
        assert source.name == f"{web.url}/a%20b.bin"
        assert all_bytes(source) == DATA
    assert {asked.query for asked in web.log} == {"signature=secret"}
    assert {asked.if_match for asked in web.log} == {None, '"one"'}


def test_a_web_server_without_ranges_sends_all(web: Web):
    web.files["/x.bin"], web.ranges = DATA, False
    assert all_bytes(Source(f"{web.url}/x.bin")) == DATA
    with pytest.raises(OSError, match="sends no ranges of bytes"):
        open_range_file(f"{web.url}/x.bin")
    web.lost = 1 << 19
    with pytest.raises(OSError, match="the connection broke"):
        all_bytes(Source(f"{web.url}/x.bin"))


def test_a_web_server_does_not_list(web: Web):
    with pytest.raises(EvstreamError, match="a web server does not list its files"):
        list_facts(f"{web.url}/*.bin")


def test_a_short_range_is_an_error_with_its_byte(web: Web):
    web.files["/x.bin"], web.hidden = DATA, 5
    with pytest.raises(evstream.TruncatedStreamError, match="5 more bytes") as caught:
        Source(f"{web.url}/x.bin")
    assert caught.value.offset == (1 << 18) - 5
    web.hidden = 0
    source = Source(f"{web.url}/x.bin")
    web.hidden = 5
    with pytest.raises(evstream.TruncatedStreamError, match="5 more bytes") as caught:
        all_bytes(source)
    assert caught.value.offset == (3 << 18) - 5


def test_a_broken_connection_is_an_error_with_its_byte(web: Web):
    web.files["/x.bin"] = DATA
    once = {"retry_config": {"max_retries": 0}}
    source = Source(f"{web.url}/x.bin", storage_options=once)
    web.lost = 1 << 19
    with pytest.raises(OSError, match="the connection broke") as caught:
        all_bytes(source)
    assert f"byte {1 << 18}" in str(caught.value)


def test_a_web_file_that_changes_is_an_error(web: Web):
    web.files["/x.bin"] = DATA
    for tag, expected in [('"two"', "overwritten"), (None, "replaced or written to")]:
        web.tag = '"one"' if tag else 'W/"one"'
        source = Source(f"{web.url}/x.bin")
        web.tag = tag
        with pytest.raises(ChangedSourceError, match=expected):
            all_bytes(source)


def test_other_urls_are_read_through_fsspec():
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/remote/a.bin", DATA)
    try:
        assert all_bytes(Source("memory://remote/a.bin")) == DATA
        assert list(list_facts("memory://remote/*.bin")) == ["memory://remote/a.bin"]
        assert list(list_facts("memory://remote/")) == ["memory://remote/a.bin"]
        file = RemoteFile("memory://remote/a.bin")
        memory.pipe_file("/remote/a.bin", DATA)
        with pytest.raises(ChangedSourceError):
            file.read_at(1 << 20, memoryview(bytearray(1)))
    finally:
        memory.rm("/remote", recursive=True)


def test_the_url_of_a_path_is_the_path(tmp_path):
    (tmp_path / "gul.bin").write_bytes(loss_stream(3))
    assert len(evstream.read_columns(f"file://{tmp_path}/gul.bin")["loss"]) == 6
    with evstream.create(f"file://{tmp_path}/out.bin", "loss", len_sample=2, seal=True) as writer:
        writer.write_columns([1], [1], [1], [1.5])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gul.bin",
        "out.bin",
        "out.bin.seal",
    ]


def loss_stream(events: int) -> bytes:
    out = io.BytesIO()
    ids = np.repeat(np.arange(1, events + 1), 2)
    with evstream.create(out, "loss", len_sample=2) as writer:
        writer.write_columns(ids, np.ones_like(ids), np.tile([1, 2], events), ids * 1.5)
    return out.getvalue()
