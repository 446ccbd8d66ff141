"""Runs the program under test and reads what it leaves for others."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from local.build import tool
from local.processes import resident
from tests.credentials.vault import Vault
from tests.credentials.waiting import until


class Agent:
    """One process of `credentials` with a folder for its configuration, files, status and log."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.config = folder / "credentials.yaml"
        self.log_file = folder / "log"
        self.settings = settings
        self.program = tool("credentials")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, wrapper: Sequence[str] = (), user: str | None = None) -> "Agent":
        self.config.write_text(yaml.safe_dump(self.settings))
        words = [*wrapper, str(self.program), "--config", str(self.config)]
        words += ["--", *command] if command else []
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, user=user)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def status(self) -> dict[str, Any]:
        """What the status file says; nothing while there is none."""
        path = Path(self.settings["status"])
        return json.loads(path.read_text()) if path.exists() else {"state": "", "reason": "", "sources": []}

    def until_fresh(self, seconds: float = 20.0) -> "Agent":
        try:
            until(lambda: self.status()["state"] == "fresh" or self._failed(), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the agent said:\n{self.log}") from error
        return self

    def until_waiting(self, reason: str, seconds: float = 20.0) -> None:
        until(lambda: reason in self.status()["reason"], seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Stop it in whatever state a test left it, with what it holds in the store."""
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop(seconds=10)
            self.kill()

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def resident(self) -> int:
        """Resident memory in bytes."""
        return resident(self.process.pid)

    def command_line(self) -> str:
        return Path(f"/proc/{self.process.pid}/cmdline").read_text()

    def _failed(self) -> bool:
        assert self.process.poll() is None, "the agent has ended"
        return False


def settings_for(folder: Path, vault: Vault, **sections: object) -> dict[str, Any]:
    """A configuration that logs in to a Vault, with short pauses between its checks."""
    access = {
        "address": vault.address,
        "authority": str(vault.authority_file),
        "role": "notebook",
        "token_file": str(folder / "token"),
    }
    return {"vault": access, "status": str(folder / "status.json"), "check": "1s", **sections}


def text_file(path: Path, template: str, **more: object) -> dict[str, object]:
    """A file of the configuration."""
    return {"path": str(path), "template": template, **more}
