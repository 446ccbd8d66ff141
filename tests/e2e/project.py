"""Drive a project as a platform engineer does: through the `cloison` command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Self, cast

from ruamel.yaml import YAML

from components.platform import vault
from components.platform.identity import NAMESPACE
from components.realm_api import SECRET_VARIABLE
from components.vault_api import TOKEN_FILE_VARIABLE
from components.vault_operator import SHARES_VARIABLE
from local.platform import Platform
from tests.samples import ROOT

IMAGES = ["envoy", "envoy-gateway", "jupyterhub", "jupyterlab", "keycloak", "vault"]
CLOISON = Path(sys.executable).with_name("cloison")


@dataclass(frozen=True)
class Project:
    """A project folder and the platform it runs on."""

    folder: Path
    platform: Platform
    administrator: str = field(default_factory=token_urlsafe)
    """What its Keycloak is declared with."""

    @classmethod
    def copied(cls, folder: Path, platform: Platform) -> Self:
        """Copy the program, its stack and the example workspaces, and point them at a platform."""
        for file in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / file, folder)
        for part in ("stacks", "workspaces"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        _point_at(folder / "stacks" / "profiles" / "local.yaml", platform)
        return cls(folder, platform)

    def environment(self) -> dict[str, str]:
        secrets = {"PULUMI_CONFIG_PASSPHRASE": "of the tests", SECRET_VARIABLE: self.administrator}
        custody = {SHARES_VARIABLE: str(self.shares), TOKEN_FILE_VARIABLE: str(self.token)}
        return {**os.environ, "CLOISON_ENGINE": "embedded", **secrets, **custody}

    @property
    def shares(self) -> Path:
        """The operator's file of shares, outside the project's folder."""
        return self.folder.parent / f"{self.folder.name}-operator" / "shares.json"

    @property
    def token(self) -> Path:
        """The operator's token, beside them."""
        return self.shares.with_name("token")

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

    def run(self, verb: str, *options: str) -> tuple[int, str]:
        """Run a command; returns its exit status and what it printed."""
        process = self.start(verb, *options)
        printed, _ = process.communicate(timeout=580)
        return process.returncode, printed

    def cloison(self, verb: str, *options: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        status, printed = self.run(verb, *options)
        assert status == 0, printed
        return printed

    def printed_json(self, verb: str) -> Any:
        """What a command prints with `--json`; its exit status is not looked at."""
        command = [CLOISON, verb, "--json", "--project", str(self.folder)]
        printed = subprocess.run(command, env=self.environment(), check=False, stdout=subprocess.PIPE).stdout
        return json.loads(printed)

    def url(self, project: str) -> str:
        """Where a project's hub answers."""
        found = next(each for each in self.printed_json("urls") if each["project"] == project)
        return str(found["tools"][0]["url"])

    @property
    def authority(self) -> Path:
        """Certificate of the stack's authority."""
        return self.folder / ".cloison" / "local" / "authority.crt"

    def names(self) -> list[str]:
        """The projects that have a file."""
        return sorted(file.stem for file in (self.folder / "workspaces").glob("*.yaml"))

    def destroy(self) -> None:
        """End every project and delete everything."""
        for name in self.names():
            self.end(name)
        self.cloison("up", "--yes")
        self.cloison("destroy", "--yes")

    def end(self, name: str) -> None:
        """Write the end of a project into its file, without a run of its own."""
        self.change(name, state="ended")

    def change(self, name: str, **fields: object) -> None:
        """Write fields into a project's file."""
        file = self.folder / "workspaces" / f"{name}.yaml"
        kept = [line for line in file.read_text().splitlines() if line.partition(":")[0] not in fields]
        written = [f"{field}: {json.dumps(value)}" for field, value in fields.items()]
        file.write_text("\n".join([*kept, *written]) + "\n")

    def objects(self, kind: str, *options: str) -> list[dict[str, Any]]:
        """The cluster's objects of a kind that belong to projects."""
        printed = self.platform.kubectl("get", kind, "-l", "cloison/project", "-o", "json", *options)
        return cast("list[dict[str, Any]]", json.loads(printed)["items"])


def load_images(platform: Platform, names: Sequence[str] = IMAGES) -> dict[str, str]:
    """Put images on a platform's node, those of the stack if none is named; returns their references, by name."""
    command = [sys.executable, "-m", "images", "build", "--json", *names]
    built = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    wanted = [image for image in built if image["name"] in names]
    for image in wanted:
        platform.containerd.load(Path(image["archive"]))
    return {image["name"]: image["reference"] for image in wanted}


def _point_at(profile: Path, platform: Platform) -> None:
    yaml = YAML()
    content = yaml.load(profile)
    content["cluster"]["kubeconfig"] = str(platform.kubeconfig)
    content["exposure"]["gateway"]["port"] = platform.ports.tls
    content["identity"]["administration"] = f"https://keycloak.{NAMESPACE}.localhost:{platform.ports.tls}"
    content["keys"]["administration"] = f"https://vault.{vault.NAMESPACE}.localhost:{platform.ports.tls}"
    yaml.dump(content, profile)
