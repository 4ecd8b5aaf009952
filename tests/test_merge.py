"""`evstream merge`: the blocks of several streams in one, byte for byte, none twice."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import evstream
from evstream import EvstreamError, MissingDelimiterWarning, StreamMismatchError
from evstream.cli.program import main
from golden_files import ENTRIES, GOLDEN, Entry, file_name
from oracle import DEFAULT_WIDTHS, Bits, decode, encode
from support import ROOT, Trickle, child_environment

HEADERS = {
    "loss": {"len_sample": 3},
    "gul_item": {"len_sample": 3},
    "gul_coverage": {"len_sample": 3},
    "summary": {"len_sample": 3, "summary_set_id": 7},
    "cdf": {},
    "event_ids": {},
}
WIDE = {"oasis_int": "i8", "oasis_float": "f8", "areaperil_int": "u8"}


def block(stream: str, event: int, item: int = 1, entries: int = 2) -> tuple[Any, Any]:
    """A block as `oracle.encode` takes it."""
    ids = {"summary": (event, item, 2.5), "cdf": (event, item, 4), "event_ids": (event,)}
    pairs = [(number + 1, event + item / 4) for number in range(entries)]
    return ids.get(stream, (event, item)), [] if stream == "event_ids" else pairs


def stream_of(stream: str, events: Sequence[int], widths: Any = None, **more: Any) -> bytes:
    return encode(stream, HEADERS[stream], [block(stream, e, **more) for e in events], widths)


def write(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"{number}.bin" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    return paths


def merged(sources: Any, **options: Any) -> bytes:
    target = io.BytesIO()
    evstream.merge(sources, target, **options)
    return target.getvalue()


@pytest.mark.parametrize("widths", [None, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("stream", HEADERS)
def test_ascending_events_are_interleaved(
    stream: str, widths: dict[str, str] | None, tmp_path: Path
) -> None:
    events = [[1, 4, 5, 9], [2, 3, 10, 11], [], [7]]
    paths = write(tmp_path, *(stream_of(stream, e, widths) for e in events))
    options: dict[str, Any] = {"stream": "event_ids"} if stream == "event_ids" else {}
    found = merged(paths, widths=widths, **options)
    assert found == stream_of(stream, [1, 2, 3, 4, 5, 7, 9, 10, 11], widths)


@pytest.mark.parametrize("stream", HEADERS)
def test_events_that_do_not_ascend_stay_in_input_order(stream: str, tmp_path: Path) -> None:
    paths = write(tmp_path, *(stream_of(stream, e) for e in ([8, 2], [1, 9], [5])))
    said: list[str] = []
    options: dict[str, Any] = {"stream": "event_ids"} if stream == "event_ids" else {}
    assert merged(paths, say=said.append, **options) == stream_of(stream, [8, 2, 1, 9, 5])
    assert said == [
        f"{paths[0]}: event 2 comes after a higher one: the inputs are written one after the other"
    ]


def test_the_order_of_inputs_can_be_asked_for(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [5, 6]), stream_of("loss", [1, 2]))
    assert merged(paths, order="inputs") == stream_of("loss", [5, 6, 1, 2])
    assert merged(paths, order="ids") == stream_of("loss", [1, 2, 5, 6])


def test_ids_in_an_order_that_was_asked_for_must_ascend(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [1, 5]), stream_of("loss", [2, 4, 3]))
    out = tmp_path / "out.bin"
    with pytest.raises(evstream.CorruptStreamError) as caught:
        evstream.merge(paths, out, order="ids")
    block_size = 8 + 3 * 8
    assert str(caught.value) == (
        f"{paths[1]}: byte {8 + 2 * block_size}, event_id 3: an event comes after a higher one, "
        "expected event ids that ascend, or order='inputs' (--order inputs)"
    )
    assert not out.exists()


EXACT = [
    "loss_nan_payload.bin", "loss_delimiter_with_loss.bin", "loss_item_repeated.bin",
    "loss_empty_blocks_between.bin", "loss_negative_zero.bin", "loss_denormal.bin",
    "loss_sidx_duplicate.bin", "loss_inf.bin", "loss_item_larger_than_65536.bin",
    "loss_many_tiny_events.bin", "cdf_block_larger_than_65536.bin", "cdf_odd_values.bin",
    "summary_header_straddles_65536.bin", "loss_events_descending.bin",
]  # fmt: skip


@pytest.mark.parametrize("entry", [e for e in ENTRIES if not e["error"]], ids=file_name)
def test_the_bytes_of_a_golden_file_are_copied_as_they_are(entry: Entry) -> None:
    """Alone, and beside an input without events; a missing final delimiter is added."""
    path = GOLDEN / entry["file"]
    data = path.read_bytes()
    widths = entry["widths"]
    options = {"widths": widths, "stream": entry["stream"]}
    if entry["final_delimiter"] is False:
        data += bytes(sum(int(widths[name][1]) for name in ("oasis_int", "oasis_float")))
    header = data[: len(encode(entry["stream"], entry["header"], [], widths))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert merged([path], **options) == data
        assert merged([io.BytesIO(header), path], **options, order="inputs") == data


def test_the_golden_files_have_what_must_be_copied_as_it_is() -> None:
    assert set(EXACT) <= {entry["file"] for entry in ENTRIES if not entry["error"]}


@pytest.mark.parametrize("order", ["ids", "inputs"])
def test_inputs_in_small_pieces_are_merged_alike(order: str) -> None:
    events = [[1, 4, 5, 9], [2, 3, 10]]
    data = [stream_of("loss", e, entries=300) for e in events]
    expected = [1, 2, 3, 4, 5, 9, 10] if order == "ids" else [*events[0], *events[1]]
    for size in (1, 7, 4096):
        found = merged([Trickle(piece, size) for piece in data], order=order)
        assert found == stream_of("loss", expected, entries=300)


def test_an_event_larger_than_a_window_is_merged(tmp_path: Path) -> None:
    large = encode("loss", HEADERS["loss"], [block("loss", 2, i, 3) for i in range(1, 60_000)])
    paths = write(tmp_path, stream_of("loss", [1, 3]), large, stream_of("loss", [4]))
    found = merged(paths)
    assert found[8 : 8 + 32] == stream_of("loss", [1])[8:]
    assert found[40 : 40 + len(large) - 8] == large[8:]
    assert found[32 + len(large) :] == stream_of("loss", [3, 4])[8:]


# Two inputs that do not fit together


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (encode("summary", HEADERS["summary"], []), "this is a summary stream, expected a loss"),
        (encode("gul_item", HEADERS["gul_item"], []), "this is a gul_item stream, expected a loss"),
        (encode("loss", {"len_sample": 4}, []), "len_sample is 4, expected 3 as in"),
    ],
)
def test_streams_of_different_headers_are_refused(
    second: bytes, message: str, tmp_path: Path
) -> None:
    first, other = write(tmp_path, stream_of("loss", [1]), second)
    for sources in ([first, other], [first, io.BytesIO(second)]):
        with pytest.raises(StreamMismatchError) as caught:
            evstream.merge(sources, tmp_path / "out.bin")
        assert message in str(caught.value)
        assert str(caught.value).endswith(f"as in {first}")
    assert not (tmp_path / "out.bin").exists()


def test_summaries_of_different_sets_are_refused(tmp_path: Path) -> None:
    other = encode("summary", {"len_sample": 3, "summary_set_id": 8}, [])
    paths = write(tmp_path, stream_of("summary", [1]), other)
    with pytest.raises(
        StreamMismatchError, match=f"summary_set_id is 8, expected 7 as in {paths[0]}"
    ):
        merged(paths)


@pytest.mark.parametrize("stream", HEADERS)
@pytest.mark.parametrize("events", [([1, 2], [2, 3]), ([3, 2], [1, 2])])
def test_an_event_in_two_inputs_is_refused(
    stream: str, events: tuple[list[int], list[int]], tmp_path: Path
) -> None:
    paths = write(tmp_path, *(stream_of(stream, e) for e in events))
    options: dict[str, Any] = {"stream": "event_ids"} if stream == "event_ids" else {}
    with pytest.raises(EvstreamError) as caught:
        evstream.merge(paths, tmp_path / "out.bin", **options)
    place = decode(paths[1].read_bytes(), options.get("stream")).blocks[events[1].index(2)][0]
    assert str(caught.value).startswith(
        f"{paths[1]}: byte {place}, event_id 2: this event is in {paths[0]} too, expected"
    )
    assert not (tmp_path / "out.bin").exists()


@pytest.mark.parametrize("stream", ["loss", "gul_item", "gul_coverage", "summary", "cdf"])
def test_the_blocks_of_an_event_in_two_inputs_are_merged(stream: str, tmp_path: Path) -> None:
    rows = [[(1, 5), (2, 6), (2, 4), (3, 1)], [(2, 1), (2, 9)], [(2, 2), (4, 1)]]
    parts = [encode(stream, HEADERS[stream], [block(stream, *b) for b in part]) for part in rows]
    together = [(1, 5), (2, 6), (2, 4), (2, 1), (2, 9), (2, 2), (3, 1), (4, 1)]
    expected = encode(stream, HEADERS[stream], [block(stream, *b) for b in together])
    assert merged(write(tmp_path, *parts), same_event="merge") == expected
    assert merged([Trickle(part, 3) for part in parts], same_event="merge") == expected


def test_an_event_of_two_lists_is_written_once(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("event_ids", [1, 2, 5]), stream_of("event_ids", [2, 5, 6]))
    found = merged(paths, stream="event_ids", same_event="merge")
    assert found == stream_of("event_ids", [1, 2, 5, 6])


def test_a_block_in_two_inputs_is_refused_always(tmp_path: Path) -> None:
    first = encode("loss", HEADERS["loss"], [block("loss", 1), block("loss", 2, 8)])
    second = encode("loss", HEADERS["loss"], [block("loss", 2, 7), block("loss", 2, 8)])
    paths = write(tmp_path, first, second)
    with pytest.raises(EvstreamError) as caught:
        evstream.merge(paths, tmp_path / "out.bin", same_event="merge")
    assert f"event_id 2, item_id 8: this block is in {paths[0]} too" in str(caught.value)
    assert str(caught.value).startswith(f"{paths[1]}: byte 40, ")
    assert not (tmp_path / "out.bin").exists()


def test_a_block_twice_in_one_input_is_copied_as_it_is(tmp_path: Path) -> None:
    twice = encode("loss", HEADERS["loss"], [block("loss", 2, 7), block("loss", 2, 7)])
    paths = write(tmp_path, twice, stream_of("loss", [2], item=9))
    blocks = [block("loss", 2, 7), block("loss", 2, 7), block("loss", 2, 9)]
    assert merged(paths, same_event="merge") == encode("loss", HEADERS["loss"], blocks)


# Broken and odd inputs


def test_a_missing_final_delimiter_is_added_and_named(tmp_path: Path) -> None:
    opened = encode("loss", HEADERS["loss"], [block("loss", 2)], final_delimiter=False)
    paths = write(tmp_path, opened, stream_of("loss", [1, 3]))
    for order, events in (("ids", [1, 2, 3]), ("inputs", [2, 1, 3])):
        with pytest.warns(MissingDelimiterWarning) as caught:
            assert merged(paths, order=order) == stream_of("loss", events)
        assert [str(w.message).startswith(f"{paths[0]}: byte 32, ") for w in caught] == [True]
    with pytest.raises(evstream.TruncatedStreamError, match="without the final delimiter"):
        merged(paths, strict=True)


@pytest.mark.parametrize("order", ["auto", "ids", "inputs"])
def test_an_input_that_is_cut_leaves_no_output(order: str, tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [1, 3]), stream_of("loss", [2, 4])[:-3])
    out = tmp_path / "out.bin"
    out.write_bytes(b"old")
    with pytest.raises(evstream.TruncatedStreamError, match=f"{paths[1]}: byte"):
        evstream.merge(paths, out, order=order)
    assert out.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["0.bin", "1.bin", "out.bin"]


def test_compressed_inputs_and_outputs_are_merged(tmp_path: Path) -> None:
    first = tmp_path / "a.bin.gz"
    first.write_bytes(gzip.compress(stream_of("loss", [1, 3])))
    evstream.merge([first, io.BytesIO(stream_of("loss", [2]))], tmp_path / "out.bin.gz")
    found = gzip.decompress((tmp_path / "out.bin.gz").read_bytes())
    assert found == stream_of("loss", [1, 2, 3])


def test_a_merged_stream_can_be_sealed(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [1, 3]), stream_of("loss", [2]))
    evstream.merge(paths, tmp_path / "out.bin", seal=True)
    assert json.loads((tmp_path / "out.bin.seal").read_text())["events"] == 3
    rules = {finding.rule for finding in evstream.validate(tmp_path / "out.bin").findings}
    assert "as-sealed" not in rules


def test_a_file_that_changes_during_the_merge_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, stream_of("loss", range(1, 100_000)))[0]

    class Target(io.BytesIO):
        def write(self, data: Any) -> int:
            with path.open("ab") as file:
                file.write(b"more")
            return super().write(data)

    with pytest.raises(EvstreamError, match=f"{path}: byte .*: the file grew from"):
        evstream.merge([path], Target())


def test_hundreds_of_overlapping_files_need_few_descriptors(tmp_path: Path) -> None:
    count = 300
    parts = [stream_of("loss", [i, i + count, i + 2 * count]) for i in range(1, count + 1)]
    paths = write(tmp_path, *parts)
    used = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        found = merged(paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == stream_of("loss", range(1, 3 * count + 1))


# Arguments


def test_the_output_never_overwrites_an_input(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [1]), stream_of("loss", [2]))
    link, hard = tmp_path / "link.bin", tmp_path / "hard.bin"
    link.symlink_to(paths[1])
    os.link(paths[1], hard)
    before = paths[1].read_bytes()
    for target in (paths[1], link, hard):
        with pytest.raises(EvstreamError, match=f"{paths[1]}: the output would overwrite"):
            evstream.merge(paths, target)
    with paths[1].open("ab") as file, pytest.raises(EvstreamError, match="would overwrite"):
        evstream.merge(paths, file)
    assert paths[1].read_bytes() == before


def test_arguments_of_merge_that_are_not_legal_are_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"sources is 'a.bin', expected a list of sources"):
        evstream.merge("a.bin", "b.bin")
    with pytest.raises(ValueError, match="there is no source to merge"):
        evstream.merge([], tmp_path / "out.bin")
    with pytest.raises(ValueError, match="stdin can be read only once"):
        evstream.merge(["-", "-"], tmp_path / "out.bin")
    with pytest.raises(ValueError, match="order is 'x', expected auto or ids or inputs"):
        evstream.merge(["a"], "b", order="x")
    with pytest.raises(ValueError, match="same_event is 'x', expected refuse or merge"):
        evstream.merge(["a"], "b", same_event="x")
    with pytest.raises(FileNotFoundError):
        evstream.merge([tmp_path / "absent.bin"], tmp_path / "out.bin")


# The command


def run(*arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "evstream", "merge", *map(str, arguments)],
        input=data, cwd=ROOT, env=child_environment(), capture_output=True, check=False,
    )  # fmt: skip


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    return write(tmp_path, stream_of("loss", [1, 3]), stream_of("loss", [2]))


def test_merge_takes_stdin_and_writes_to_stdout(pair: list[Path]) -> None:
    ended = run(pair[0], "-", "-", data=pair[1].read_bytes())
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == stream_of("loss", [1, 2, 3])


def test_merge_reports_a_refusal_in_one_line(pair: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    ended = run(*pair, pair[0], out)
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
    assert b"event_id 1: this event is in" in ended.stderr
    assert b"--same-event merge" in ended.stderr
    assert not out.exists()
    assert run(*pair, pair[1]).returncode == 2


def test_a_joined_file_is_recovered_as_the_documents_say(pair: list[Path], tmp_path: Path) -> None:
    """What `cat a b` made is cut where the second stream starts, and merged."""
    first, second = (path.read_bytes() for path in pair)
    (tmp_path / "ab.bin").write_bytes(first + second)
    number = len(first)
    script = (
        f"head -c {number} ab.bin > first.bin && tail -c +{number + 1} ab.bin > second.bin && "
        f"{sys.executable} -m evstream merge first.bin second.bin both.bin"
    )
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=child_environment(), check=True)
    assert (tmp_path / "both.bin").read_bytes() == stream_of("loss", [1, 2, 3])


def test_bits_of_losses_are_those_of_the_inputs() -> None:
    nan = Bits(0x7FA00001)  # a signalling NaN with a payload
    parts = [encode("loss", HEADERS["loss"], [((e, 1), [(1, nan)])]) for e in (1, 2)]
    found = decode(merged([io.BytesIO(part) for part in parts]))
    assert [row[-1] for row in found.raw_records] == [nan, nan]
    assert found.widths == DEFAULT_WIDTHS


def test_an_input_of_two_streams_is_refused_with_the_byte(tmp_path: Path) -> None:
    """The byte of the error is where the documents say to cut."""
    first, second = stream_of("loss", [1, 3]), stream_of("loss", [2])
    paths = write(tmp_path, first + second, stream_of("loss", [4]))
    with pytest.raises(EvstreamError) as caught:
        evstream.merge(paths, tmp_path / "out.bin")
    assert str(caught.value).startswith(f"{paths[0]}: byte {len(first)}")
    assert "evstream merge" in str(caught.value)
    assert caught.value.offset == len(first)
    assert not (tmp_path / "out.bin").exists()


def test_a_hole_in_an_input_is_copied_with_a_warning(pair: list[Path], tmp_path: Path) -> None:
    """The command ends with status 1; strict refuses."""
    pair[0].write_bytes(pair[0].read_bytes() + bytes(16))
    out = tmp_path / "out.bin"
    ended = run(*pair, out)
    assert ended.returncode == 1
    assert b"warning" in ended.stderr
    assert len(out.read_bytes()) == sum(path.stat().st_size for path in pair) - 8
    assert run("--strict", *pair, out).returncode == 2


@pytest.fixture
def fifos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[list[Path], list[int]]]:
    """Two FIFOs with a stream header, the first with events 1 to 300 as well, more than is read at
    once; and their ends to write."""
    monkeypatch.setattr("evstream.merging.MEMORY", 1 << 13)
    paths = [tmp_path / "first", tmp_path / "second"]
    writers = []
    for path, events in zip(paths, (range(1, 301), []), strict=True):
        os.mkfifo(path)
        writers.append(os.open(path, os.O_RDWR))
        os.write(writers[-1], stream_of("loss", events))
    yield paths, writers
    for writer in writers:
        os.close(writer)


@pytest.mark.parametrize("timeout", [0.05, 0.2])
def test_a_stalled_merge_names_both_fifos(
    fifos: tuple[list[Path], list[int]], timeout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.merging.pipes.PATIENCE", 0.1)
    (first, second), _ = fifos
    expected = (
        rf"second: byte 8: no data received for {timeout} s, while .*first has [0-9,]+ bytes;"
        " a program that feeds all in turn waits"
    )
    with pytest.raises(evstream.StallError, match=expected) as caught:
        merged([second, first], order="ids", timeout=timeout)
    assert (caught.value.source, caught.value.offset) == (str(second), 8)


def test_a_merge_that_waits_says_for_whom(
    fifos: tuple[list[Path], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evstream.merging.pipes.PATIENCE", 0.05)
    (first, second), writers = fifos
    said = []

    def say(text: str) -> None:
        said.append(text)
        os.write(writers[1], stream_of("loss", [301])[8:])
        nowhere = os.open(os.devnull, os.O_RDONLY)
        for writer in writers:
            os.dup2(nowhere, writer)  # the FIFOs end here
        os.close(nowhere)

    blocks = decode(merged([second, first], say=say)).blocks
    assert [block[1] for block in blocks] == [*range(1, 302)]
    assert len(said) == 1
    assert "second: no data received for 0.05 s, while" in said[0]


def test_fifos_may_be_opened_in_any_order(tmp_path: Path) -> None:
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        os.mkfifo(path)

    def feed() -> None:
        with open(paths[1], "wb", 0) as second, open(paths[0], "wb", 0) as first:
            first.write(stream_of("loss", [1, 3]))
            second.write(stream_of("loss", [2, 4]))

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    blocks = decode(merged(paths)).blocks
    thread.join()
    assert [block[1] for block in blocks] == [1, 2, 3, 4]


def test_a_forgotten_output_keeps_the_last_input(tmp_path: Path) -> None:
    paths = write(tmp_path, stream_of("loss", [1]), stream_of("loss", [2]))
    before = paths[-1].read_bytes()
    assert main(["merge", *map(str, paths)]) == 2
    assert paths[-1].read_bytes() == before
    out = tmp_path / "out.bin"
    out.write_bytes(b"old")
    assert main(["merge", *map(str, paths), str(out)]) == 2
    assert out.read_bytes() == b"old"
    assert main(["merge", "--force", *map(str, paths), str(out)]) == 0
    assert [event.event_id for event in evstream.open(out)] == [1, 2]


def test_a_merged_file_is_durable_unless_told(
    pair: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.delenv("EVSTREAM_FSYNC", raising=False)
    evstream.merge(pair, tmp_path / "all.bin", durable=False)
    assert main(["merge", "--no-fsync", "--force", *map(str, pair), str(tmp_path / "all.bin")]) == 0
    assert not synced
    evstream.merge(pair, tmp_path / "all.bin")
    assert len(synced) == 2  # the file and its folder


@pytest.mark.parametrize("missing", [0, 8, 16, 24])
@pytest.mark.parametrize("blocks", [1, 2, 40])
def test_an_input_of_two_streams_is_refused_in_pieces(blocks: int, missing: int) -> None:
    """Where the first one is whole, or lacks the delimiter, entries or all of its last block."""
    head = stream_of("loss", range(1, blocks + 1))
    head = head[: len(head) - missing]
    data = head + stream_of("loss", [99])
    for source in (io.BytesIO(data), Trickle(data, 7), Trickle(data, 64)):
        with pytest.raises(evstream.SecondStreamError, match=f"byte {len(head)}[:,]"):
            merged([source, io.BytesIO(stream_of("loss", [1000]))])
