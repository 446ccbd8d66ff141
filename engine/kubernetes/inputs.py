"""What ``check`` makes of a program's inputs before they are recorded and sent.

Known from pulumi-kubernetes' source: nulls are dropped, read-only metadata and the status are removed, a Secret's
``stringData`` is folded into ``data``, the name and the namespace are filled in. The plugin also converts every
built-in object to its Go type and back, which rewrites quantities such as ``1000m`` into ``1``; here inputs keep the
program's spelling, and :mod:`engine.kubernetes.equality` treats both as the same.
"""

import base64
from collections.abc import Mapping
from typing import Any

from engine.kubernetes.fields import MISSING, mapping_at, replaced
from engine.kubernetes.kinds import Kind
from engine.kubernetes.naming import has_name
from engine.paths import Path
from engine.provider import CheckFailure
from engine.values import UNKNOWN, Object, Unknown, contains

_READ_ONLY: tuple[Path, ...] = tuple(
    ("metadata", name)
    for name in (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
    )
)
_DASHED = {
    f"x_kubernetes_{name}": "x-kubernetes-" + name.replace("_", "-")
    for name in (
        "embedded_resource",
        "int_or_string",
        "list_map_keys",
        "list_type",
        "map_type",
        "preserve_unknown_fields",
        "validations",
    )
}
"""Names that the SDKs cannot write as the API has them (``mapReplUnderscoreToDash`` of the plugin)."""


def has_unknown(value: Any) -> bool:
    """Tell whether a value that is known only after the update occurs anywhere."""
    return contains(value, Unknown)


def without_nulls(value: Any) -> Any:
    """Drop nulls from mappings, as every request of Pulumi's provider does; nulls in lists keep their place."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def normalised(inputs: Object, kind: Kind) -> Object:
    """Bring inputs into the form that is recorded, compared and sent."""
    for path in _READ_ONLY:
        if path[1] in mapping_at(inputs, "metadata"):
            inputs = replaced(inputs, path, MISSING)
    if kind.is_core_secret:
        inputs = _with_encoded_data(inputs)
    if kind.is_definition:
        inputs = _with_dashes(inputs)
        if mapping_at(inputs, "spec").get("preserveUnknownFields") is False:
            inputs = replaced(inputs, ("spec", "preserveUnknownFields"), MISSING)
    if kind.is_builtin and "status" in inputs:
        inputs = replaced(inputs, ("status",), MISSING)
    return inputs


def _with_encoded_data(inputs: Object) -> Object:
    """Fold ``stringData`` into ``data`` as the API server does, or each update would find it missing."""
    texts, data = inputs.get("stringData"), inputs.get("data", {})
    rest = {key: item for key, item in inputs.items() if key != "stringData"}
    if texts is UNKNOWN or data is UNKNOWN:
        return rest | {"data": UNKNOWN}
    data = {key: item.strip() if isinstance(item, str) else item for key, item in (data or {}).items()}
    if not texts:
        return rest | {"data": data} if "data" in inputs else rest
    return rest | {"data": data | {key: _encoded(item) for key, item in texts.items()}}


def _encoded(value: Any) -> Any:
    return value if value is UNKNOWN else base64.b64encode(str(value).encode()).decode()


def with_namespace(inputs: Object, namespace: str) -> Object:
    """Put an object without a namespace into ``namespace``."""
    given = mapping_at(inputs, "metadata").get("namespace")
    if inputs.get("metadata") is UNKNOWN or given is UNKNOWN or given:
        return inputs
    return replaced(inputs, ("metadata", "namespace"), namespace)


def _with_dashes(value: Any) -> Any:
    """Write ``x_kubernetes_…`` as ``x-kubernetes-…`` wherever it stands."""
    if isinstance(value, dict):
        return {_DASHED.get(key, key): _with_dashes(item) for key, item in value.items()}
    return [_with_dashes(item) for item in value] if isinstance(value, list) else value


def failures(inputs: Object, kind: Kind) -> tuple[CheckFailure, ...]:
    """Return what is wrong with inputs before any server has seen them."""
    metadata = inputs.get("metadata", {})
    if metadata is not UNKNOWN and not isinstance(metadata, Mapping):
        return (CheckFailure("metadata", f"must be a mapping, not {type(metadata).__name__}"),)
    found: list[CheckFailure] = []
    for key, wanted in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if inputs[key] not in (wanted, UNKNOWN):
            found.append(CheckFailure(key, f"is {inputs[key]!r}, but the resource's type says {wanted!r}"))
    if metadata is not UNKNOWN and metadata.get("generateName") and not metadata.get("name"):
        reason = "is not supported with server-side apply; leave the name out and one is generated"
        found.append(CheckFailure("metadata.generateName", reason))
    if not has_name(inputs) and "name" in metadata:
        found.append(CheckFailure("metadata.name", "is empty"))
    return tuple(found)
