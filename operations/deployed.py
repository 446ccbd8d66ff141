"""What a stack's last run left: its projects, where they answer, and how the demonstration's people first sign in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from operations.engines import Engine
from operations.stack import Stack
from workspaces.summary import Summary


@dataclass(frozen=True)
class Deployed:
    """The outputs of a stack."""

    projects: Sequence[Summary]
    authority: str | None
    """Certificate of the authority that signs for the gateway, PEM; None before the first run."""
    first_passwords: Mapping[str, str]
    """Of the demonstration accounts, by address; empty unless they were asked for. Secret."""

    @classmethod
    def read(cls, engine: Engine, stack: Stack, *, show_secrets: bool = False) -> Self:
        """Read what the last run exported.

        Args:
            engine: the stack's engine.
            stack: the stack.
            show_secrets: read the first passwords as well; for those who hold the stack's passphrase.
        """
        outputs = engine.outputs(stack, show_secrets=show_secrets)
        exported = cast("Sequence[Mapping[str, Any]]", outputs.get("projects") or [])
        return cls(
            [Summary.read(each) for each in exported],
            cast("str | None", outputs.get("authority")),
            cast("Mapping[str, str]", outputs.get("first_passwords") or {}) if show_secrets else {},
        )
