"""What is done to objects in a cluster: create, apply, delete, read, each until its effect has come."""

from collections.abc import Callable
from typing import Any

from engine.errors import Interrupted, ProviderError
from engine.kubernetes.awaiting import Awaiter
from engine.kubernetes.client import ApiError, Client
from engine.kubernetes.deletion import delete
from engine.kubernetes.discovery import Discovery, Resource
from engine.kubernetes.fields import MISSING, replaced, text_at
from engine.kubernetes.kinds import Kind, object_id
from engine.kubernetes.naming import is_annotated
from engine.kubernetes.outputs import rewritten
from engine.kubernetes.ownership import has_plain_writes, is_managed_by, taken_over, without_ignored
from engine.kubernetes.refusals import PATCH_FORCE, explained
from engine.kubernetes.snapshot import Snapshots
from engine.paths import Path
from engine.values import Object

APPLY = "application/apply-patch+yaml"

_DRY_RUN = {"dryRun": "All"}
_ATTEMPTS = 6
"""Attempts at what needs a namespace or a kind that is just being made, or what others change at the same time."""
_FIRST_PAUSE = 0.25
"""Seconds before the second attempt; each further pause is twice as long."""


class ClusterObjects:
    """The objects of one cluster. Thread-safe.

    Args:
        client: Speaks to the API server.
        force: Whether applies take over fields that others own.
    """

    def __init__(self, client: Client, *, force: bool = False) -> None:
        self.client = client
        self.discovery = Discovery(client)
        self.awaiter = Awaiter(client, self.discovery)
        self._snapshots = Snapshots(client)
        self._force = force

    def resource(self, kind: Kind) -> Resource:
        """Return how the server calls a kind, waiting a little for one whose definition is new.

        Raises:
            ProviderError: If the server does not have it.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.client.pause(_FIRST_PAUSE * 2 ** (attempt - 1))
                self.discovery.refresh()
            found = self.discovery.find(kind)
            if found is not None:
                return found
        raise ProviderError(f"the cluster has no kind {kind}; is its CustomResourceDefinition installed?")

    def create(self, resource: Resource, inputs: Object, manager: str) -> Object:
        """Create an object that must not exist.

        Raises:
            ProviderError: If it exists, or the server refuses.
            Interrupted: If it is not known whether it was created.
        """
        namespace, name = resource.identity(inputs)
        self._snapshots.forget(resource, namespace, name)
        try:
            return self._post(resource, inputs, manager)
        except ApiError as error:
            return self._made_before(resource, namespace, name, manager, error)

    def try_create(self, resource: Resource, inputs: Object, manager: str) -> Object:
        """Ask the server what creating an object would give; changes nothing.

        Raises:
            ApiError: If the server would refuse.
        """
        body, namespace = _body(inputs, resource)
        return self.client.post(resource.collection(namespace), body, {"fieldManager": manager} | _DRY_RUN)

    def apply(self, resource: Resource, inputs: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Apply inputs server-side, so that exactly they belong to ``manager``; create the object if it is absent.

        Raises:
            ApiError: If the server refuses.
        """
        body, namespace = _body(inputs, resource)
        name = text_at(inputs, "metadata", "name")
        self._snapshots.forget(resource, namespace, name)
        force = self._force or is_annotated(inputs, PATCH_FORCE)
        query = {"fieldManager": manager, "force": str(force).lower()} | (_DRY_RUN if dry_run else {})
        return self.client.patch(resource.path(namespace, name), body, query, APPLY)

    def take_over(self, resource: Resource, inputs: Object, manager: str) -> Object:
        """Create an object, or apply the inputs to the one that exists.

        Raises:
            ProviderError: If the server refuses.
            Interrupted: If it is not known whether it was applied.
        """
        try:
            return self.apply(resource, inputs, manager)
        except ApiError as error:
            return self._made_before(resource, *resource.identity(inputs), manager, error)

    def update(self, resource: Resource, inputs: Object, manager: str, ignored: tuple[Path, ...]) -> Object:
        """Bring an existing object to its inputs, as pulumi-kubernetes does: definitions are put, all else is applied.

        Raises:
            ProviderError: If it does not exist, or the server refuses.
        """
        namespace, name = resource.identity(inputs)

        def attempt() -> Object:
            live = self._get(resource, namespace, name)
            if resource.kind.is_definition:
                return self._put(resource, inputs, live, manager)
            live = self._with_ownership(resource, live, manager)
            return self.apply(resource, without_ignored(inputs, live, manager, ignored), manager)

        try:
            return self._persistently(attempt)
        except ApiError as error:
            raise explained(error, resource, namespace, name) from error

    def try_update(
        self, resource: Resource, old_inputs: Object, inputs: Object, manager: str, ignored: tuple[Path, ...]
    ) -> Object:
        """Ask the server what an update would give; changes nothing.

        While a POST still owns fields (:func:`engine.kubernetes.ownership.taken_over`), a dry apply would remove
        nothing and conflict with it; a dry PUT of what the update will lead to then gives the answer.

        Raises:
            ProviderError: If the object does not exist, or the server would refuse.
        """
        namespace, name = resource.identity(inputs)
        live = self._get(resource, namespace, name)
        wanted = without_ignored(inputs, live, manager, ignored)
        try:
            if resource.kind.is_definition:
                return self._put(resource, wanted, live, manager, dry_run=True)
            if has_plain_writes(live):
                return self._put(resource, rewritten(live, old_inputs, wanted), live, manager, dry_run=True)
            return self.apply(resource, wanted, manager, dry_run=True)
        except ApiError as error:
            raise explained(error, resource, namespace, name) from error

    def relinquish(self, resource: Resource, obj: Object, manager: str) -> None:
        """Give up every field that a manager owns."""
        namespace, name = resource.identity(obj)
        bare: dict[str, Any] = {"apiVersion": resource.kind.api_version, "kind": resource.kind.kind}
        bare["metadata"] = {"name": name} | ({"namespace": namespace} if namespace else {})
        self.client.patch(resource.path(namespace, name), bare, {"fieldManager": manager}, APPLY)

    def read(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        return self._snapshots.read(resource, namespace, name)

    def delete(
        self, resource: Resource, inputs: Object, live: Object, seconds: float, progress: Callable[[str], None]
    ) -> None:
        """Delete an object and wait until it is gone; see :func:`engine.kubernetes.deletion.delete`."""
        self._snapshots.forget(resource, *resource.identity(live))
        delete(self.client, resource, inputs, live, seconds, progress)

    def _post(self, resource: Resource, inputs: Object, manager: str) -> Object:
        body, namespace = _body(inputs, resource)
        return self._persistently(
            lambda: self.client.post(resource.collection(namespace), body, {"fieldManager": manager})
        )

    def _persistently(self, attempt: Callable[[], Object]) -> Object:
        """Write, and try again while others get in the way or the namespace is just being made."""
        for number in range(_ATTEMPTS):
            try:
                return attempt()
            except ApiError as error:
                if number == _ATTEMPTS - 1 or not (error.is_missing_namespace() or error.is_race()):
                    raise
            self.client.pause(_FIRST_PAUSE * 2**number)
        raise AssertionError("unreachable")

    def _made_before(self, resource: Resource, namespace: str, name: str, manager: str, error: ApiError) -> Object:
        """Return the object that an earlier attempt has made although the last one was refused.

        The last one may have been refused for that very reason: the object exists, or has used up its quota.
        """
        if error.outcome_was_lost:
            try:
                live = self._snapshots.read(resource, namespace, name)
            except ProviderError as failure:
                raise Interrupted(f"{failure}; it is not known whether the object was made") from failure
            if live is not None and is_managed_by(live, manager):
                return live
        raise explained(error, resource, namespace, name) from error

    def _get(self, resource: Resource, namespace: str, name: str) -> Object:
        try:
            return self.client.get(resource.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                what = f"{resource.kind.kind} {object_id(namespace, name)}"
                raise ProviderError(f"{what} no longer exists in the cluster; run a refresh to record that") from error
            raise

    def _with_ownership(self, resource: Resource, live: Object, manager: str) -> Object:
        """Let the manager take over the fields that plain writes own, so that an apply can remove them again."""
        entries = taken_over(live, manager)
        if entries is None:
            return live
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        path = resource.path(*resource.identity(live))
        return self.client.patch(path, patch, {}, "application/json-patch+json")

    def _put(self, resource: Resource, inputs: Object, live: Object, manager: str, *, dry_run: bool = False) -> Object:
        body, namespace = _body(inputs, resource)
        version = text_at(live, "metadata", "resourceVersion")
        body = replaced(body, ("metadata", "resourceVersion"), version)
        query = {"fieldManager": manager} | (_DRY_RUN if dry_run else {})
        return self.client.put(resource.path(namespace, text_at(inputs, "metadata", "name")), body, query)


def _body(inputs: Object, resource: Resource) -> tuple[Object, str]:
    """Return the object to send, and its namespace."""
    if not resource.namespaced:
        return replaced(inputs, ("metadata", "namespace"), MISSING), ""
    return inputs, resource.identity(inputs)[0]
