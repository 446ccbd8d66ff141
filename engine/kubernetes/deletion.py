"""Deleting an object, and nothing but this object, until it is gone."""

import time
from collections.abc import Callable, Iterator

from engine.errors import Interrupted, ProviderError
from engine.kubernetes.awaiting import SKIP_AWAIT
from engine.kubernetes.changes import QUIET, Follower, by_name
from engine.kubernetes.client import ApiError, Client, Event
from engine.kubernetes.diagnosis import why_it_stays
from engine.kubernetes.discovery import Resource
from engine.kubernetes.fields import text_at
from engine.kubernetes.kinds import Kind, object_id
from engine.kubernetes.naming import annotation, is_annotated
from engine.kubernetes.refusals import explained
from engine.values import Object

DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"

_UNAWAITED_WHEN_SKIPPED = frozenset(
    {"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"}
)
"""Kinds for which ``pulumi.com/skipAwait`` also skips the wait for their deletion, as in pulumi-kubernetes."""

_PROPAGATION = {"orphan": "Orphan", "background": "Background", "foreground": "Foreground"}

_OWNING_NOTHING = frozenset(
    Kind(api_version, kind)
    for api_version, kinds in {
        "v1": "ConfigMap LimitRange PersistentVolume PersistentVolumeClaim ResourceQuota Secret ServiceAccount",
        "networking.k8s.io/v1": "Ingress IngressClass NetworkPolicy",
        "policy/v1": "PodDisruptionBudget",
        "rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
        "scheduling.k8s.io/v1": "PriorityClass",
        "storage.k8s.io/v1": "StorageClass",
    }.items()
    for kind in kinds.split()
)
"""Kinds for which nothing is made that would have to go first.

pulumi-kubernetes deletes them in the foreground too, but that only makes them wait for the garbage collector, which
takes some twenty objects a second.
"""


def delete(
    client: Client, resource: Resource, inputs: Object, live: Object, seconds: float, progress: Callable[[str], None]
) -> None:
    """Delete an object and wait until it is gone. A namesake with another UID is left alone.

    Raises:
        ProviderError: If the server refuses.
        Interrupted: If something keeps the object for longer than ``seconds``, or it cannot be watched.
    """
    namespace, name = resource.identity(live)
    uid = text_at(live, "metadata", "uid")
    usual = "Background" if resource.kind in _OWNING_NOTHING else "Foreground"
    policy = _PROPAGATION.get(annotation(inputs, DELETION_PROPAGATION).lower(), usual)
    options = {"propagationPolicy": policy} | ({"preconditions": {"uid": uid}} if uid else {})
    try:
        answer = client.delete(resource.path(namespace, name), options)
    except ApiError as error:
        answer = _still_ending(client, error, resource, namespace, name, uid)
    is_skipped = is_annotated(inputs, SKIP_AWAIT) and resource.kind.kind in _UNAWAITED_WHEN_SKIPPED
    if text_at(answer, "metadata", "deletionTimestamp") and not is_skipped:
        _until_gone(client, resource, answer, time.monotonic() + seconds, progress)


def _still_ending(client: Client, error: ApiError, resource: Resource, namespace: str, name: str, uid: str) -> Object:
    """Return an object whose deletion was refused because it is under way, or nothing if it is gone.

    A namesake that is not ours stays.
    """
    if error.status == 404:
        return {}
    if error.status == 409 and uid:
        namesake = _read(client, resource.path(namespace, name)) or {}
        if text_at(namesake, "metadata", "uid") != uid:
            return {}
        if text_at(namesake, "metadata", "deletionTimestamp"):
            return namesake
    raise explained(error, resource, namespace, name) from error


def _until_gone(
    client: Client, resource: Resource, live: Object, deadline: float, progress: Callable[[str], None]
) -> None:
    namespace, name = resource.identity(live)
    uid, version = text_at(live, "metadata", "uid"), text_at(live, "metadata", "resourceVersion")
    follower = Follower(client, resource.collection(namespace), by_name(name), version)
    for event in _followed(follower, deadline):
        if event.type == QUIET:
            progress("; ".join(["it is still being deleted", *why_it_stays(live)]))
        elif event.type == "DELETED" or text_at(event.object, "metadata", "uid") != uid:
            return
        else:
            live = event.object
    reasons = why_it_stays(live) or ["no reason is given"]
    what = f"{resource.kind.kind} {object_id(namespace, name)}"
    raise Interrupted(f"{what} is being deleted but not gone: {'; '.join(reasons)}")


def _followed(follower: Follower, deadline: float) -> Iterator[Event]:
    try:
        yield from follower.until(deadline)
    except ProviderError as error:
        raise Interrupted(f"it is being deleted, but whether it is gone cannot be known: {error}") from error


def _read(client: Client, path: str) -> Object | None:
    try:
        return client.get(path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
