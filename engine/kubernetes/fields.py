"""Reaching into API objects, which are nested mappings and lists of anything."""

from typing import Any

from engine.paths import Path

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING"})()
"""What :func:`lookup` returns for a path that leads nowhere: None is a value."""


def lookup(value: Any, path: Path) -> Any:
    """Return what stands at a path without wildcards, or :data:`MISSING`."""
    for element in path:
        if isinstance(value, list):
            found = value[element] if isinstance(element, int) and element < len(value) else MISSING
        else:
            found = value.get(element, MISSING) if isinstance(value, dict) else MISSING
        if found is MISSING:
            return MISSING
        value = found
    return value


def text_at(value: Any, *keys: str) -> str:
    """Return the string at a path of keys; empty if there is none."""
    found = lookup(value, keys)
    return found if isinstance(found, str) else ""


def mapping_at(value: Any, *keys: str) -> dict[str, Any]:
    """Return the mapping at a path of keys; empty if there is none."""
    found = lookup(value, keys)
    return found if isinstance(found, dict) else {}


def list_at(value: Any, *keys: str) -> list[Any]:
    """Return the list at a path of keys; empty if there is none."""
    found = lookup(value, keys)
    return found if isinstance(found, list) else []


def number_at(value: Any, *keys: str, default: int = 0) -> int:
    """Return the integer at a path of keys."""
    found = lookup(value, keys)
    return found if isinstance(found, int) else default


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of ``value`` with ``new`` at ``path``, or without that key when ``new`` is :data:`MISSING`.

    Only what lies on the path is copied. Missing mappings on the way are made; a missing list element is left alone.
    """
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        if not isinstance(value, list) or first >= len(value):
            return value
        return [*value[:first], replaced(value[first], rest, new), *value[first + 1 :]]
    mapping = dict(value) if isinstance(value, dict) else {}
    if not rest and new is MISSING:
        mapping.pop(first, None)
    elif rest and new is MISSING and first not in mapping:
        return value
    else:
        mapping[first] = replaced(mapping.get(first), rest, new)
    return mapping
