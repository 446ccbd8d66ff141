"""The Kubernetes provider: Pulumi's provider protocol on top of one cluster.

What it does follows pulumi-kubernetes 4.34 in server-side-apply mode, as its source and documentation have it:

* creation is a plain POST, so that an object that exists is refused; with ``upsertExistingObjects`` it is an apply;
* an update first takes over what the POST owned, then applies, with one field manager per resource;
* a diff compares inputs and asks nobody, unless something changed; whether the change needs a replacement is looked
  up in a table. Beyond the plugin, which fails the update then, a dry run asks the server too;
* ids are ``namespace/name`` or ``name``; outputs are the live object (:mod:`engine.kubernetes.outputs`).
"""

from collections.abc import Callable

from engine.errors import InputError, PartialFailure, ProviderError, Unreachable
from engine.kubernetes import awaiting
from engine.kubernetes import diff as differences
from engine.kubernetes import options as configuration
from engine.kubernetes.client import PATIENCE, Client, require_contact
from engine.kubernetes.cluster import ClusterObjects
from engine.kubernetes.discovery import Resource
from engine.kubernetes.equality import reconcile
from engine.kubernetes.fields import text_at
from engine.kubernetes.immutable import force_new, is_wholly_known
from engine.kubernetes.inputs import failures, normalised, with_namespace, without_nulls
from engine.kubernetes.kinds import (
    kind_of_object,
    kind_of_type,
    object_id,
    split_id,
)
from engine.kubernetes.kubeconfig import Cluster, find_cluster
from engine.kubernetes.naming import field_manager, with_name
from engine.kubernetes.outputs import (
    checkpoint,
    initial_api_version,
    live_object,
    with_secrets,
)
from engine.kubernetes.ownership import is_managed_by
from engine.kubernetes.planning import REPLACE_UNREADY, Planner
from engine.paths import format_path, parse_path
from engine.provider import Changes, CheckFailure, CheckResult, DiffKind, DiffResult, ReadResult, Reporter
from engine.urn import Urn
from engine.values import Object

_CONFIGURE_PATIENCE = 3.0
"""Seconds for which the first contact is tried: a cluster that is down should be reported soon."""


