"""The engine that runs the program: the Pulumi CLI where it is installed, the embedded one elsewhere.

Both are commands with the same verbs, so one description serves both.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from operations.errors import EngineFailedError, UsageError
from operations.stack import Stack

SECRET_KEY = "4dabf18193072939515e22adb298388d"  # noqa: S105 - Pulumi's mark of a special value, not a secret
NO_STACK = "no stack named"
"""What both engines answer about a stack that was never run."""
CHOICE = "CLOISON_ENGINE"
"""Variable that overrides the choice of engine: ``pulumi`` or ``embedded``."""


@dataclass(frozen=True)
class Engine:
    """A command that speaks Pulumi's verbs."""

    title: str
    command: tuple[str, ...]
    export_verb: tuple[str, ...]
    creates_stacks: bool
    """Whether a stack that is new must not be created beforehand."""
    local_options: tuple[str, ...] = ()
    """Options for the local stack: its salt belongs to this machine, not into a file under version control."""

    def run(self, stack: Stack, verb: str, options: Sequence[str] = ()) -> None:
        """Run a verb on a stack; the engine talks to the person itself.

        Raises:
            EngineFailedError: the engine ended with an error.
        """
        if not self.creates_stacks:
            self._call(stack, ["stack", "select", "--create", "--stack", stack.name, *self._place(stack)])
        self._call(stack, [verb, "--stack", stack.name, *self._place(stack), *options])

    def resources(self, stack: Stack, *, show_secrets: bool = False) -> list[dict[str, object]]:
        """What the stack's state records of its resources; nothing when it was never run.

        Args:
            stack: the stack to read.
            show_secrets: give secret values in plain text; without it they are left out.
        """
        options = ["--show-secrets"] if show_secrets else []
        text = self._read(stack, [*self.export_verb, "--stack", stack.name, *self._place(stack), *options])
        recorded = cast("dict[str, object]", json.loads(text)["deployment"]) if text else {}
        return cast("list[dict[str, object]]", _revealed(recorded.get("resources") or []))

    def _place(self, stack: Stack) -> list[str]:
        return ["--cwd", str(stack.project), *(self.local_options if stack.is_local else ())]

    def _call(self, stack: Stack, arguments: Sequence[str]) -> None:
        """Run the engine; what it says goes to the terminal."""
        done = subprocess.run([*self.command, *arguments], env=stack.environment(), check=False)
        if done.returncode:
            raise self._failed(arguments, done.returncode)

    def _read(self, stack: Stack, arguments: Sequence[str]) -> str | None:
        """What the engine prints; None where the stack was never run."""
        done = subprocess.run(
            [*self.command, *arguments], env=stack.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout
        if NO_STACK in done.stderr:
            return None
        sys.stderr.write(done.stderr)
        raise self._failed(arguments, done.returncode)

    def _failed(self, arguments: Sequence[str], status: int) -> EngineFailedError:
        return EngineFailedError(" ".join([*self.command[-1:], *arguments[:1]]), status)


PULUMI = Engine("the Pulumi CLI", ("pulumi",), ("stack", "export"), creates_stacks=False)
EMBEDDED = Engine(
    "the embedded engine",
    (sys.executable, "-m", "engine"),
    ("export",),
    creates_stacks=True,
    local_options=("--salt-in-state",),
)


def choose_engine(stack: Stack, environment: Mapping[str, str] = os.environ) -> Engine:
    """The engine of a stack.

    A stack that the embedded engine has begun stays with it, or a second engine would not know what exists;
    ``pulumi stack import`` moves it over, after which `CHOICE` says so.

    Raises:
        UsageError: the engine asked for is not known or not installed.
    """
    installed = shutil.which("pulumi", path=environment.get("PATH"))
    chosen = environment.get(CHOICE)
    if chosen is None:
        return PULUMI if installed and not _begun_embedded(stack) else EMBEDDED
    if chosen == "pulumi" and not installed:
        message = f"{CHOICE}=pulumi, but no pulumi command is on PATH; install it, or unset {CHOICE}"
        raise UsageError(message)
    engines = {"pulumi": PULUMI, "embedded": EMBEDDED}
    if chosen not in engines:
        message = f"{CHOICE}={chosen!r} is no engine; use pulumi or embedded"
        raise UsageError(message)
    return engines[chosen]


def _begun_embedded(stack: Stack) -> bool:
    return any((stack.project / ".engine" / "stacks").glob(f"*/{stack.name}.json"))


def _revealed(value: object) -> object:
    """A value without its secret envelopes: plain text where it was asked for, left out elsewhere."""
    if isinstance(value, list):
        return [_revealed(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    if SECRET_KEY in fields:
        return json.loads(str(fields["plaintext"])) if "plaintext" in fields else None
    return {key: _revealed(item) for key, item in fields.items()}
