"""One resource as the state records it: Pulumi's ``ResourceV3``.

Source: ``sdk/go/common/apitype/core.go`` of pulumi/pulumi.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.urn import Urn, split_reference
from engine.values import Object
from engine.wire import from_json, to_json


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource of the stack. Field names are Pulumi's, in Python's spelling."""

    urn: str
    custom: bool
    id: str = ""
    inputs: Object = field(default_factory=dict)
    outputs: Object = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    delete: bool = False
    """A replaced resource that still exists and is to be deleted."""
    pending_replacement: bool = False
    """Deleted in order to be replaced, but not created again yet."""
    external: bool = False
    """Managed by somebody else; never deleted by the engine."""
    init_errors: tuple[str, ...] = ()
    """Why it was not ready when last touched; any makes the next run update it again."""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Seconds for ``create``, ``update`` and ``delete``."""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    created: str = ""
    modified: str = ""
    deleted_with: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of newer Pulumi versions, kept as they are."""

    @property
    def type(self) -> str:
        """The resource's own type token."""
        return Urn.parse(self.urn).type

    @property
    def key(self) -> tuple[str, str, bool]:
        """What tells the resource from its replaced predecessors of the same URN."""
        return self.urn, self.id if self.delete else "", self.delete

    def references(self) -> Iterator[str]:
        """Yield the URNs that must exist as long as this resource does."""
        yield from self.dependencies
        for urns in self.property_dependencies.values():
            yield from urns
        if self.parent:
            yield self.parent
        if self.provider:
            yield split_reference(self.provider)[0]
        if self.deleted_with:
            yield self.deleted_with


# The JSON name of each field that is copied without conversion, in the order in which Pulumi writes them.
_PLAIN = {
    "delete": "delete",
    "id": "id",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "initErrors": "init_errors",
    "provider": "provider",
    "propertyDependencies": "property_dependencies",
    "pendingReplacement": "pending_replacement",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "customTimeouts": "timeouts",
    "retainOnDelete": "retain_on_delete",
    "deletedWith": "deleted_with",
    "created": "created",
    "modified": "modified",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
}
_CONVERTED = {"urn", "custom", "type", "inputs", "outputs"}


def resource_to_json(resource: Resource, encrypt: Callable[[str], str] | None) -> dict[str, Any]:
    """Write a resource as checkpoints have it, without empty fields; without ``encrypt`` secrets stay plain text."""
    document: dict[str, Any] = {"urn": resource.urn, "custom": resource.custom, "type": resource.type}
    for name in ("inputs", "outputs"):
        if properties := getattr(resource, name):
            document[name] = to_json(properties, encrypt)
    for name, attribute in _PLAIN.items():
        if value := getattr(resource, attribute):
            document[name] = _listed(value)
    return {**document, **resource.extra}


def resource_from_json(document: Mapping[str, Any], decrypt: Callable[[str], str]) -> Resource:
    """Read a resource from a checkpoint."""
    fields = {attribute: _tupled(document[name]) for name, attribute in _PLAIN.items() if document.get(name)}
    return Resource(
        urn=document["urn"],
        custom=document["custom"],
        inputs=from_json(document.get("inputs") or {}, decrypt),
        outputs=from_json(document.get("outputs") or {}, decrypt),
        extra={key: value for key, value in document.items() if key not in _PLAIN and key not in _CONVERTED},
        **fields,
    )


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return {key: _listed(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _tupled(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return {key: _tupled(item) for key, item in value.items()} if isinstance(value, dict) else value
