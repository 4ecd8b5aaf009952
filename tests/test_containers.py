"""Every legal shape of a gzip or zstd file is read, and what is not legal is refused in a line.

The shapes are what gzip, pigz, bgzip, zstd, pzstd and their libraries write, built here by hand
from the descriptions of the two formats (RFC 1952 and RFC 8878).
"""

from __future__ import annotations

import importlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream import CorruptStreamError, StreamHeaderError, TruncatedStreamError
from evstream.cli.program import main
from evstream.event_stream import init_streams_in
from golden_files import GOLDEN
from oracle import encode
from support import Trickle, read_all

SMALL = (GOLDEN / "loss_i4_f4.bin").read_bytes()


def gzip_member(data: bytes, *, flags: int = 0, fields: bytes = b"", level: int = 6) -> bytes:
    head = struct.pack("<2sBBIBB", b"\x1f\x8b", 8, flags, 0, 0, 255) + fields
    if flags & 2:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def gzip_shapes() -> dict[str, bytes]:
    extra = struct.pack("<H", 6) + b"BC\x02\x00\x1b\x00"
    all_fields = extra + b"loss.bin\0" + b"a comment\0"
    half = len(SMALL) // 2
    sync = zlib.compressobj(6, zlib.DEFLATED, 31)
    flushed = sync.compress(SMALL[:half]) + sync.flush(zlib.Z_FULL_FLUSH)
    flushed += sync.compress(SMALL[half:]) + sync.flush()
    return {
        "plain": gzip_member(SMALL),
        "extra": gzip_member(SMALL, flags=4, fields=extra),
        "name": gzip_member(SMALL, flags=8, fields=b"loss.bin\0"),
        "comment": gzip_member(SMALL, flags=16, fields=b"a comment\0"),
        "header crc": gzip_member(SMALL, flags=2),
        "text": gzip_member(SMALL, flags=1),
        "all fields": gzip_member(SMALL, flags=31, fields=all_fields),
        "stored": gzip_member(SMALL, level=0),
        "flushed blocks": flushed,
        "members": gzip_member(SMALL[:half]) + gzip_member(SMALL[half:]),
        "empty members": gzip_member(b"") * 2 + gzip_member(SMALL) + gzip_member(b""),
        "a byte per member": b"".join(gzip_member(SMALL[i : i + 1]) for i in range(len(SMALL))),
        "zero padding": gzip_member(SMALL) + bytes(40_000),
        "one zero": gzip_member(SMALL) + b"\0",
    }


def skippable(data: bytes, number: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(data)) + data


def frame(data: bytes, **options: Any) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    compressor = zstandard.ZstdCompressor(**options).compressobj()
    return bytes(compressor.compress(data) + compressor.flush())


def sized_frame(data: bytes, **options: Any) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    return bytes(zstandard.ZstdCompressor(**options).compress(data))


def raw_frame(data: bytes) -> bytes:
    """A frame of one raw block, with a window and without a content size."""
    block = struct.pack("<I", 1 | len(data) << 3)[:3]
    return b"\x28\xb5\x2f\xfd\x00\x58" + block + data


def zstd_shapes() -> dict[str, bytes]:
    half = len(SMALL) // 2
    first, second = frame(SMALL[:half]), frame(SMALL[half:])
    each_before = b"".join(skippable(struct.pack("<I", len(f))) + f for f in (first, second))
    return {
        "without content size": frame(SMALL),
        "with content size": sized_frame(SMALL),
        "single segment": sized_frame(SMALL[:200]) + sized_frame(SMALL[200:]),
        "checksum": frame(SMALL, write_checksum=True),
        "raw block": raw_frame(SMALL),
        "frames": first + second,
        "empty frames": frame(b"") * 2 + frame(SMALL) + sized_frame(b""),
        "skippable first": skippable(b"anything") + frame(SMALL),
        "empty skippable": skippable(b"") + frame(SMALL) + skippable(b""),
        "skippable between": first + skippable(bytes(5000)) + second,
        "skippable last": frame(SMALL) + skippable(b"a table of frames", 14),
        "skippable of every number": b"".join(skippable(b"x" * i, i) for i in range(16))
        + frame(SMALL),
        "as pzstd writes it": each_before,
    }


