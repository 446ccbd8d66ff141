"""Property values as the engine and its providers exchange them: plain JSON-like Python, and three wrappers.

Integral numbers are ``int``. :data:`UNKNOWN` stands for a value known only after the update; it occurs in previews.
:class:`Secret` marks a value to be encrypted in state and masked in displays; providers never see it.
:class:`Reference` is a resource used as a value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final


@final
class Unknown:
    """The type of :data:`UNKNOWN`, of which there is exactly one object; test with ``value is UNKNOWN``."""

    _instance: "Unknown | None" = None

    def __new__(cls) -> "Unknown":
        """Return the one instance."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("a value that is not known yet has no truth value")

    def __copy__(self) -> "Unknown":
        return self

    def __deepcopy__(self, memo: object) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value to be encrypted in state and masked in displays; its own ``repr`` shows nothing."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True)
class Reference:
    """A resource used as a value. ``id`` is None for components and :data:`UNKNOWN` while not created."""

    urn: str
    id: "str | Unknown | None" = None


Value: TypeAlias = Any
"""None, bool, int, float, str, list or dict of values, :data:`UNKNOWN`, :class:`Secret` or :class:`Reference`."""

Object: TypeAlias = dict[str, Value]


def transform(value: Value, leaf: Callable[[Value], Value]) -> Value:
    """Rebuild a value, passing everything that is neither list nor dict through ``leaf``."""
    if isinstance(value, dict):
        return {key: transform(item, leaf) for key, item in value.items()}
    if isinstance(value, list):
        return [transform(item, leaf) for item in value]
    return leaf(value)


def contains(value: Value, kind: type) -> bool:
    """Tell whether an instance of ``kind`` occurs anywhere in the value, also inside secrets."""
    if isinstance(value, kind):
        return True
    if isinstance(value, Secret):
        return contains(value.value, kind)
    if isinstance(value, dict):
        return any(contains(item, kind) for item in value.values())
    return isinstance(value, list) and any(contains(item, kind) for item in value)


def reveal(value: Value) -> Value:
    """Return a value as providers see it: secrets in plain text, resources by their id or else their URN."""
    return transform(value, _revealed)


def _revealed(leaf: Value) -> Value:
    if isinstance(leaf, Secret):
        return reveal(leaf.value)
    if isinstance(leaf, Reference):
        return leaf.urn if leaf.id is None else leaf.id
    return leaf


def mark_secrets(outputs: Mapping[str, Value], inputs: Mapping[str, Value]) -> Object:
    """Mark outputs as secret where the inputs of the same name are, as Pulumi's ``annotateSecrets`` does.

    Where both are objects the marking descends, so that one secret leaf does not hide a whole ``spec``; otherwise an
    output is secret when the input holds a secret anywhere.
    """
    marked = dict(outputs)
    for key, given in inputs.items():
        if key not in marked:
            continue
        if isinstance(marked[key], dict) and isinstance(given, dict):
            marked[key] = mark_secrets(marked[key], given)
        elif not isinstance(marked[key], Secret) and contains(given, Secret):
            marked[key] = Secret(marked[key])
    return marked


def mark_names(outputs: Mapping[str, Value], names: set[str]) -> Object:
    """Mark the named top-level outputs as secret (``additionalSecretOutputs``)."""
    return {
        key: Secret(value) if key in names and not isinstance(value, Secret) else value
        for key, value in outputs.items()
    }
