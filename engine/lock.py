"""One writer at a time: an advisory file lock that the system releases when its holder dies, however it dies."""

import fcntl
import getpass
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import LockedError


@contextmanager
def stack_lock(path: Path, command: str) -> Iterator[None]:
    """Hold the stack's lock for the length of a ``with`` block.

    Args:
        path: The lock file; it stays behind, empty.
        command: What the holder does, for the message another run gets.

    Raises:
        LockedError: If a living process holds the lock; the message names it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(_describe(path)) from None
        _write(descriptor, json.dumps(_holder(command)).encode())
        yield
        _write(descriptor, b"")
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _holder(command: str) -> dict[str, object]:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "command": command,
        "user": getpass.getuser(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "since": started,
    }


def _describe(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return f"the stack is locked by another run ({path}); wait until it ends"
    return (
        f"the stack is locked: `{holder['command']}` by {holder['user']}@{holder['host']}, process {holder['pid']}, "
        f"since {holder['since']}; wait until it ends, or stop that process (the lock goes with it)"
    )
