"""What happens during a run, as events of Pulumi's engine-event schema.

Source: ``sdk/go/common/apitype/events.go`` of pulumi/pulumi. Secrets are masked before they enter an event.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeAlias

from engine.provider import DiffKind
from engine.resource import Resource
from engine.urn import provider_package
from engine.values import UNKNOWN, Object, Reference, Secret, transform

Event: TypeAlias = dict[str, Any]
Listener: TypeAlias = Callable[[Event], None]
LOGICAL = frozenset({"same", "create", "update", "delete", "replace", "refresh"})
"""Operations that count in a summary; the others are parts of a replacement."""


class Events:
    """Numbers events and hands them to listeners, one at a time; counts what was done and remembers what failed.

    Args:
        listeners: Called with each event, in order.
        preview: Whether the run changes nothing.
    """

    def __init__(self, listeners: Sequence[Listener] = (), *, preview: bool = False) -> None:
        self._listeners = listeners
        self._preview = preview
        self._lock = Lock()
        self._sequence = 0
        self._started = time.monotonic()
        self.changes: Counter[str] = Counter()
        self.errors: list[str] = []

    def prelude(self, config: Mapping[str, str]) -> None:
        """Begin: the configuration, its secrets masked."""
        self._emit("preludeEvent", {"config": dict(config)})

    def before(
        self,
        op: str,
        old: Resource | None,
        new: Resource | None,
        *,
        replaces: Sequence[str] = (),
        detailed: Mapping[str, DiffKind] | None = None,
    ) -> None:
        """An operation on a resource is about to begin."""
        metadata = _metadata(op, old, new, replaces, detailed)
        self._emit("resourcePreEvent", {"metadata": metadata, "planning": self._preview})

    def after(self, op: str, old: Resource | None, new: Resource | None) -> None:
        """An operation on a resource has succeeded."""
        with self._lock:
            self.changes[op] += op in LOGICAL
        self._emit("resOutputsEvent", {"metadata": _metadata(op, old, new), "planning": self._preview})

    def outputs(self, old: Resource, new: Resource) -> None:
        """A component has named its outputs."""
        self._emit("resOutputsEvent", {"metadata": _metadata("same", old, new), "planning": self._preview})

    def failed(self, op: str, old: Resource | None, new: Resource | None, message: str) -> None:
        """An operation on a resource has failed."""
        resource = new or old
        self.diagnostic("error", message, resource.urn if resource else "")
        self._emit("resOpFailedEvent", {"metadata": _metadata(op, old, new), "status": 0, "steps": 0})

    def diagnostic(self, severity: str, message: str, urn: str = "", *, ephemeral: bool = False) -> None:
        """A message for the user; ``error`` makes the run fail."""
        with self._lock:
            if severity == "error":
                self.errors.append(message)
        content = {"urn": urn, "message": message, "color": "never", "severity": severity, "ephemeral": ephemeral}
        self._emit("diagnosticEvent", content)

    def policy(self, violation: Mapping[str, str]) -> None:
        """A rule of a policy pack is violated."""
        with self._lock:
            if violation["enforcementLevel"] == "mandatory":
                self.errors.append(f"{violation['policyName']}: {violation['message']}")
        self._emit("policyEvent", {**violation, "color": "never"})

    def remediation(self, content: Mapping[str, Any]) -> None:
        """A policy pack has changed the inputs of a resource."""
        self._emit("policyRemediationEvent", {**content, "color": "never"})

    def summary(self, policy_packs: Mapping[str, str]) -> None:
        """End: the counts."""
        content = {
            "maybeCorrupt": False,
            "durationSeconds": round(time.monotonic() - self._started),
            "resourceChanges": +self.changes,
            "PolicyPacks": dict(policy_packs),
            "isPreview": self._preview,
        }
        self._emit("summaryEvent", content)

    def cancel(self) -> None:
        """The stream ends here."""
        self._emit("cancelEvent", {})

    def _emit(self, kind: str, content: Mapping[str, Any]) -> None:
        with self._lock:
            self._sequence += 1
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: content}
            for listener in self._listeners:
                listener(event)


def _metadata(
    op: str,
    old: Resource | None,
    new: Resource | None,
    replaces: Sequence[str] = (),
    detailed: Mapping[str, DiffKind] | None = None,
) -> Event:
    resource = new or old
    assert resource is not None, "an event is about a resource"  # noqa: S101 - a mistake of this package, not of input
    return {
        "op": op,
        "urn": resource.urn,
        "type": resource.type,
        "old": _state(old),
        "new": _state(new),
        "keys": list(replaces),
        "diffs": sorted({path.split(".")[0].split("[")[0] for path in detailed or ()}),
        "detailedDiff": {path: {"diffKind": kind, "inputDiff": True} for path, kind in (detailed or {}).items()}
        or None,
        "logical": op in LOGICAL,
        "provider": resource.provider,
    }


def _state(resource: Resource | None) -> Event | None:
    if resource is None:
        return None
    return {
        "type": resource.type,
        "urn": resource.urn,
        "custom": resource.custom,
        "delete": resource.delete,
        "id": resource.id,
        "parent": resource.parent,
        "protect": resource.protect,
        "retainOnDelete": resource.retain_on_delete,
        "inputs": _shown(resource.inputs),
        "outputs": _shown(resource.outputs),
        "provider": "" if provider_package(resource.type) else resource.provider,
        "initErrors": list(resource.init_errors),
    }


def _shown(properties: Object) -> Any:
    def leaf(value: Any) -> Any:
        if isinstance(value, Secret):
            return "[secret]"
        if value is UNKNOWN:
            return "[unknown]"
        return value.urn if isinstance(value, Reference) else value

    return transform(properties, leaf)
