"""Property values as Pulumi marshals them: protobuf structs on the wire, JSON in checkpoints.

Special values are objects that carry a signature under one well-known key
(``sdk/go/common/resource/sig/sig.go`` of pulumi/pulumi).
"""

import json
import math
from collections.abc import Callable
from typing import Any

from google.protobuf import struct_pb2

from engine.errors import Unsupported
from engine.values import UNKNOWN, Object, Reference, Secret, Value

SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public signature of the protocol
_REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_ASSETS = {"c44067f5952c0a294b673a41bacd8c17": "Assets", "0def7320c3a5731c473e5ecbe6d01bc7": "Archives"}
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def from_struct(struct: struct_pb2.Struct) -> Object:
    """Read an object from the wire."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: struct_pb2.Value) -> Value:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
        case "number_value":
            return integral(value.number_value)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _special(from_struct(value.struct_value), _plain_secret)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
    return None


def integral(number: float) -> int | float:
    """Turn a double that is a whole number into an ``int``, as every number is a double on the wire."""
    return int(number) if math.isfinite(number) and number == int(number) else number


def _plain_secret(fields: Object) -> Value:
    return Secret(fields.get("value"))


def _special(fields: Object, secret: Callable[[Object], Value]) -> Value:
    signature = fields.get(SIGNATURE)
    if signature is None:
        return fields
    if signature == _SECRET:
        return secret(fields)
    if signature == _REFERENCE:
        return Reference(fields["urn"], None if fields.get("id") == "" else fields.get("id"))
    if signature == _OUTPUT:
        value = fields.get("value", UNKNOWN)
        return Secret(value) if fields.get("secret") else value
    raise Unsupported(_ASSETS.get(signature, f"A value with the signature {signature}"))


def to_struct(object_: Object) -> struct_pb2.Struct:
    """Write an object to the wire."""
    struct = struct_pb2.Struct()
    for key, value in object_.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Value) -> None:
    if isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[key], item)
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
    elif value is None or isinstance(value, str | bool | int | float):
        _fill_scalar(target, value)
    else:
        _fill(target, _envelope(value, lambda secret: {"value": secret}))


def _fill_scalar(target: struct_pb2.Value, value: str | bool | float | None) -> None:
    match value:
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case str():
            target.string_value = value
        case bool():
            target.bool_value = value
        case _:
            target.number_value = value


def _envelope(value: Value, secret: Callable[[Value], Object]) -> Value:
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, Secret):
        return {SIGNATURE: _SECRET, **secret(value.value)}
    if isinstance(value, Reference):
        id_ = "" if value.id is None else _envelope(value.id, secret) if value.id is UNKNOWN else value.id
        return {SIGNATURE: _REFERENCE, "urn": value.urn, "id": id_}
    raise TypeError(f"a {type(value).__name__} is no property value")


def to_json(value: Value, encrypt: Callable[[str], str] | None) -> Any:
    """Write a value as checkpoints have it; a secret becomes the ciphertext of its JSON text, or stays plain text."""
    if isinstance(value, dict):
        return {key: to_json(item, encrypt) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item, encrypt) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value

    def seal(secret: Value) -> Object:
        text = json.dumps(to_json(secret, encrypt), separators=(",", ":"))
        return {"ciphertext": encrypt(text)} if encrypt else {"plaintext": text}

    return _envelope(value, seal)


def from_json(value: Any, decrypt: Callable[[str], str]) -> Value:
    """Read a value from a checkpoint. Secrets may also stand in plain text, as in ``--show-secrets`` exports."""
    if isinstance(value, dict):
        if SIGNATURE not in value:
            return {key: from_json(item, decrypt) for key, item in value.items()}

        def unseal(fields: Object) -> Value:
            text = fields["plaintext"] if "plaintext" in fields else decrypt(fields["ciphertext"])
            return Secret(from_json(json.loads(text), decrypt))

        return _special(value, unseal)
    if isinstance(value, list):
        return [from_json(item, decrypt) for item in value]
    return integral(value) if isinstance(value, float) else UNKNOWN if value == UNKNOWN_TEXT else value
