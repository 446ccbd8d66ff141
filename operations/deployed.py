"""What a stack's last run left: its projects, where they answer, and how the demonstration's people first sign in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from components.naming import MEMBER_LABEL, PROJECT_LABEL
from operations.engines import Engine
from operations.stack import Stack
from workspaces.summary import Summary

VOLUME = "kubernetes:core/v1:PersistentVolumeClaim"
STACK = "pulumi:pulumi:Stack"
KEY_STORE = "cloison:index:KeyStore"


@dataclass(frozen=True)
class Volume:
    """A protected volume with data of people."""

    project: str
    member: str | None
    """Whose it is; None for the hub's own."""


@dataclass(frozen=True)
class Deployed:
    """What the stack's state says."""

    projects: Sequence[Summary]
    authority: str | None
    """Certificate of the authority that signs for the gateway, PEM; None before the first run."""
    first_passwords: Mapping[str, str]
    """Of the demonstration accounts, by address; empty unless they were asked for. Secret."""
    volumes: Sequence[Volume]
    """Those that nobody gave up: projects that have ended have none."""
    has_key_store: bool = False
    """Whether a key store was brought up, so that it must be open for the next run."""

    @classmethod
    def read(cls, engine: Engine, stack: Stack, *, show_secrets: bool = False) -> Self:
        """Read what the last run left.

        Args:
            engine: the stack's engine.
            stack: the stack.
            show_secrets: read the first passwords as well; for those who hold the stack's passphrase.
        """
        resources = cast("list[dict[str, Any]]", engine.resources(stack, show_secrets=show_secrets))
        outputs: dict[str, Any] = next((each for each in resources if each["type"] == STACK), {}).get("outputs") or {}
        exported = cast("Sequence[Mapping[str, Any]]", outputs.get("projects") or [])
        return cls(
            [Summary.read(each) for each in exported],
            cast("str | None", outputs.get("authority")),
            cast("Mapping[str, str]", outputs.get("first_passwords") or {}) if show_secrets else {},
            [_volume(each) for each in resources if each["type"] == VOLUME and _of_a_project(each)],
            any(each["type"] == KEY_STORE for each in resources),
        )


def _of_a_project(claim: Mapping[str, Any]) -> bool:
    return bool(claim.get("protect")) and PROJECT_LABEL in claim["inputs"]["metadata"]["labels"]


def _volume(claim: Mapping[str, Any]) -> Volume:
    labels = claim["inputs"]["metadata"]["labels"]
    return Volume(labels[PROJECT_LABEL], labels.get(MEMBER_LABEL))