SHAPES: dict[str, Callable[[], bytes]] = {
    **{f"gzip {name}": (lambda name=name: gzip_shapes()[name]) for name in gzip_shapes()},
    **{
        f"zstd {name}": (lambda name=name: zstd_shapes()[name])
        for name in (
            "without content size", "with content size", "single segment", "checksum",
            "raw block", "frames", "empty frames", "skippable first", "empty skippable",
            "skippable between", "skippable last", "skippable of every number",
            "as pzstd writes it",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_legal_shape_gives_the_stream(shape: str) -> None:
    data = SHAPES[shape]()
    expected = read_all(io.BytesIO(SMALL))
    assert read_all(io.BytesIO(data)) == expected
    assert read_all(Trickle(data, 1)) == expected
    assert read_all(Trickle(data, 7)) == expected


@pytest.mark.parametrize("shape", ["gzip zero padding", "gzip all fields", "zstd skippable first"])
def test_commands_read_compressed_files(
    shape: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever the file is called: the bytes count, and not the name."""
    for name in ("a.bin", "a.bin.gz", "a.bin.zst"):
        path, out = tmp_path / name, tmp_path / "out.bin"
        path.write_bytes(SHAPES[shape]())
        assert main(["convert", str(path), str(out)]) == 0
        assert out.read_bytes() == SMALL
        assert main(["info", str(path)]) == 0
        assert main(["seal", str(path)]) == 0
        assert main(["validate", str(path)]) == 0, capfd.readouterr().out
        assert evstream.validate(path).clean


@pytest.mark.parametrize("name", ["a.bin.gz", "a.bin.zst"])
def test_a_plain_stream_may_have_a_name_of_a_compressed_one(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(SMALL)
    assert read_all(tmp_path / name) == read_all(io.BytesIO(SMALL))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_reader_refuses_a_compressed_input(shape: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(SHAPES[shape]())
    with ExitStack() as stack, pytest.raises(StreamHeaderError) as caught:
        init_streams_in(str(tmp_path / "a.bin"), stack)
    assert f"the stream is compressed with {shape[:4]}" in str(caught.value)


def dictionary_frame() -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    samples = [b"event %d item %d" % (i, i * 7) * 9 for i in range(2000)]
    return sized_frame(SMALL, dict_data=zstandard.train_dictionary(1024, samples))


def wide_frame() -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    return frame(SMALL, compression_params=zstandard.ZstdCompressionParameters(window_log=30))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (dictionary_frame, "the zstd data needs a dictionary"),
        (wide_frame, "the zstd data has a window above 128 MiB"),
        (lambda: b"\x22\xb5\x2f\xfd" + bytes(100), "the format of zstd before 0.8"),
        (lambda: b"\x27\xb5\x2f\xfd" + bytes(100), "the format of zstd before 0.8"),
        (lambda: skippable(b"x") + SMALL, "broken zstd data"),
        (lambda: frame(SMALL) + b"garbage after it", "broken zstd data"),
        (lambda: b"\x1f\x8b\x07" + SMALL, "broken gzip data"),
        (lambda: gzip_member(SMALL) + b"garbage after it", "broken gzip data"),
        (lambda: gzip_member(SMALL) + bytes(9) + b"\1", "zero bytes inside the gzip data"),
        (lambda: gzip_member(SMALL) + bytes(9) + gzip_member(SMALL), "inside the gzip data"),
        (lambda: gzip_member(SMALL) + bytes(40_000) + b"\1", "inside the gzip data"),
        (lambda: gzip_member(SMALL, flags=0x20), "broken gzip data"),
    ],
)
def test_an_illegal_shape_is_refused_in_a_line(make: Callable[[], bytes], text: str) -> None:
    for source in (io.BytesIO(make()), Trickle(make(), 1)):
        with pytest.raises(CorruptStreamError) as caught:
            list(evstream.open(source))
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", ["bz2", "lzma"])
def test_another_compression_is_named_with_its_remedy(module: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(importlib.import_module(module).compress(SMALL))
    command = {"bz2": "bzip2 -dc", "lzma": "xz -dc"}[module]
    with pytest.raises(StreamHeaderError, match=f"compressed with .*{command}"):
        evstream.open(path)
    with ExitStack() as stack, pytest.raises(StreamHeaderError, match=command):
        init_streams_in(str(path), stack)


def test_a_cut_in_a_skippable_frame_is_an_error() -> None:
    data = frame(SMALL) + skippable(b"a table of frames")
    for cut in range(1, 25):
        reading = read_all(io.BytesIO(data[:-cut]))
        assert type(reading.error) is TruncatedStreamError, cut


def test_compressed_event_ids_are_told_by_the_name(tmp_path: Path) -> None:
    """A list of event ids has no stream header, so its first bytes can look like anything."""
    ids = [3, 4, 5]
    path = tmp_path / "events.bin.gz"
    path.write_bytes(gzip_member(encode("event_ids", {}, [((i,), []) for i in ids], {})))
    with evstream.open(path, "event_ids") as stream:
        assert [event.event_id for event in stream] == ids


@pytest.mark.skipif(not os.path.exists("/usr/bin/pzstd"), reason="pzstd is not installed")
def test_a_file_of_pzstd_itself_is_read(tmp_path: Path) -> None:
    import subprocess

    pytest.importorskip("zstandard", reason="zstandard is not installed")
    (tmp_path / "a.bin").write_bytes(SMALL)
    subprocess.run(["/usr/bin/pzstd", "-q", str(tmp_path / "a.bin")], check=True)
    assert read_all(tmp_path / "a.bin.zst") == read_all(io.BytesIO(SMALL))
