"""Drive a project as a platform engineer does: through the `cloison` command."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from local.platform import Platform

CLOISON = Path(sys.executable).with_name("cloison")


@dataclass(frozen=True)
class Project:
    """A project folder and the platform it runs on."""

    folder: Path
    platform: Platform

    def environment(self) -> dict[str, str]:
        return {**os.environ, "CLOISON_ENGINE": "embedded", "PULUMI_CONFIG_PASSPHRASE": "of the tests"}

    def start(self, verb: str, *options: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [CLOISON, verb, "--project", str(self.folder), *options],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def cloison(self, verb: str, *options: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        process = self.start(verb, *options)
        printed, _ = process.communicate(timeout=280)
        assert process.returncode == 0, printed
        return printed

    def urls(self, *options: str) -> list[dict[str, str]]:
        """What `cloison urls --json` prints."""
        command = [CLOISON, "urls", "--json", "--project", str(self.folder), *options]
        printed = subprocess.run(command, env=self.environment(), check=True, stdout=subprocess.PIPE).stdout
        return cast("list[dict[str, str]]", json.loads(printed))

    def objects(self, kind: str, *options: str) -> list[dict[str, object]]:
        """The cluster's objects of a kind that belong to projects."""
        printed = self.platform.kubectl("get", kind, "-l", "cloison/project", "-o", "json", *options)
        return cast("list[dict[str, object]]", json.loads(printed)["items"])
