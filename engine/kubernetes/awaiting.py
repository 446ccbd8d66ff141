"""Waiting until an object is ready, saying meanwhile and in the end what it waits for."""

import time
from collections.abc import Callable, Iterator

from engine.errors import InputError
from engine.kubernetes import conditions, readiness
from engine.kubernetes.changes import QUIET, Follower, by_name
from engine.kubernetes.client import ApiError, Client
from engine.kubernetes.diagnosis import Diagnosis
from engine.kubernetes.discovery import Discovery, Resource
from engine.kubernetes.fields import list_at, text_at
from engine.kubernetes.kinds import Kind
from engine.kubernetes.naming import annotation, is_annotated
from engine.kubernetes.readiness import READY, Check, Verdict, waiting
from engine.provider import CheckFailure
from engine.values import Object

SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"

DEFAULT_SECONDS = 600.0
"""How long pulumi-kubernetes waits for an object."""

_SERVICE = Kind("v1", "Service")
_CLAIM = Kind("v1", "PersistentVolumeClaim")
_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass")
_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice")
_DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")


class NotReadyError(Exception):
    """An object did not become ready; ``live`` is how it was last seen."""

    def __init__(self, live: Object, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live = live
        self.reasons = reasons


def timeout_seconds(given: float | None, inputs: Object) -> float:
    """Return how long to wait: as the resource's options say, as it is annotated, or ten minutes."""
    if given:
        return given
    annotated = annotation(inputs, TIMEOUT_SECONDS)
    return float(annotated) if annotated.isdigit() else DEFAULT_SECONDS


def failures(inputs: Object) -> tuple[CheckFailure, ...]:
    """Return what is wrong with the annotations that say what to wait for, before anything is made."""
    try:
        if wanted := annotation(inputs, WAIT_FOR):
            conditions.parse(wanted)
    except InputError as error:
        return (CheckFailure("metadata.annotations", str(error)),)
    return ()


class Awaiter:
    """Waits for objects of one cluster. Thread-safe.

    Args:
        client: Speaks to the API server.
        discovery: Knows its kinds.
    """

    def __init__(self, client: Client, discovery: Discovery) -> None:
        self._client = client
        self._discovery = discovery
        self._diagnosis = Diagnosis(client)
        self._conditional: dict[Kind, bool] = {}

    def until_ready(
        self, resource: Resource, inputs: Object, live: Object, seconds: float, progress: Callable[[str], None]
    ) -> Object:
        """Wait until an object is ready and return it.

        Args:
            resource: How the server calls its kind.
            inputs: The checked inputs; their annotations may extend or skip the wait.
            live: The object as just written.
            seconds: The longest to wait.
            progress: Told what the object waits for.

        Raises:
            NotReadyError: If it is not ready in time, has failed, has gone, or the run is cancelled.
        """
        if is_annotated(inputs, SKIP_AWAIT):
            return live
        deadline = time.monotonic() + seconds
        check = self._check(resource, inputs)
        live = self._until(resource, live, check, deadline, progress) if check else live
        if resource.kind == _SERVICE and not annotation(inputs, WAIT_FOR):
            self._until_endpoints(live, deadline, progress)
        return live

    def _check(self, resource: Resource, inputs: Object) -> Check | None:
        kind = resource.kind
        if annotation(inputs, WAIT_FOR):
            return conditions.parse(annotation(inputs, WAIT_FOR))
        if kind == _CLAIM:
            return self._claim_check
        if kind == _SERVICE:
            is_balanced = inputs.get("spec", {}).get("type") == "LoadBalancer"
            return readiness.load_balancer if is_balanced else None
        if kind in readiness.BY_KIND:
            return readiness.BY_KIND[kind]
        is_conditional = not kind.is_builtin and self._has_ready_condition(resource)
        return readiness.ready_condition if is_conditional else None

    def _claim_check(self, claim: Object) -> Verdict:
        """Judge a claim; one whose class waits for the first consumer is as ready as it gets when pending."""
        if text_at(claim, "status", "phase") != "Pending" or not self._waits_for_consumer(claim):
            return readiness.persistent_volume_claim(claim)
        return READY

    def _waits_for_consumer(self, claim: Object) -> bool:
        name, storage = text_at(claim, "spec", "storageClassName"), self._discovery.find(_STORAGE_CLASS)
        if not name or storage is None:
            return False
        try:
            found = self._client.get(storage.path("", name))
        except ApiError:
            return False
        return found.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _has_ready_condition(self, resource: Resource) -> bool:
        """Tell whether a custom kind reports a Ready condition.

        Kinds do not declare their conditions. Those with a Ready condition print it as a column, by the convention of
        ``kubectl get``; that column's JSONPath is what tells them apart here.
        """
        if resource.kind not in self._conditional:
            self._conditional[resource.kind] = self._prints_ready(resource)
        return self._conditional[resource.kind]

    def _prints_ready(self, resource: Resource) -> bool:
        definitions = self._discovery.find(_DEFINITION)
        if definitions is None:
            return False
        try:
            found = self._client.get(definitions.path("", f"{resource.plural}.{resource.kind.group}"))
        except ApiError:
            return False
        versions = [each for each in list_at(found, "spec", "versions") if each.get("name") == resource.kind.version]
        columns = [
            column.get("jsonPath", "") for each in versions for column in list_at(each, "additionalPrinterColumns")
        ]
        return any("conditions" in path and "Ready" in path.replace('"', "'").split("'") for path in columns)

    def _until(
        self, resource: Resource, live: Object, check: Check, deadline: float, progress: Callable[[str], None]
    ) -> Object:
        verdict = check(live)
        for version, is_quiet in self._versions(resource, live, deadline):
            live, verdict = version, check(version)
            if verdict.ready or verdict.failed:
                break
            progress("; ".join(self._reasons(live, verdict)) if is_quiet else verdict.message)
        if verdict.ready:
            return live
        raise NotReadyError(live, self._reasons(live, verdict))

    def _versions(self, resource: Resource, live: Object, deadline: float) -> Iterator[tuple[Object, bool]]:
        """Yield the object as it is, and again whenever it has changed (False) or has not for a while (True)."""
        yield live, False
        namespace, name = text_at(live, "metadata", "namespace"), text_at(live, "metadata", "name")
        version = text_at(live, "metadata", "resourceVersion")
        follower = Follower(self._client, resource.collection(namespace), by_name(name), version)
        for event in follower.until(deadline):
            if event.type == "DELETED":
                raise NotReadyError(live, ["it was deleted while it was awaited"])
            live = live if event.type == QUIET else event.object
            yield live, event.type == QUIET

    def _reasons(self, live: Object, verdict: Verdict) -> list[str]:
        return [verdict.message, *self._diagnosis.of(live)]

    def _until_endpoints(self, service: Object, deadline: float, progress: Callable[[str], None]) -> None:
        slices = self._discovery.find(_SLICE)
        if not readiness.needs_endpoints(service) or slices is None:
            return
        metadata = service["metadata"]
        selector = {"labelSelector": f"kubernetes.io/service-name={metadata['name']}"}
        verdict = waiting("no ready pod matches its selector; the pods may not be ready, or their labels may differ")
        progress(verdict.message)
        for event in Follower(self._client, slices.collection(metadata["namespace"]), selector).until(deadline):
            if event.type in ("ADDED", "MODIFIED") and readiness.has_ready_endpoint(event.object):
                return
        raise NotReadyError(service, self._reasons(service, verdict))