class KubernetesProvider:
    """Manages the objects of one cluster; implements :class:`engine.provider.Provider`. Thread-safe.

    Args:
        report: Told about progress and warnings.
        patience: Seconds for which a request is tried again before it counts as failed.
    """

    def __init__(self, report: Reporter, *, patience: float = PATIENCE) -> None:
        self._report, self._patience = report, patience
        self._options, self._namespace = configuration.Options({}), "default"
        self._objects: ClusterObjects | None = None
        self._unreachable: Unreachable | None = None
        self._warned: set[str] = set()
        self._planner = Planner(None, upsert=False)

    def check_config(self, config: Object) -> CheckResult:
        """Refuse arguments that are not supported."""
        try:
            configuration.parse(config)
        except InputError as error:
            return CheckResult(config, (CheckFailure("", str(error)),))
        return CheckResult(config)

    def diff_config(self, old: Object, new: Object) -> DiffResult:
        """Tell whether the configuration means another cluster, so that all resources must be replaced."""
        changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        moved = configuration.moves(old, new) & set(changed)
        detailed = {key: DiffKind.UPDATE_REPLACE if key in moved else DiffKind.UPDATE for key in changed}
        return DiffResult(
            Changes.SOME if changed else Changes.NONE,
            replaces=tuple(key for key in changed if key in moved),
            detailed=detailed,
        )

    def configure(self, config: Object) -> None:
        """Take the configuration and contact the cluster.

        Raises:
            InputError: If the configuration cannot work.
            Unreachable: If the cluster cannot be reached or refuses the credentials.
        """
        self._options = configuration.parse(config)
        if self._options.is_known:
            cluster = find_cluster(self._options.location)
            self._namespace = cluster.namespace
            self._contact(cluster)
        self._planner = Planner(self._objects, upsert=self._options.upsert)

    def check(self, urn: str, old_inputs: Object | None, new_inputs: Object, *, random_seed: bytes) -> CheckResult:
        """Fill in API version, kind, name and namespace, and bring the inputs into the form that is compared.

        Raises:
            Unsupported: For Helm, YAML, Kustomize, ``…List`` and ``…Patch`` resources.
        """
        kind = kind_of_type(Urn.parse(urn).type)
        given = without_nulls(new_inputs)
        inputs = {"apiVersion": kind.api_version, "kind": kind.kind} | given
        refused = failures(inputs, kind) or awaiting.failures(inputs)
        if refused:
            return CheckResult(inputs, refused)
        inputs = with_name(normalised(inputs, kind), urn, old_inputs, random_seed)
        if self._planner.is_namespaced(kind):
            inputs = with_namespace(inputs, self._namespace)
        if kind.is_definition:
            self._planner.note_definition(inputs)
        return CheckResult(with_secrets(inputs, kind))

    def diff(
        self,
        urn: str,
        id: str,  # noqa: A002 - Pulumi's word
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Compare recorded with new inputs; the server is asked only if they differ.

        What was last seen being deleted is replaced, once it is gone.
        """
        self._planner.note_recorded(urn, id)
        kind, live = kind_of_object(new_inputs), live_object(old_outputs)
        ignored = tuple(parse_path(path) for path in ignore_changes)
        old, new = normalised(old_inputs, kind), normalised(new_inputs, kind)
        found = differences.wanted_changes(old, new, ignored)
        patterns = force_new(
            new,
            kind,
            mutable_config_maps=self._options.mutable_config_maps,
            mutable_secrets=self._options.mutable_secrets,
        )
        result = differences.result(found, patterns, live, new)
        if found and not result.replaces and not kind.is_definition and not is_wholly_known(kind, old):
            patterns = self._planner.immutable(old, new, field_manager(urn, new, old_outputs), ignored)
            result = differences.result(found, patterns, live, new)
        if text_at(live, "metadata", "deletionTimestamp"):
            return DiffResult(Changes.SOME, ("metadata.deletionTimestamp",), True, result.detailed)
        if self._planner.is_unready_job(live, new):
            path = format_path(("metadata", "annotations", REPLACE_UNREADY))
            first = differences.must_delete_first(live, new)
            return DiffResult(Changes.SOME, (*result.replaces, path), first, result.detailed)
        return result

    def create(self, urn: str, inputs: Object, *, timeout: float | None, preview: bool) -> tuple[str, Object]:
        """Create an object and wait until it is ready.

        Raises:
            ProviderError: If an object of that name exists, or the server refuses.
            PartialFailure: If it was created but did not become ready.
            Interrupted: If it is not known whether it was created.
        """
        if preview:
            return "", self._planner.creation(urn, inputs)
        objects, kind, manager = self._cluster(), kind_of_object(inputs), field_manager(urn, inputs)
        resource = objects.resource(kind)
        if self._options.upsert:
            live = objects.take_over(resource, inputs, manager)
        else:
            live = objects.create(resource, inputs, manager)
        return self._settled(urn, resource, inputs, live, manager, timeout)

    def recover(self, urn: str, inputs: Object) -> ReadResult | None:
        """Find the object that an interrupted creation made: the one its field manager has written."""
        objects, kind = self._cluster(), kind_of_object(inputs)
        resource = objects.discovery.find_surely(kind)
        namespace, name = resource.identity(inputs) if resource else ("", "")
        live = objects.read(resource, namespace, name) if resource else None
        manager = field_manager(urn, inputs)
        if live is None or not is_managed_by(live, manager):
            return None
        return ReadResult(_id(live), with_secrets(inputs, kind), checkpoint(inputs, live, kind, manager))

    def read(self, urn: str, id: str, inputs: Object, outputs: Object) -> ReadResult | None:  # noqa: A002 - Pulumi's word
        """Read an object as it is now; None if it is gone, or its kind is."""
        if self._unreachable:
            return None
        objects, kind = self._cluster(), kind_of_object(inputs)
        resource = objects.discovery.find_surely(kind)
        namespace, name = split_id(id)
        live = objects.read(resource, namespace or self._namespace, name) if resource else None
        if live is None:
            return None
        current = reconcile(live, normalised(inputs, kind))
        manager = field_manager(urn, current, outputs)
        version = initial_api_version(outputs, current)
        return ReadResult(id, with_secrets(current, kind), checkpoint(current, live, kind, manager, version))

    def update(
        self,
        urn: str,
        id: str,  # noqa: A002, ARG002 - Pulumi's word; the name is in the inputs
        old_inputs: Object,
        old_outputs: Object,
        new_inputs: Object,
        *,
        timeout: float | None,
        preview: bool,
        ignore_changes: tuple[str, ...] = (),
    ) -> Object:
        """Change an object in place and wait until it is ready.

        Raises:
            ProviderError: If the server refuses, or another field manager owns what is to change.
            PartialFailure: If it was changed but did not become ready.
            Interrupted: If it is not known whether it was changed.
        """
        ignored = tuple(parse_path(path) for path in ignore_changes)
        manager = field_manager(urn, new_inputs, old_outputs)
        if preview:
            return self._planner.update(old_inputs, new_inputs, old_outputs, manager, ignored)
        objects = self._cluster()
        resource = objects.resource(kind_of_object(new_inputs))
        live = objects.update(resource, new_inputs, manager, ignored)
        former = field_manager(urn, old_inputs, old_outputs)
        if former != manager:
            objects.relinquish(resource, live, former)
        version = initial_api_version(old_outputs, old_inputs)
        return self._settled(urn, resource, new_inputs, live, manager, timeout, version)[1]

    def delete(self, urn: str, id: str, inputs: Object, outputs: Object, *, timeout: float | None) -> None:  # noqa: A002, ARG002
        """Delete an object and wait until it is gone.

        Raises:
            ProviderError: If the server refuses.
            Interrupted: If something keeps the object.
        """
        if self._unreachable:
            return
        objects, live = self._cluster(), live_object(outputs)
        resource = objects.discovery.find_surely(kind_of_object(live or inputs))
        if resource is None:
            return  # A kind that is gone took its objects with it.
        objects.delete(resource, inputs, live or inputs, awaiting.timeout_seconds(timeout, inputs), self._progress(urn))
        if resource.kind.is_definition:
            objects.discovery.refresh()

    def cancel(self) -> None:
        """Make whoever waits stop waiting."""
        if self._objects:
            self._objects.client.cancel()

    def close(self) -> None:
        """Close all connections."""
        if self._objects:
            self._objects.client.close()

    def _cluster(self) -> ClusterObjects:
        if self._unreachable:
            raise self._unreachable
        if self._objects is None:
            raise Unreachable("the Kubernetes cluster is not known yet: its kubeconfig comes from another resource")
        return self._objects

    def _contact(self, cluster: Cluster) -> None:
        try:
            require_contact(cluster, _CONFIGURE_PATIENCE)
            self._objects = ClusterObjects(Client(cluster, self._warn, self._patience), force=self._options.patch_force)
        except Unreachable as error:
            if not self._options.delete_unreachable:
                raise
            self._unreachable = error

    def _warn(self, message: str) -> None:
        if message not in self._warned:  # The same cause speaks up at every request.
            self._warned.add(message)
            self._report("warning", "", message)

    def _progress(self, urn: str) -> Callable[[str], None]:
        return lambda message: self._report("status", urn, message)

    def _settled(
        self,
        urn: str,
        resource: Resource,
        inputs: Object,
        live: Object,
        manager: str,
        timeout: float | None,
        api_version: str = "",
    ) -> tuple[str, Object]:
        """Wait for a written object, and return its id and outputs; whatever goes wrong now, the object is written."""
        objects = self._cluster()
        seconds = awaiting.timeout_seconds(timeout, inputs)
        try:
            live = objects.awaiter.until_ready(resource, inputs, live, seconds, self._progress(urn))
        except awaiting.NotReadyError as error:
            outputs = checkpoint(inputs, error.live, resource.kind, manager, api_version)
            raise PartialFailure(_id(error.live), outputs, error.reasons) from error
        except ProviderError as error:
            outputs = checkpoint(inputs, live, resource.kind, manager, api_version)
            raise PartialFailure(_id(live), outputs, [f"it cannot be awaited: {error}"]) from error
        if resource.kind.is_definition:
            objects.discovery.refresh()
        return _id(live), checkpoint(inputs, live, resource.kind, manager, api_version)


def _id(live: Object) -> str:
    return object_id(text_at(live, "metadata", "namespace"), text_at(live, "metadata", "name"))
