"""Running the programs that make images."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.errors import CommandError, MachineError

_SHOWN_ON_FAILURE = 15
"""Lines of a failed program's output that the error message repeats."""


def run(
    command: Sequence[str],
    log: Path,
    on_line: Callable[[str], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program, append its output to `log` and pass each line on.

    Raises:
        CommandError: if it ends with another status than 0; the message has its last lines.
    """
    lines: list[str] = []
    with (
        log.open("a", buffering=1) as stream,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        for line in process.stdout or ():
            stream.write(line)
            on_line(line.rstrip())
            lines = [*lines[1 - _SHOWN_ON_FAILURE :], line]
    if process.returncode:
        program = command[len(_CONTAINMENT)] if list(command[: len(_CONTAINMENT)]) == _CONTAINMENT else command[0]
        message = f"`{program}` ended with status {process.returncode}, see {log}; its last lines:\n{''.join(lines)}"
        raise CommandError(message)


_CONTAINMENT = [
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
]


def contained(*command: str) -> list[str]:
    """Give a command mounts and processes of its own, which end when it ends or when this process dies."""
    return [*_CONTAINMENT, *command]


def output(command: Sequence[str], directory: Path | None = None) -> str:
    """Run a short program and return its standard output; its errors go to the terminal.

    Raises:
        CommandError: if it ends with another status than 0.
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=directory)
    if done.returncode:
        message = f"`{' '.join(command)}` ended with status {done.returncode}"
        raise CommandError(message)
    return done.stdout


def require_root() -> None:
    """Check that this process may mount and change owners.

    Raises:
        MachineError: if it may not.
    """
    if os.geteuid():
        message = "images are built as root, because mmdebstrap and buildah mount file systems and set owners: use sudo"
        raise MachineError(message)


def require_programs(log: Path, **packages: str) -> None:
    """Install the Debian packages of the programs that are absent.

    Args:
        log: Gets apt's output.
        packages: The Debian package, by the program that it brings.

    Raises:
        MachineError: if there is no apt to install them with.
        CommandError: if apt fails.
    """
    absent = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if not absent:
        return
    if not shutil.which("apt-get"):
        message = f"absent, and no apt to install them with: {', '.join(absent)}"
        raise MachineError(message)
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], log, environment=environment)
    install = ["apt-get", "install", "-qy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *absent]
    run(install, log, environment=environment)
