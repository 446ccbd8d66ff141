"""Starts components as processes of their own and knows them again.

A process is recorded by its number, its start time and the boot it belongs to, so that a number the kernel has given
to someone else is never taken for ours. It is recorded before it runs its program: an interruption leaves no process
that nobody knows of.
"""

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from local.errors import PlatformError

LOG_LIMIT = 20 * 2**20
"""Bytes after which a log is set aside, once, when its component starts."""

GATE = 'read -r _ || exit 1; exec "$@" </dev/null'
"""Shell line that waits for a line on standard input before it becomes the program; at its end it gives up."""


@dataclass(frozen=True)
class Record:
    """A process as it was when it started."""

    pid: int
    started: int
    boot: str
    fingerprint: str
    """Hash over the command and what it was configured with: another one means the process must be restarted."""


class Supervisor:
    """The processes of one platform.

    Args:
        records: folder of the process records, one file for each component.
        logs: folder of the logs.
        adopt: called with the number of a new process before it runs its program, to put it into its control group.
    """

    def __init__(self, records: Path, logs: Path, adopt: Callable[[int], None] = lambda _: None) -> None:
        self._records = records
        self._logs = logs
        self._adopt = adopt

    def start(
        self, name: str, command: Sequence[str], fingerprint: str,
        environment: dict[str, str] | None = None, descriptors: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Start a component with its output in its log; `descriptors` are open files it inherits."""
        self._records.mkdir(parents=True, exist_ok=True)
        with self._log(name) as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", GATE, name, *command], stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, env=environment, pass_fds=descriptors, cwd="/",
            )  # fmt: skip
        self._adopt(child.pid)
        self._write(name, Record(child.pid, start_time(child.pid) or 0, boot(), fingerprint))
        if child.stdin:
            child.stdin.write(b"\n")
            child.stdin.close()

    def record(self, name: str) -> Record | None:
        """The record of a component's process, if it still runs."""
        path = self._path(name)
        try:
            found = Record(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return found if alive(found) else None

    def current(self, name: str, fingerprint: str) -> bool:
        """Whether a component runs with this very command and configuration."""
        found = self.record(name)
        return found is not None and found.fingerprint == fingerprint

    def stop(self, name: str, patience: float = 10.0) -> None:
        """Ask a component to end; after `patience` seconds, end it."""
        found = self.record(name)
        if found:
            end(found, patience)
        self._path(name).unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 5) -> str:
        """The last lines of a component's log."""
        path = self.log_file(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def log_file(self, name: str) -> Path:
        """Where a component writes."""
        return self._logs / f"{name}.log"

    def _path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _write(self, name: str, record: Record) -> None:
        scratch = self._path(name).with_suffix(".new")
        scratch.write_text(json.dumps(asdict(record)))
        scratch.replace(self._path(name))

    def _log(self, name: str) -> IO[bytes]:
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self.log_file(name)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")


def fingerprint(command: Sequence[str], files: Sequence[Path] = ()) -> str:
    """Hash over a command and the content of the files it reads at its start."""
    digest = hashlib.sha256("\0".join(command).encode())
    for path in files:
        digest.update(f"\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def alive(record: Record) -> bool:
    """Whether the recorded process itself still runs; one that has ended but was not collected does not."""
    return record.boot == boot() and start_time(record.pid) == record.started


def end(record: Record, patience: float) -> None:
    """Ask a process to end, wait, and end it if it does not.

    Raises:
        PlatformError: it is still there five seconds after SIGKILL.
    """
    try:
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        # The handle is taken before the check: from here on the number cannot come to mean another process.
        if alive(record) and not _ended(handle, patience):
            message = f"process {record.pid} does not end, not even by SIGKILL: it hangs in the kernel"
            raise PlatformError(message)
    finally:
        os.close(handle)


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # collects it if it was started by this very program
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, started = fields[0], fields[19]
    return None if state in "ZX" else int(started)


def boot() -> str:
    """Names the current boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def resident(pid: int) -> int:
    """Memory of a process that is in RAM, in bytes."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _ended(handle: int, patience: float) -> bool:
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return True
        if select.select([handle], [], [], seconds)[0]:
            return True
    return False
