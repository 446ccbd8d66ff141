"""Names that Pulumi's Kubernetes provider generates: of objects and of field managers."""

import hashlib
import json
from typing import Any

from engine.kubernetes.fields import mapping_at, text_at
from engine.urn import Urn
from engine.values import UNKNOWN, Object

AUTONAMED = "pulumi.com/autonamed"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
FIELD_MANAGER_KEY = "__fieldManager"
_MANAGER_PREFIX = "pulumi-kubernetes-"
_SUFFIX_LENGTH = 8
"""Hexadecimal digits after a generated name, as ``resource.NewUniqueName`` of Pulumi's SDK makes them."""


def annotation(obj: Object, name: str) -> str:
    """Return an annotation's value; empty if it is absent or not known yet."""
    return text_at(obj, "metadata", "annotations", name)


def is_annotated(obj: Object, name: str) -> bool:
    """Tell whether an annotation is ``"true"``."""
    return annotation(obj, name) == "true"


def is_autonamed(obj: Object) -> bool:
    """Tell whether the object's name was generated."""
    return is_annotated(obj, AUTONAMED)


def has_name(inputs: Object) -> bool:
    """Tell whether the program gives a name, known or not, or leaves the whole metadata unknown."""
    if inputs.get("metadata") is UNKNOWN:
        return True
    metadata = mapping_at(inputs, "metadata")
    return any(metadata.get(key) is UNKNOWN or metadata.get(key) for key in ("name", "generateName"))


def with_name(inputs: Object, urn: str, old_inputs: Object | None, random_seed: bytes) -> Object:
    """Give the inputs a name if they have none.

    A recorded resource keeps the name that was generated for it; a new one gets its logical name and eight
    hexadecimal digits. Generated names are marked by the annotation ``pulumi.com/autonamed``.
    """
    if has_name(inputs):
        return inputs
    if old_inputs is None:
        return _named(inputs, f"{Urn.parse(urn).name}-{_digest(random_seed, urn.encode())}")
    if is_autonamed(old_inputs):
        return _named(inputs, text_at(old_inputs, "metadata", "name"))
    return inputs


def _named(inputs: Object, name: str) -> Object:
    metadata = mapping_at(inputs, "metadata")
    annotations = metadata.get("annotations", {})
    if annotations is not UNKNOWN:
        annotations = {**(annotations or {}), AUTONAMED: "true"}
    return inputs | {"metadata": metadata | {"name": name, "annotations": annotations}}


def field_manager(urn: str, inputs: Object, recorded: Object | None = None) -> str:
    """Return the field manager's name: as annotated, as recorded, or a new one.

    Pulumi draws the digits at random. Here they follow from the URN and the inputs that create the object, so that
    after a crash the object can be recognised as this creation's own.

    Args:
        urn: The resource's URN.
        inputs: The checked inputs.
        recorded: The recorded outputs, for a resource that exists.
    """
    chosen = annotation(inputs, PATCH_FIELD_MANAGER) or text_at(recorded or {}, FIELD_MANAGER_KEY)
    return chosen or _MANAGER_PREFIX + _digest(urn.encode(), _canonical(inputs))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr).encode()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:_SUFFIX_LENGTH]
