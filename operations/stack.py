"""Which project and stack a command is about, checked before anything is contacted."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from ruamel.yaml import YAML

from components.realm_api import SECRET_VARIABLE
from components.vault_api import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE
from operations.errors import UsageError
from stacks.profile import Profile, load_profile
from workspaces.loading import load_workspaces
from workspaces.model import Workspace

CHECKOUT = Path(__file__).parents[1]
LOCAL = "local"
"""The stack of this machine's own platform. Its secrets are the machine's, drawn on first use."""


@dataclass(frozen=True)
class Stack:
    """A stack of a project folder."""

    project: Path
    name: str

    @property
    def is_local(self) -> bool:
        """Whether it lives on this machine alone."""
        return self.name == LOCAL

    def profile(self) -> Profile:
        """The provider it runs on.

        Raises:
            UsageError: there is no such stack, or its file names no profile.
            InvalidDocumentsError: the profile is not valid.
        """
        file = self.project / "stacks" / f"Pulumi.{self.name}.yaml"
        if not file.exists():
            known = ", ".join(sorted(path.name.split(".")[1] for path in file.parent.glob("Pulumi.*.yaml")))
            message = f"there is no stack {self.name!r}; use one of: {known}"
            raise UsageError(message)
        name = _configuration(file).get("cloison:profile")
        if not isinstance(name, str):
            message = f"{file}: cloison:profile is missing; name a file of stacks/profiles there"
            raise UsageError(message)
        return load_profile(self.project / "stacks" / "profiles", name)

    def workspaces(self) -> list[Workspace]:
        """Its research projects.

        Raises:
            InvalidDocumentsError: with every problem of every workspace file.
        """
        return load_workspaces(self.project / "workspaces", datetime.now(UTC).date())

    def environment(self) -> dict[str, str]:
        """Variables for the engine: the person's own, and for the local stack the machine's own secrets."""
        variables = dict(os.environ)
        given = {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & variables.keys()
        if self.is_local and not given:
            variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_machine_secret("passphrase"))
        if self.is_local and SECRET_VARIABLE not in variables:
            variables[SECRET_VARIABLE] = _machine_secret("identity-administrator").read_text()
        if self.is_local and not {TOKEN_VARIABLE, TOKEN_FILE_VARIABLE} & variables.keys():
            variables[TOKEN_FILE_VARIABLE] = str(_machine_folder() / "vault-token")
        return variables


def _configuration(file: Path) -> Mapping[str, object]:
    document = cast("Mapping[str, Mapping[str, object]] | None", YAML(typ="safe").load(file))
    return (document or {}).get("config") or {}


def _machine_secret(name: str) -> Path:
    """A file with a secret of this machine's, drawn on first use and readable by its owner alone."""
    folder = _machine_folder()
    file = folder / name
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f"{name}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        draft.replace(file)
    return file


def _machine_folder() -> Path:
    """Where this machine keeps what is its own."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "cloison"
