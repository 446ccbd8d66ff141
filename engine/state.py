"""The state of one stack: in memory while a run changes it, journalled at every change, a Pulumi checkpoint at rest."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias

from engine.crypto import Crypter, Unopened
from engine.errors import StateError
from engine.journal import Journal, read_journal, write_atomically
from engine.resource import Resource, resource_from_json, resource_to_json

Operation: TypeAlias = Literal["creating", "updating", "deleting", "reading", "importing"]
PendingKey: TypeAlias = tuple[str, str, str]
VERSION = "v3.272.0"
"""The Pulumi version whose checkpoints are written; the one of the pinned SDK."""


@dataclass(frozen=True)
class StackFiles:
    """Where a stack's state lies, laid out as in Pulumi's own local backend.

    Args:
        root: The state folder.
        project: The project's name.
        stack: The stack's name.
    """

    root: Path
    project: str
    stack: str

    @property
    def checkpoint(self) -> Path:
        """The checkpoint as it was after the last completed run."""
        return self.root / "stacks" / self.project / f"{self.stack}.json"

    @property
    def journal(self) -> Path:
        """What happened since the checkpoint was written."""
        return self.checkpoint.with_suffix(".journal")

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.root / "locks" / self.project / f"{self.stack}.lock"

    @property
    def history(self) -> Path:
        """The folder of finished runs."""
        return self.root / "history" / self.project / self.stack

    def make_folders(self) -> None:
        """Create the folders, readable by their owner alone."""
        for folder in (self.checkpoint.parent, self.lock.parent, self.history):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)


@dataclass(frozen=True)
class Pending:
    """An operation that began and whose end was never recorded."""

    type: Operation
    resource: Resource

    @property
    def key(self) -> PendingKey:
        """What tells it from other operations."""
        return self.resource.urn, self.type, self.resource.id


@dataclass
class Deployment:
    """A checkpoint's content."""

    resources: list[Resource] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    salt: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class State:
    """The resources of a stack. Safe for many threads.

    Args:
        deployment: What to begin with.
        journal: Takes every change before it counts; None for a preview, which changes nothing.
        crypter: Encrypts secrets on their way to the journal.
    """

    def __init__(self, deployment: Deployment, journal: Journal | None = None, crypter: Crypter | None = None) -> None:
        self._resources = {resource.key: resource for resource in deployment.resources}
        self._pending = {pending.key: pending for pending in deployment.pending}
        self._metadata = deployment.metadata
        self._journal = journal
        self._crypter = crypter
        self._lock = Lock()

    def get(self, urn: str) -> Resource | None:
        """Return the live resource of a URN."""
        return self._resources.get((urn, "", False))

    def resources(self) -> list[Resource]:
        """Return all resources, also those that wait for their deletion."""
        with self._lock:
            return list(self._resources.values())

    def pending(self) -> list[Pending]:
        """Return the operations without a recorded end."""
        with self._lock:
            return list(self._pending.values())

    def begin(self, type_: Operation, resource: Resource) -> PendingKey:
        """Record that an operation on a provider is about to begin."""
        pending = Pending(type_, resource)
        self._record({"begin": {"type": type_, "resource": self._to_json(resource)}}, durable=True)
        with self._lock:
            self._pending[pending.key] = pending
        return pending.key

    def commit(
        self, put: Iterable[Resource] = (), drop: Iterable[Resource] = (), end: PendingKey | None = None
    ) -> None:
        """Record changes, all or none: remove, then add or replace resources, and end a pending operation."""
        put, drop = list(put), list(drop)
        dropped = [resource.key for resource in drop]
        self._record({"end": end, "drop": dropped, "put": [self._to_json(item) for item in put]}, durable=False)
        with self._lock:
            _apply(self._resources, [resource.key for resource in drop], put)
            if end is not None:
                self._pending.pop(end, None)

    def snapshot(self, salt: str | None) -> Deployment:
        """Return the content in the order in which checkpoints must have it: what is referred to comes first."""
        with self._lock:
            resources = _rename(list(self._resources.values()))
            return Deployment(sort_by_dependency(resources), list(self._pending.values()), salt, self._metadata)

    def _record(self, record: dict[str, Any], *, durable: bool) -> None:
        if self._journal is not None:
            self._journal.append(record, durable=durable)

    def _to_json(self, resource: Resource) -> dict[str, Any] | None:
        if self._journal is None or self._crypter is None:
            return None
        return resource_to_json(resource, self._crypter.encrypt)


def load_deployment(files: StackFiles, crypter: Crypter | Unopened) -> Deployment:
    """Read a stack's checkpoint and replay its journal, if a run was cut short.

    Args:
        files: Where the stack lies.
        crypter: Decrypts what is secret, or leaves it as it is.

    Raises:
        StateError: If checkpoint or journal is damaged.
    """
    deployment = parse_deployment(_read_checkpoint(files.checkpoint), crypter)
    resources = {resource.key: resource for resource in deployment.resources}
    pending = {item.key: item for item in deployment.pending}
    decrypt = crypter.decrypt
    for record in read_journal(files.journal):
        if begun := record.get("begin"):
            item = Pending(begun["type"], resource_from_json(begun["resource"], decrypt))
            pending[item.key] = item
            continue
        if ended := record["end"]:
            pending.pop(tuple(ended), None)
        put = [resource_from_json(document, decrypt) for document in record["put"]]
        _apply(resources, [tuple(key) for key in record["drop"]], put)
    return replace(deployment, resources=list(resources.values()), pending=list(pending.values()))


