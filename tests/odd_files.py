"""What may lie in place of a small file that belongs to a stream: each makes it at a path."""

from __future__ import annotations

import os
from pathlib import Path


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def an_empty_file(path: Path) -> None:
    path.touch()


def a_deep_file(path: Path) -> None:
    path.write_bytes(b"[" * 1_000_000)
