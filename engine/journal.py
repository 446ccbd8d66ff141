"""The write-ahead journal: every change of the state is on disk before it happens, and written down after.

One JSON record a line. ``{"begin": {"type": …, "resource": …}}`` precedes an operation on a provider;
``{"end": key, "put": […], "drop": […]}`` follows it with what it did to the state. Replaying a journal twice has the
effect of replaying it once, so a crash between writing the checkpoint and removing the journal does no harm.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from engine.errors import StateError


class Journal:
    """Appends records durably. Safe for many threads, which share one flush to the disk where they can.

    Args:
        path: The file; it is created with mode 0600, and one that exists is continued.
        sync: Makes the file durable; replaced in tests.
    """

    def __init__(self, path: Path, sync: Callable[[int], None] = os.fdatasync) -> None:
        self.path = path
        self._sync = sync
        self._descriptor: int | None = None
        self._appending = Lock()
        self._syncing = Lock()
        self._appended = 0
        self._synced = 0
        self._broken = False

    def append(self, record: dict[str, Any], *, durable: bool) -> None:
        """Append a record, which outlives this process, and where ``durable`` wait until it is on disk.

        The beginning of an operation must be durable. Its end need not be: if the machine loses power before, the
        next run finds out what became of the operation.

        Raises:
            StateError: If it, or a record before it, could not be written, for example because the disk is full.
        """
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            with self._appending:
                descriptor = self._open()
                _write_whole(descriptor, line)
                self._appended = mine = self._appended + 1
            with self._syncing if durable else nullcontext():
                if durable and self._synced < mine:
                    upto = self._appended
                    self._sync(descriptor)
                    self._synced = upto
        except OSError as error:
            self._broken = True
            raise StateError(f"cannot write the journal {self.path}: {error.strerror}") from error

    def _open(self) -> int:
        if self._broken:
            raise OSError(0, "an earlier record could not be written")
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
            sync_folder(self.path.parent)
        return self._descriptor

    def remove(self) -> None:
        """Close and delete the journal, after the checkpoint has taken its content over."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self.path.unlink(missing_ok=True)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a journal; a torn last line is what a crash leaves, and is left out.

    Raises:
        StateError: If a line before the last is damaged.
    """
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise StateError(f"{path}: line {number} is damaged; restore it, or the checkpoint, from a copy") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees either the old content or the new; mode 0600."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write_whole(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