def read_salt(path: Path) -> str | None:
    """Return the salt line of a checkpoint, None where it has none or there is no checkpoint."""
    return (_read_checkpoint(path).get("secrets_providers") or {}).get("state", {}).get("salt")


def save_checkpoint(files: StackFiles, deployment: Deployment, crypter: Crypter) -> None:
    """Write the checkpoint atomically.

    Raises:
        StateError: If it cannot be written; the journal then still has every change.
    """
    name = f"organization/{files.project}/{files.stack}"
    document = {"version": 3, "checkpoint": {"stack": name, "latest": render_deployment(deployment, crypter)}}
    try:
        write_atomically(files.checkpoint, json.dumps(document, indent=4).encode() + b"\n")
    except OSError as error:
        raise StateError(f"cannot write {files.checkpoint}: {error.strerror}; the journal beside it is kept") from error


def render_deployment(deployment: Deployment, crypter: Crypter | Unopened | None) -> dict[str, Any]:
    """Form the ``deployment`` that ``pulumi stack import`` takes. Without a crypter, secrets stand in plain text."""
    encrypt = crypter.encrypt if crypter else None
    document: dict[str, Any] = {
        "manifest": {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "magic": hashlib.sha256(VERSION.encode()).hexdigest(),
            "version": VERSION,
        },
        "resources": [resource_to_json(resource, encrypt) for resource in deployment.resources],
        "metadata": deployment.metadata,
    }
    if crypter:
        document["secrets_providers"] = {"type": "passphrase", "state": {"salt": crypter.salt_line}}
    if deployment.pending:
        document["pending_operations"] = [
            {"resource": resource_to_json(pending.resource, encrypt), "type": pending.type}
            for pending in deployment.pending
        ]
    return document


def parse_deployment(document: Mapping[str, Any], crypter: Crypter | Unopened) -> Deployment:
    """Read a ``deployment`` document.

    Raises:
        StateError: If it lacks a field, or its secrets are encrypted by another kind of provider.
    """
    providers = document.get("secrets_providers") or {}
    if providers.get("type", "passphrase") != "passphrase":
        raise StateError(f"the secrets provider {providers['type']!r} is not supported; only passphrase is")
    decrypt = crypter.decrypt
    try:
        return Deployment(
            resources=[resource_from_json(item, decrypt) for item in document.get("resources") or []],
            pending=[
                Pending(item["type"], resource_from_json(item["resource"], decrypt))
                for item in document.get("pending_operations") or []
            ],
            salt=(providers.get("state") or {}).get("salt"),
            metadata=document.get("metadata") or {},
        )
    except KeyError as error:
        raise StateError(f"the checkpoint is damaged: a resource lacks the field {error}") from error


def sort_by_dependency(resources: list[Resource]) -> list[Resource]:
    """Order resources so that each comes after all it refers to; otherwise keep their order."""
    by_urn: dict[str, list[Resource]] = {}
    for resource in sorted(resources, key=lambda item: item.delete):
        by_urn.setdefault(resource.urn, []).append(resource)
    ordered: dict[str, list[Resource]] = {}
    for urn in by_urn:
        stack: list[tuple[str, Iterator[str]]] = [(urn, iter((urn,)))]
        entered: set[str] = set()
        while stack:
            current, references = stack[-1]
            following = next((item for item in references if item in by_urn and item not in ordered), None)
            if following is None:
                stack.pop()
                ordered.setdefault(current, by_urn[current])
            elif following not in entered:
                entered.add(following)
                stack.append((following, iter([ref for item in by_urn[following] for ref in item.references()])))
    return [resource for group in ordered.values() for resource in group]


def _rename(resources: list[Resource]) -> list[Resource]:
    """Let references that use a former URN point to the resource that has taken it as an alias."""
    urns = {resource.urn for resource in resources}
    names = {alias: item.urn for item in resources for alias in item.aliases if alias not in urns}
    if not names or not any(names.keys() & set(item.references()) for item in resources):
        return resources

    def new(urn: str) -> str:
        return names.get(urn, urn)

    def renamed(resource: Resource) -> Resource:
        provider, _, id_ = resource.provider.rpartition("::")
        return replace(
            resource,
            parent=new(resource.parent),
            provider=f"{new(provider)}::{id_}" if provider else "",
            dependencies=tuple(map(new, resource.dependencies)),
            property_dependencies={
                name: tuple(map(new, urns)) for name, urns in resource.property_dependencies.items()
            },
            deleted_with=new(resource.deleted_with),
        )

    return [renamed(resource) for resource in resources]


def _apply(resources: dict[Any, Resource], drop: Iterable[Any], put: Iterable[Resource]) -> None:
    for key in drop:
        resources.pop(key, None)
    for resource in put:
        resources[resource.key] = resource


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StateError(f"{path} is not JSON ({error}); restore it from a copy") from error
    if document.get("version") != 3:
        raise StateError(f"{path} has version {document.get('version')}; only version 3 can be read")
    return document["checkpoint"].get("latest") or {}
