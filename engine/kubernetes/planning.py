"""What a change would lead to: asked of the API server by dry runs where it can say, and reckoned where it cannot."""

import threading

from engine.errors import ProviderError
from engine.kubernetes.client import ApiError
from engine.kubernetes.cluster import ClusterObjects
from engine.kubernetes.fields import mapping_at, text_at
from engine.kubernetes.inputs import has_unknown
from engine.kubernetes.kinds import CLUSTER_SCOPED, Kind, kind_of_object, object_id
from engine.kubernetes.naming import field_manager, is_annotated
from engine.kubernetes.outputs import planned_creation, planned_update
from engine.kubernetes.readiness import job
from engine.kubernetes.refusals import explained
from engine.paths import Path, parse_path
from engine.values import Object

_IMMUTABLE = "is immutable"
"""What the API server says of a field that cannot change: ``validation.FieldImmutableErrorMsg`` of apimachinery."""

REPLACE_UNREADY = "pulumi.com/replaceUnready"

_NAMESPACE = Kind("v1", "Namespace")


class Planner:
    """Plans changes of one run. Thread-safe.

    Args:
        objects: The cluster's objects; None while the cluster is not known.
        upsert: Whether creation takes over objects that exist.
    """

    def __init__(self, objects: ClusterObjects | None, *, upsert: bool) -> None:
        self._objects = objects
        self._upsert = upsert
        self._namespaces: set[str] = set()
        self._scopes: dict[tuple[str, str], bool] = {}
        self._recorded: dict[str, str] = {}
        self._lock = threading.Lock()

    def note_recorded(self, urn: str, id_: str) -> None:
        """Remember that a resource exists: creating its namesake then is part of replacing it."""
        with self._lock:
            self._recorded[urn] = id_

    def note_definition(self, definition: Object) -> None:
        """Remember the kind that a definition of this run brings, so that its objects can be planned."""
        spec = mapping_at(definition, "spec")
        with self._lock:
            key = (text_at(spec, "group"), text_at(spec, "names", "kind"))
            self._scopes[key] = spec.get("scope") == "Namespaced"

    def is_namespaced(self, kind: Kind) -> bool:
        """Tell whether objects of a kind live in namespaces; of an unknown custom kind, that is assumed."""
        resource = self._objects.discovery.find(kind) if self._objects else None
        if resource is not None:
            return resource.namespaced
        return self._scopes.get((kind.group, kind.kind), kind.kind not in CLUSTER_SCOPED)

    def creation(self, urn: str, inputs: Object) -> Object:
        """Return the outputs to expect of a new object.

        Raises:
            ProviderError: If the server would refuse it, or it exists already and is not being replaced.
        """
        kind, answer = kind_of_object(inputs), None
        resource = self._objects.discovery.find(kind) if self._objects else None
        if kind == _NAMESPACE:
            self._namespaces.add(text_at(inputs, "metadata", "name"))
        in_planned_namespace = text_at(inputs, "metadata", "namespace") in self._namespaces
        if self._objects and resource and not has_unknown(inputs) and not in_planned_namespace:
            namespace, name = resource.identity(inputs)
            try:
                answer = self._objects.try_create(resource, inputs, field_manager(urn, inputs))
            except ApiError as error:
                if self._is_refusal(error, urn, object_id(namespace, name)):
                    raise explained(error, resource, namespace, name) from error
        return planned_creation(inputs, answer, kind)

    def update(
        self, old_inputs: Object, inputs: Object, old_outputs: Object, manager: str, ignored: tuple[Path, ...]
    ) -> Object:
        """Return the outputs to expect of a changed object.

        Raises:
            ProviderError: If the server would refuse the change.
        """
        try:
            answer = self._answer(old_inputs, inputs, manager, ignored)
        except ProviderError as error:
            if not isinstance(error.__cause__, ApiError) or error.__cause__.status != 403:
                raise
            answer = None  # Who may not write can still plan.
        return planned_update(inputs, answer, old_outputs)

    def immutable(
        self, old_inputs: Object, inputs: Object, manager: str, ignored: tuple[Path, ...]
    ) -> tuple[Path, ...]:
        """Return the changed properties that the server refuses to change in place."""
        try:
            self._answer(old_inputs, inputs, manager, ignored)
        except ProviderError as error:  # Any other refusal is for the update itself to report.
            cause = error.__cause__
            refused = cause.causes if isinstance(cause, ApiError) and cause.status == 422 else []
            fields = [str(each.get("field", "")) for each in refused if _IMMUTABLE in str(each.get("message", ""))]
            return tuple(parse_path(field) for field in fields if field)
        return ()

    def is_unready_job(self, live: Object, inputs: Object) -> bool:
        """Tell whether a Job has not completed and is annotated to be replaced then."""
        kind = kind_of_object(inputs)
        if self._objects is None or kind.kind != "Job" or not is_annotated(inputs, REPLACE_UNREADY):
            return False
        resource = self._objects.discovery.find(kind)
        now = self._objects.read(resource, *resource.identity(live)) if resource else None
        return now is not None and not job(now).ready

    def _answer(self, old_inputs: Object, inputs: Object, manager: str, ignored: tuple[Path, ...]) -> Object | None:
        """Ask the server for the object after an update; None where it cannot say."""
        resource = self._objects.discovery.find(kind_of_object(inputs)) if self._objects else None
        if self._objects is None or resource is None or has_unknown(inputs):
            return None
        return self._objects.try_update(resource, old_inputs, inputs, manager, ignored)

    def _is_refusal(self, error: ApiError, urn: str, id_: str) -> bool:
        """Tell whether a dry creation that failed means that the real one will fail too."""
        if self._recorded.get(urn) == id_:
            return False
        return error.status in (400, 422) or (error.reason == "AlreadyExists" and not self._upsert)
