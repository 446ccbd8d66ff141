"""Who owns which field of an object: reading and rewriting ``metadata.managedFields``.

The format (``FieldsV1``) is that of ``sigs.k8s.io/structured-merge-diff``: ``f:name`` is a field, ``k:{…}`` a list
element by its keys, ``v:…`` a set element, ``.`` the thing itself.
"""

from typing import Any

from engine.kubernetes.fields import MISSING, list_at, lookup, replaced
from engine.paths import Path
from engine.values import Object

_TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
"""Prefixes of managers whose fields an update takes over, as ``fixCSAFieldManagers`` of pulumi-kubernetes does.

Creation is a plain POST, whose fields belong to an ``Update`` entry; only after this can an apply remove fields.
"""


def managers(obj: Object) -> list[dict[str, Any]]:
    """Return the entries of ``metadata.managedFields``."""
    return [entry for entry in list_at(obj, "metadata", "managedFields") if isinstance(entry, dict)]


def is_managed_by(obj: Object, manager: str) -> bool:
    """Tell whether a field manager of this very name has set fields of the object."""
    return any(entry.get("manager") == manager for entry in managers(obj))


def taken_over(obj: Object, manager: str) -> list[dict[str, Any]] | None:
    """Return the entries after ``manager`` takes over what plain writes own, or None if nothing is to be done."""
    plain = [entry for entry in managers(obj) if _is_taken_over(entry)]
    applied = _own_entry(obj, manager)
    if not plain:
        return None
    others = [entry for entry in managers(obj) if entry is not applied and entry not in plain]
    own = {**(applied or plain[0]), "manager": manager, "operation": "Apply"}
    for entry in plain:
        own["fieldsV1"] = _merged(own["fieldsV1"], entry["fieldsV1"])
    return [*others, own]


def has_plain_writes(obj: Object) -> bool:
    """Tell whether an apply would conflict with entries that an update takes over first."""
    return any(_is_taken_over(entry) for entry in managers(obj))


def _own_entry(obj: Object, manager: str) -> dict[str, Any] | None:
    own = (each for each in managers(obj) if each.get("manager") == manager and each.get("operation") == "Apply")
    return next(own, None)


def _is_taken_over(entry: dict[str, Any]) -> bool:
    if entry.get("subresource"):
        return False
    name, operation = str(entry.get("manager", "")), entry.get("operation")
    return any(operation == wanted and name.startswith(prefix) for prefix, wanted in _TAKEN_OVER)


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, below in second.items():
        merged[key] = _merged(merged[key], below) if key in merged else below
    return merged


def without_ignored(inputs: Object, live: Object, manager: str, ignored: tuple[Path, ...]) -> Object:
    """Leave the fields of ``ignoreChanges`` as they are in the cluster.

    A field that another manager owns alone is left out of the apply; any other field keeps its live value, because an
    apply without it would remove it. Paths with list elements are only followed to a live value.
    """
    for path in ignored:
        found = lookup(live, path)
        if _owned_by_others_only(live, manager, path):
            inputs = replaced(inputs, path, MISSING)
        elif found is not MISSING:
            inputs = replaced(inputs, path, found)
    return inputs


def _owned_by_others_only(live: Object, manager: str, path: Path) -> bool:
    keys = tuple(f"f:{element}" for element in path)
    owners = {
        entry.get("manager") == manager
        for entry in managers(live)
        if lookup(entry.get("fieldsV1", {}), keys) is not MISSING
    }
    return owners == {False}
