"""Runs the user's program in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import IO

from engine.deploy import Deployer
from engine.errors import ProgramError
from engine.launcher import USER_ERROR
from engine.project import Configuration, Project

LAUNCHER = Path(__file__).with_name("launcher.py")
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starter")
"""Starts every process: the system ends a child with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG), and
this one lives as long as the engine does."""


def start_python(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start the launcher with this interpreter; what it runs ends with this process and takes no Ctrl-C of its own."""
    return _STARTER.submit(_start, arguments, folder, environment).result()


def _start(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(LAUNCHER), str(os.getpid()), *arguments],
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def pass_on(stream: IO[str] | None, take: Callable[[str], None]) -> Thread:
    """Hand each line of a stream to ``take``, in a thread that ends with the stream."""

    def read() -> None:
        for line in stream or ():
            take(line.rstrip("\n"))

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread


class Program:
    """The user's program as a running process.

    Args:
        project: Has the program.
        configuration: Its configuration; secrets reach the program in its environment, as with Pulumi's CLI.
        deployer: Takes what it prints.
        address: Where monitor and engine are served.
        environment: The environment that the program inherits.
        untouched_sdk: Leave the SDK's own wait loop and debug messages as they are.
    """

    def __init__(
        self,
        project: Project,
        configuration: Configuration,
        deployer: Deployer,
        address: str,
        environment: Mapping[str, str],
        *,
        untouched_sdk: bool = False,
    ) -> None:
        folder, entry = (project.main, ".") if project.main.is_dir() else (project.main.parent, project.main.name)
        arguments = _arguments(project, deployer, address, folder)
        arguments += ["--untouched"] if untouched_sdk else []
        own = {
            "PULUMI_CONFIG": json.dumps(configuration.values),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(sorted(configuration.secret_keys)),
        }
        self._process = start_python(["program", *arguments, entry], folder, {**environment, **own})
        events = deployer.events
        self._readers = [
            pass_on(self._process.stdout, lambda line: events.diagnostic("info", line)),
            pass_on(self._process.stderr, lambda line: events.diagnostic("info#err", line)),
        ]

    def stop(self) -> None:
        """End the program; what the engine is doing on its behalf is not affected."""
        self._process.kill()

    def wait(self) -> None:
        """Wait until the program ends.

        Raises:
            ProgramError: If it failed.
        """
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        if code == USER_ERROR:
            raise ProgramError("the program failed")
        if code:
            raise ProgramError(f"the program ended unexpectedly, with exit code {code}")


def _arguments(project: Project, deployer: Deployer, address: str, folder: Path) -> list[str]:
    """Return the command line of Pulumi's own language host."""
    scope = deployer.scope
    options = {
        "monitor": address,
        "engine": address,
        "project": project.name,
        "stack": scope.stack,
        "organization": "organization",
        "root_directory": str(project.folder),
        "pwd": str(folder),
        "dry_run": "true" if deployer.preview else "false",
        "parallel": str(scope.parallel),
    }
    return [f"--{name}={value}" for name, value in options.items()]
