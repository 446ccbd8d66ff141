"""What a resource's outputs are: the live object, and beside it what pulumi-kubernetes keeps for itself.

Known from the plugin's source (``checkpointObject``): the outputs are the live object as the API server returned it,
with ``metadata.managedFields`` and ``status``, and three keys more: ``__inputs`` (the checked inputs),
``__initialApiVersion`` and ``__fieldManager``. Programs never see the three; the plugin's own diff reads them.

What a preview must not claim to know is decided here, from the API documentation: fields that the server computes
get :data:`~engine.values.UNKNOWN`, because Pulumi's SDK takes an absent nested field for a known null.
"""

from typing import Any

from engine.kubernetes.fields import MISSING, lookup, mapping_at, replaced
from engine.kubernetes.kinds import Kind, kind_of_object
from engine.kubernetes.naming import FIELD_MANAGER_KEY
from engine.paths import Path, parse_path
from engine.values import UNKNOWN, Object, Secret

INPUTS_KEY = "__inputs"
INITIAL_API_VERSION_KEY = "__initialApiVersion"

_SERVICE = Kind("v1", "Service")
_NEW_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_COMPUTED: dict[Kind, tuple[Path, ...]] = {
    _SERVICE: tuple(
        map(parse_path, ("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.healthCheckNodePort"))
    ),
    Kind("v1", "PersistentVolumeClaim"): (("spec", "volumeName"),),
    Kind("v1", "PersistentVolume"): (("spec", "claimRef"),),
    Kind("v1", "Pod"): (("spec", "nodeName"),),
    Kind("v1", "ServiceAccount"): (("secrets",),),
    Kind("batch/v1", "Job"): (("spec", "selector"),),
}
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


def live_object(outputs: Object) -> Object:
    """Return the live object within recorded outputs."""
    return {key: item for key, item in outputs.items() if not key.startswith("__")}


def with_secrets(obj: Object, kind: Kind) -> Object:
    """Mark the content of a Secret, whatever the program says, as ``annotateSecrets`` of pulumi-kubernetes does."""
    if not kind.is_core_secret:
        return obj
    return obj | {name: Secret(obj[name]) for name in ("data", "stringData") if name in obj}


def checkpoint(inputs: Object, live: Object, kind: Kind, manager: str, initial_api_version: str = "") -> Object:
    """Return the outputs to record for a live object.

    Args:
        inputs: The checked inputs.
        live: The object as the API server returned it.
        kind: Its kind.
        manager: The field manager that owns the inputs' fields.
        initial_api_version: The API version it was created with; empty for that of ``kind``.

    ``__inputs`` is secret as a whole: which inputs are, a provider is not told. The plugin reads it either way.
    """
    return with_secrets(live, kind) | {
        INPUTS_KEY: Secret(inputs),
        INITIAL_API_VERSION_KEY: initial_api_version or kind.api_version,
        FIELD_MANAGER_KEY: manager,
    }


def initial_api_version(outputs: Object, inputs: Object) -> str:
    """Return the API version that a recorded resource was created with."""
    return str(outputs.get(INITIAL_API_VERSION_KEY) or inputs.get("apiVersion", ""))


def planned_creation(inputs: Object, answer: Object | None, kind: Kind) -> Object:
    """Return the outputs that a preview promises for a new object.

    Args:
        inputs: The checked inputs; their unknown values stay unknown.
        answer: What a dry run returned; None if there was none.
        kind: The object's kind.
    """
    planned = overlay(answer or {}, inputs)
    planned.pop("status", None)
    if planned.get("metadata") is not UNKNOWN:
        planned["metadata"] = mapping_at(planned, "metadata") | dict.fromkeys(_NEW_METADATA, UNKNOWN)
    for path in _COMPUTED.get(kind, ()):
        planned = _unknown_unless_given(planned, inputs, path)
    planned = _with_unknown_node_ports(planned, inputs) if kind == _SERVICE else planned
    return with_secrets(planned, kind)


def planned_update(inputs: Object, answer: Object | None, old_outputs: Object) -> Object:
    """Return the outputs that a preview promises for a changed object.

    What the server decided when it made the object, such as a cluster IP, stays known.
    """
    planned = overlay(answer or live_object(old_outputs), inputs)
    if isinstance(planned.get("metadata"), dict):
        planned = replaced(planned, ("metadata", "resourceVersion"), UNKNOWN)
    return with_secrets(planned, kind_of_object(inputs))


def overlay(below: Any, above: Any) -> Any:
    """Lay what is given over what was found: mappings are merged, everything else is taken from above.

    A list is merged by position only where both have the same length, since the server may fill its elements' defaults.
    """
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: overlay(below.get(key), item) for key, item in above.items()}}
    if isinstance(below, list) and isinstance(above, list) and len(below) == len(above):
        return [overlay(low, high) for low, high in zip(below, above, strict=True)]
    return above


def rewritten(live: Any, old: Any, new: Any) -> Any:
    """Change a live value as the change from old to new inputs would: what was given and is no more goes."""
    if isinstance(live, dict) and isinstance(new, dict):
        given = old if isinstance(old, dict) else {}
        kept = {key: item for key, item in live.items() if key in new or key not in given}
        return {**kept, **{key: rewritten(live.get(key), given.get(key), item) for key, item in new.items()}}
    if isinstance(live, list) and isinstance(new, list) and isinstance(old, list) and len(live) == len(new) == len(old):
        return [rewritten(*items) for items in zip(live, old, new, strict=True)]
    return new


def _unknown_unless_given(planned: Object, inputs: Object, path: Path) -> Object:
    if lookup(inputs, path) is not MISSING or any(
        lookup(planned, path[:end]) is UNKNOWN for end in range(1, len(path))
    ):
        return planned
    return replaced(planned, path, UNKNOWN)


def _with_unknown_node_ports(planned: Object, inputs: Object) -> Object:
    ports = mapping_at(planned, "spec").get("ports")
    if mapping_at(inputs, "spec").get("type") not in _NODE_PORT_TYPES or not isinstance(ports, list):
        return planned
    for index in range(len(ports)):
        planned = _unknown_unless_given(planned, inputs, ("spec", "ports", index, "nodePort"))
    return planned
