"""The programs at the other ends of a pipe, as far as the system shows them (on Linux, those of the
same user)."""

from __future__ import annotations

import contextlib
import os
import re
import stat

from evstream.monitoring.record import Program

Pipe = tuple[int, int]


def pipe_of(descriptor: int) -> list[int] | None:
    """Device and number of the pipe or FIFO of a descriptor; None if it is none."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return [found.st_dev, found.st_ino] if stat.S_ISFIFO(found.st_mode) else None


def pipe_at(path: str) -> list[int] | None:
    """The same of a FIFO by its name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_dev, found.st_ino] if stat.S_ISFIFO(found.st_mode) else None


def programs_at(
    ends: tuple[list[int] | None, list[int] | None],
) -> tuple[list[Program], list[Program]]:
    """The programs that write to the first pipe, and those that read from the second."""
    wanted = [None if end is None else (end[0], end[1]) for end in ends]
    if wanted == [None, None]:
        return [], []
    own = os.getpid()
    pipes = {
        int(name): _pipes_of(name)
        for name in _listed("/proc")
        if name.isdecimal() and int(name) != own
    }
    found = []
    for pipe, writes in zip(wanted, (True, False), strict=True):
        pids = {pid for pid, ends in pipes.items() if pipe is not None and (pipe, writes) in ends}
        programs = _programs(pids)
        for program in programs:
            program.beyond = _beyond(program.pid, not writes, pipes)
        found.append(programs)
    return found[0], found[1]


def _beyond(pid: int, writes: bool, pipes: dict[int, set[tuple[Pipe, bool]]]) -> list[int]:
    """The processes at the other ends of the pipes that a program writes, or reads. Its messages
    (stderr) do not count, nor its helpers."""
    ends = pipes[pid]
    messages = _pipe_named(f"/proc/{pid}/fd/2")
    far = {
        (pipe, not writes)
        for pipe, is_written in ends
        if is_written == writes and (pipe, not writes) not in ends and pipe != messages
    }
    others = {other for other, its in pipes.items() if far & its}
    return sorted(
        other
        for other in others - _ancestors()
        if parent_of(other) != pid and parent_of(pid) != other
    )


def _pipe_named(path: str) -> Pipe | None:
    found = pipe_at(path)
    return None if found is None else (found[0], found[1])


def _pipes_of(pid: str) -> set[tuple[Pipe, bool]]:
    """The pipes of a process, and whether it writes to them."""
    found = set()
    for number in _listed(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            path = f"/proc/{pid}/fd/{number}"
            is_what = os.stat(path)
            if stat.S_ISFIFO(is_what.st_mode):
                # The permissions of the link are the mode in which the descriptor is open.
                writes = bool(os.lstat(path).st_mode & stat.S_IWUSR)
                found.add(((is_what.st_dev, is_what.st_ino), writes))
    return found


def _programs(pids: set[int]) -> list[Program]:
    """Programs by their processes. A shell that waits for its child holds the pipe too, and so do
    the helpers of a program."""
    names = {pid: name for pid in pids - _ancestors() if (name := program_name(pid))}
    chosen = set(names)
    for pid in names:
        parent = parent_of(pid)
        if parent in names:
            chosen.discard(parent if names[parent] in _SHELLS else pid)
    return [Program(pid, names[pid]) for pid in sorted(chosen)]


_SHELLS = {"sh", "bash", "dash", "zsh", "ksh"}


def _ancestors() -> set[int]:
    """The processes that started this one."""
    found: set[int] = set()
    pid = os.getppid()
    while pid > 1 and pid not in found:
        found.add(pid)
        pid = parent_of(pid)
    return found


def program_name(pid: int) -> str:
    """What people call the program of a process; "" once it has ended.

    Of a script, its own name and not that of its interpreter.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(1 << 14).decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return ""
    name, rest = os.path.basename(words[0]), words[1:]
    if re.fullmatch(r"(python|pypy|perl|ruby|bash|sh|dash)[\d.]*", name):
        while rest and rest[0].startswith("-") and rest[0] not in {"-c", "-m"}:
            rest = rest[1:]
        if rest[:1] == ["-m"]:
            rest = rest[1:]
        if rest and rest[0] != "-c":
            name, rest = os.path.basename(rest[0]), rest[1:]
    if name.partition(".")[0] == "evstream" and rest and rest[0].isalpha():
        name = f"evstream {rest[0]}"
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def parent_of(pid: int) -> int:
    """The process that started another one; 0 if that is not known."""
    return _stat(pid, 1)


def birth_of(pid: int) -> int:
    """When a process started, in ticks of the system since its start; 0 if that is not known."""
    return _stat(pid, 19)


def _stat(pid: int, field: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program stands in parentheses, and may contain some.
            return int(file.read().rpartition(b")")[2].split()[field])
    except (OSError, ValueError, IndexError):
        return 0


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
