"""What a program asks for, what it is answered, and what the run that does so is about."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from engine.aliases import Alias
from engine.steps import Goal
from engine.values import Object


@dataclass(frozen=True)
class Registration:
    """A goal as the program states it: aliases not expanded, the provider perhaps left to the engine."""

    goal: Goal
    version: str = ""
    aliases: tuple[Alias, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The answer to a registration; a failed one has no outputs, and its dependants are skipped."""

    urn: str
    id: str = ""
    outputs: Object | None = None

    @property
    def failed(self) -> bool:
        """Whether the resource is not as the program wants it."""
        return self.outputs is None


@dataclass(frozen=True)
class Scope:
    """What a run is about.

    Args:
        stack: The stack's name.
        project: The project's name.
        namespace: Returns the stack's configuration of one namespace, for default providers.
        seed: Decides generated names; the same for the preview and the update of one run.
        parallel: How many operations on providers run at once.
        targets: URNs, with ``*`` for any text, that the run is limited to; empty for all.
    """

    stack: str
    project: str
    namespace: Callable[[str], dict[str, str]]
    seed: bytes
    parallel: int
    targets: tuple[str, ...] = ()

    def includes(self, urn: str) -> bool:
        """Tell whether the run may change a resource."""
        return not self.targets or any(fnmatchcase(urn, target) for target in self.targets)
