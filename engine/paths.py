"""Property paths such as ``spec.template["a.b"].items[0]``, with ``*`` for any key, as in ``ignoreChanges``.

Source: ``sdk/go/common/resource/property_path.go`` of pulumi/pulumi.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from engine.errors import InputError
from engine.values import Secret, Value

Path: TypeAlias = tuple[str | int, ...]
_TOKEN = re.compile(r"""\.?([^.\[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]|\.?"((?:[^"\\]|\\.)*)\"""")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def parse_path(text: str) -> Path:
    """Split a property path into keys and indices.

    Raises:
        InputError: If the path is malformed.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InputError(f"the property path {text!r} is malformed at {text[position:]!r}")
        name, index, quoted, bare = match.groups()
        if index is not None and index != "*":
            parts.append(int(index))
        else:
            key = next(part for part in (name, index, quoted, bare) if part is not None)
            parts.append(key.replace('\\"', '"'))
        position = match.end()
    return tuple(parts)


def format_path(path: Sequence[str | int]) -> str:
    """Join keys and indices; keys that are no identifiers are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def covers(pattern: Path, path: Path) -> bool:
    """Tell whether ``path`` is what ``pattern`` names, or lies below it."""
    return len(pattern) <= len(path) and all(p in ("*", part) for p, part in zip(pattern, path, strict=False))


def copy_ignored(new: Value, old: Value, pattern: Path) -> Value:
    """Return ``new`` with what ``pattern`` names taken from ``old``, which may mean its removal."""
    if not pattern:
        return old
    old = old.value if isinstance(old, Secret) else old
    inner = new.value if isinstance(new, Secret) else new
    if isinstance(inner, dict):
        copied: Any = _copy_in_dict(inner, old if isinstance(old, dict) else {}, pattern)
    elif isinstance(inner, list) and isinstance(old, list):
        copied = [
            copy_ignored(item, old[index], pattern[1:]) if index < len(old) and pattern[0] in ("*", index) else item
            for index, item in enumerate(inner)
        ]
    else:
        return new
    return Secret(copied) if isinstance(new, Secret) else copied


def _copy_in_dict(new: dict[str, Value], old: dict[str, Value], pattern: Path) -> dict[str, Value]:
    copied = dict(new)
    head, *rest = pattern
    for key in sorted({*new, *old}) if head == "*" else [str(head)]:
        if rest:
            if key in new:
                copied[key] = copy_ignored(new[key], old.get(key), tuple(rest))
            elif key in old:
                copied[key] = old[key]
        elif key in old:
            copied[key] = old[key]
        else:
            copied.pop(key, None)
    return copied


def differences(old: Value, new: Value, path: Path = ()) -> list[tuple[Path, str]]:
    """List where two values differ, as paths with ``add``, ``delete`` or ``update``."""
    if isinstance(old, Secret) and isinstance(new, Secret):
        return differences(old.value, new.value, path)
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new:
                found.append(((*path, key), "delete"))
            elif key not in old:
                found.append(((*path, key), "add"))
            else:
                found += differences(old[key], new[key], (*path, key))
        return found
    if isinstance(old, list) and isinstance(new, list):
        return _list_differences(old, new, path)
    same = type(old) is type(new) and old == new if isinstance(old, bool) or isinstance(new, bool) else old == new
    return [] if same else [(path, "update")]


def _list_differences(old: list[Value], new: list[Value], path: Path) -> list[tuple[Path, str]]:
    found = []
    for index in range(max(len(old), len(new))):
        if index >= len(new):
            found.append(((*path, index), "delete"))
        elif index >= len(old):
            found.append(((*path, index), "add"))
        else:
            found += differences(old[index], new[index], (*path, index))
    return found
