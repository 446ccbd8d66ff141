"""The seam between the engine and what manages resources: Pulumi's provider protocol over plain Python values.

The engine decides *what* to do with a resource, a :class:`Provider` knows *how*. Every method is synchronous and is
called from many threads at once. Inputs and outputs are plain values (:mod:`engine.values`): no
:class:`~engine.values.Secret` ever reaches a provider, :data:`~engine.values.UNKNOWN` may stand anywhere when
``preview`` is true, and in :meth:`Provider.check`, :meth:`Provider.diff` and :meth:`Provider.configure` of a preview.

Providers raise :class:`~engine.errors.ProviderError` when nothing changed,
:class:`~engine.errors.PartialFailure` when the object exists but is not ready,
:class:`~engine.errors.Interrupted` when the outcome is not known, and
:class:`~engine.errors.Unreachable` when their service cannot be reached.
"""

# ruff: noqa: A002 - the signatures are those of Pulumi's provider protocol

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from engine.values import Object

Reporter: TypeAlias = Callable[[Literal["debug", "info", "warning", "error", "status"], str, str], None]
"""Called with severity, URN and message; ``status`` replaces the line shown for a resource in progress."""


class Changes(StrEnum):
    """Whether a diff found changes."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"
    """The provider cannot tell; the engine compares the inputs itself."""


class DiffKind(StrEnum):
    """How one property changes, named as in Pulumi's detailed diff."""

    ADD = "add"
    ADD_REPLACE = "add-replace"
    DELETE = "delete"
    DELETE_REPLACE = "delete-replace"
    UPDATE = "update"
    UPDATE_REPLACE = "update-replace"


@dataclass(frozen=True)
class CheckFailure:
    """One reason why inputs are refused. ``property`` is a path such as ``spec.replicas``, or empty."""

    property: str
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """Validated inputs with defaults and generated names filled in, or the failures."""

    inputs: Object
    failures: tuple[CheckFailure, ...] = ()


@dataclass(frozen=True)
class DiffResult:
    """What changes between the recorded resource and the new inputs."""

    changes: Changes
    replaces: tuple[str, ...] = ()
    """Paths of the properties that cannot be changed in place; any makes the step a replacement."""
    delete_before_replace: bool = False
    """True when old and new cannot exist side by side, for example because they have the same fixed name."""
    detailed: Mapping[str, DiffKind] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadResult:
    """A resource as it is now. ``inputs`` are what a program would have to say to get it."""

    id: str
    inputs: Object
    outputs: Object


class ResourceManager(Protocol):
    """What can be done to one resource."""

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        """Validate inputs, fill defaults, generate a name when none is given.

        Args:
            urn: The resource's URN.
            old_inputs: What the last check returned and state recorded; None for a new resource or a replacement.
            new_inputs: What the program says now.
            random_seed: 32 bytes that decide a generated name; the same in the preview and the update of one plan.
        """
        ...

    def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Compare a recorded resource with new, checked inputs; in ``ignore_changes`` are property paths."""
        ...

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        """Create a resource from checked inputs and wait until it is ready.

        Args:
            urn: The resource's URN.
            inputs: What :meth:`check` returned.
            timeout: Seconds to wait; None for the provider's own default.
            preview: Change nothing; return an empty id when it is not known, ``UNKNOWN`` for what the service decides.

        Returns:
            The id and the outputs.

        Raises:
            ProviderError: If an object of that name exists and is not ours, or the service refuses.
        """
        ...

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        """Find what an interrupted :meth:`create` with these very inputs left behind; None when it left nothing.

        Called at the start of a run for every creation whose end was never recorded. Only an object that this
        creation made may be returned: another's object of the same name is not ours.

        Raises:
            Unrecoverable: If the provider never can know.
            ProviderError: If it cannot know now.
        """
        ...

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:
        """Read a resource as it is now; None when it is gone. ``inputs`` and ``outputs`` are the recorded ones."""
        ...

    def update(
        self,
        urn: str,
        id: str,
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        *,
        timeout: float | None,
        preview: bool,
        ignore_changes: tuple[str, ...] = (),
    ) -> Object:
        """Change a resource in place, wait until it is ready, and return its outputs. Arguments as for ``create``."""
        ...

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:
        """Delete a resource and wait until it is gone; one that is gone already is no error."""
        ...


class Provider(ResourceManager, Protocol):
    """Manages the resources of one package with one configuration."""

    def check_config(self, config: Object) -> CheckResult:
        """Validate the provider's own configuration, without contacting anything."""
        ...

    def diff_config(self, old: Object, new: Object) -> DiffResult:
        """Tell whether a change of configuration means another service, so that all resources must be replaced."""
        ...

    def configure(self, config: Object) -> None:
        """Take the configuration; called once, before anything is done to a resource.

        Unknown values (preview only) mean that the service cannot be contacted yet.

        Raises:
            InputError: If the configuration cannot work.
        """
        ...

    def cancel(self) -> None:
        """Make waiting operations end soon (with :class:`~engine.errors.PartialFailure`); called on Ctrl-C."""
        ...

    def close(self) -> None:
        """Release connections and processes; called once, last."""
        ...
